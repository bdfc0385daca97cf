#include "server/text/duration.h"

namespace outpost::text {

std::string DurationText(absl::Duration duration, absl::Duration resolution) {
  const absl::Duration whole = absl::Trunc(duration, resolution);
  return whole == absl::ZeroDuration() ? "0s" : absl::FormatDuration(whole);
}

}  // namespace outpost::text
