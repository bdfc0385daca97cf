#include "outpost/cluster.h"

namespace outpost {

int64_t Rate(const CounterSeries& series) {
  if (series.samples.size() < 2) return 0;
  const CounterSample& last = series.samples.back();
  const CounterSample& before = series.samples[series.samples.size() - 2];
  const int64_t seconds = absl::ToInt64Seconds(last.time - before.time);
  if (seconds == 0) return 0;
  return static_cast<int64_t>(last.value - before.value) / seconds;
}

}  // namespace outpost
