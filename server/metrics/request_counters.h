// RequestCounters counts requests of one kind, by how they ended, and how long the
// answered ones took: a request costs two readings of a clock and three relaxed
// additions.
//
// **Thread safety.** All members may be used from any thread.
#ifndef OUTPOST_SERVER_METRICS_REQUEST_COUNTERS_H_
#define OUTPOST_SERVER_METRICS_REQUEST_COUNTERS_H_

#include <array>
#include <atomic>
#include <cstdint>

#include "server/metrics/latency_histogram.h"

namespace outpost::metrics {

// How a request that nobody answered ended.
enum class Unanswered { kTimedOut, kCancelled, kLost, kRefused };

class RequestCounters {
 public:
  struct Snapshot {
    uint64_t succeeded = 0;
    uint64_t failed = 0;
    uint64_t timed_out = 0;
    uint64_t cancelled = 0;
    uint64_t lost = 0;
    uint64_t refused = 0;
    LatencyHistogram::Snapshot latency;  // of those that succeeded or failed
  };

  // One was answered, which had come at `began`.
  void Answered(bool success, Clock::time_point began) {
    (success ? succeeded_ : failed_).fetch_add(1, std::memory_order_relaxed);
    latency_.Add(Clock::now() - began);
  }

  void Ended(Unanswered how) {
    unanswered_[static_cast<size_t>(how)].fetch_add(1, std::memory_order_relaxed);
  }

  Snapshot snapshot() const {
    const auto ended = [this](Unanswered how) {
      return unanswered_[static_cast<size_t>(how)].load(std::memory_order_relaxed);
    };
    return {.succeeded = succeeded_.load(std::memory_order_relaxed),
            .failed = failed_.load(std::memory_order_relaxed),
            .timed_out = ended(Unanswered::kTimedOut),
            .cancelled = ended(Unanswered::kCancelled),
            .lost = ended(Unanswered::kLost),
            .refused = ended(Unanswered::kRefused),
            .latency = latency_.snapshot()};
  }

 private:
  std::atomic<uint64_t> succeeded_ = 0;
  std::atomic<uint64_t> failed_ = 0;
  std::array<std::atomic<uint64_t>, 4> unanswered_ = {};
  LatencyHistogram latency_;
};

}  // namespace outpost::metrics

#endif  // OUTPOST_SERVER_METRICS_REQUEST_COUNTERS_H_
