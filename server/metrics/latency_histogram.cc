#include "server/metrics/latency_histogram.h"

#include <algorithm>
#include <numeric>

namespace outpost::metrics {

uint64_t LatencyHistogram::Snapshot::count() const {
  return std::accumulate(counts.begin(), counts.end(), uint64_t{0});
}

void LatencyHistogram::Add(Clock::duration took) {
  const double seconds = std::chrono::duration<double>(took).count();
  const size_t bucket = static_cast<size_t>(
      std::lower_bound(kBounds.begin(), kBounds.end(), seconds) - kBounds.begin());
  counts_[bucket].fetch_add(1, std::memory_order_relaxed);
  sum_nanoseconds_.fetch_add(std::chrono::duration_cast<std::chrono::nanoseconds>(took).count(),
                             std::memory_order_relaxed);
}

LatencyHistogram::Snapshot LatencyHistogram::snapshot() const {
  Snapshot snapshot;
  snapshot.sum_seconds =
      static_cast<double>(sum_nanoseconds_.load(std::memory_order_relaxed)) / 1e9;
  std::transform(counts_.begin(), counts_.end(), snapshot.counts.begin(),
                 [](const auto& count) { return count.load(std::memory_order_relaxed); });
  return snapshot;
}

}  // namespace outpost::metrics
