// Backoff says how long to wait before the next try: longer each time, up to a
// bound, and never the same for many at once.
//
// **Thread safety.** None: a caller's own.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_BACKOFF_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_BACKOFF_H_

#include <algorithm>

#include "absl/random/random.h"
#include "absl/time/time.h"

namespace outpost::internal {

struct BackoffPolicy {
  absl::Duration initial = absl::Milliseconds(100);
  absl::Duration max = absl::Seconds(5);
  double factor = 2;
  double jitter = 0.25;  // a wait is off by up to this part of it
};

class Backoff {
 public:
  explicit Backoff(BackoffPolicy policy = {}) : policy_(policy), next_(policy.initial) {}

  // The next wait; never over policy.max.
  absl::Duration Next() {
    const double part = absl::Uniform(random_, 1 - policy_.jitter, 1 + policy_.jitter);
    const absl::Duration wait = std::min(next_ * part, policy_.max);
    next_ = std::min(next_ * policy_.factor, policy_.max);
    return wait;
  }
  // A try succeeded.
  void Reset() { next_ = policy_.initial; }

 private:
  const BackoffPolicy policy_;
  absl::Duration next_;
  absl::BitGen random_;
};

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_BACKOFF_H_
