// LatencyHistogram counts how long something took, cheaply enough for every command:
// an Add is two relaxed additions.
//
// **Thread safety.** All methods may be called from any thread. A snapshot that is
// taken meanwhile may have of an Add one part and not the other.
#ifndef OUTPOST_SERVER_METRICS_LATENCY_HISTOGRAM_H_
#define OUTPOST_SERVER_METRICS_LATENCY_HISTOGRAM_H_

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace outpost::metrics {

// What latencies are taken by: a clock that nobody sets.
using Clock = std::chrono::steady_clock;

class LatencyHistogram {
 public:
  // Upper bounds of the buckets in seconds, from a command of a module at rest to one
  // that waits for a cluster.
  static constexpr std::array<double, 11> kBounds = {1e-4, 5e-4, 1e-3, 5e-3, 0.01, 0.05,
                                                     0.1,  0.5,  1,    5,    30};

  struct Snapshot {
    double sum_seconds = 0;
    std::array<uint64_t, kBounds.size() + 1> counts = {};  // the last: above all bounds
    uint64_t count() const;
  };

  void Add(Clock::duration took);
  Snapshot snapshot() const;

 private:
  std::array<std::atomic<uint64_t>, kBounds.size() + 1> counts_ = {};
  std::atomic<int64_t> sum_nanoseconds_ = 0;
};

}  // namespace outpost::metrics

#endif  // OUTPOST_SERVER_METRICS_LATENCY_HISTOGRAM_H_
