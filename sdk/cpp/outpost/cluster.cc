#include "outpost/cluster.h"

#include <array>

namespace outpost {

absl::string_view LookupReleaseName(int major) {
  // The first release with a number of its own is 9.
  constexpr int kFirst = 9;
  constexpr std::array<absl::string_view, 12> kNames = {
      "infernalis", "jewel",   "kraken", "luminous", "mimic", "nautilus",
      "octopus",    "pacific", "quincy", "reef",     "squid", "tentacle"};
  const int index = major - kFirst;
  if (index < 0 || index >= static_cast<int>(kNames.size())) return "unknown";
  return kNames[static_cast<size_t>(index)];
}

int64_t Rate(const CounterSeries& series) {
  if (series.samples.size() < 2) return 0;
  const CounterSample& last = series.samples.back();
  const CounterSample& before = series.samples[series.samples.size() - 2];
  const int64_t seconds = absl::ToInt64Seconds(last.time - before.time);
  if (seconds == 0) return 0;
  return static_cast<int64_t>(last.value - before.value) / seconds;
}

}  // namespace outpost
