// Many subscribers at once, each a module with a session of its own, and one that
// reads nothing.
//
// **Thread safety.** A function for one thread.
#ifndef OUTPOST_TESTS_BENCH_SUBSCRIBERS_H_
#define OUTPOST_TESTS_BENCH_SUBSCRIBERS_H_

#include <functional>
#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "grpcpp/channel.h"

namespace outpost::bench {

struct Fanout {
  double p99_ms = 0;         // from a change until a subscriber has it, or a newer one
  double worst_ms = 0;       // the same
  uint64_t received = 0;     // notifications, by all
  uint64_t changes = 0;      // that somebody heard of
  uint64_t unheard = 0;      // pairs of a subscriber and a change it never heard of
  double stuck_lag_s = 0;    // of the one that reads nothing, as the manager tells it
  double longest_lag_s = 0;  // of the others
};

// Subscribes `n` to osd_map, `n` - 1 of which acknowledge, over these channels in turn;
// calls `subscribed`; then `change` every 1/`rate` for `time`.
Fanout MeasureFanout(const std::vector<std::shared_ptr<grpc::Channel>>& channels, int n,
                     const std::function<void()>& subscribed, const std::function<void()>& change,
                     double rate, absl::Duration time);

}  // namespace outpost::bench

#endif  // OUTPOST_TESTS_BENCH_SUBSCRIBERS_H_
