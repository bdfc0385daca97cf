#include "server/builtin/render.h"

#include <algorithm>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "outpost/data_format.h"
#include "outpost/internal/printable.h"
#include "outpost/internal/status_errno.h"
#include "server/text/duration.h"

namespace outpost::builtin {

command::Result Render(const std::string& format, const nlohmann::json& data,
                       const std::function<std::string()>& plain) {
  const absl::StatusOr<Format> parsed = ParseFormat(format);
  if (!parsed.ok()) return Failure(parsed.status());
  const auto printable = [&plain] { return internal::Printable(plain()); };
  return {.retval = 0, .out = FormatData(*parsed, data, printable), .err = ""};
}

command::Result Failure(const absl::Status& status) {
  return {.retval = -internal::ErrnoOf(status.code()),
          .out = "",
          .err = internal::Printable(status.message())};
}

std::string HowLongAgo(absl::Time time) {
  // Of what a clock showed that has been set back since, nobody knows.
  const absl::Duration ago = std::max(absl::Now() - time, absl::ZeroDuration());
  return absl::StrCat(text::DurationText(ago, absl::Milliseconds(100)), " ago");
}

}  // namespace outpost::builtin
