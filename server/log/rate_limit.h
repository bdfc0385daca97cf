// RateLimit says whether one thing more may happen now: a burst, then a steady
// rate (a token bucket).
//
// **Thread safety.** None: its owner has a lock.
#ifndef OUTPOST_SERVER_LOG_RATE_LIMIT_H_
#define OUTPOST_SERVER_LOG_RATE_LIMIT_H_

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/time/time.h"

namespace outpost::log {

class RateLimit {
 public:
  // `burst` things at once, then `per_second`.
  RateLimit(double burst, double per_second)
      : burst_(burst), per_second_(per_second), left_(burst) {}

  // True: it may happen; it counts as `cost` things. False: it is counted as refused. `now`: of a
  // steady clock. By the wall clock, nothing would happen for as long as that is set back.
  bool Take(absl::Duration now, double cost = 1) {
    left_ = Left(now);
    last_ = now;
    if (left_ < cost) {
      ++refused_;
      return false;
    }
    left_ -= cost;
    return true;
  }

  // How long it is from `now` until something that counts as `cost`, which is no more than the
  // burst, may happen.
  absl::Duration Until(absl::Duration now, double cost = 1) const {
    const double left = Left(now);
    return left >= cost ? absl::ZeroDuration() : absl::Seconds((cost - left) / per_second_);
  }

  // Whether a whole burst may happen.
  bool IsFull(absl::Duration now) const { return Left(now) >= burst_; }

  // How many were refused since this was asked last.
  uint64_t TakeRefused() { return std::exchange(refused_, 0); }

 private:
  double Left(absl::Duration now) const {
    if (!last_.has_value()) return burst_;
    return std::min(burst_, left_ + absl::ToDoubleSeconds(now - *last_) * per_second_);
  }

  double burst_;
  double per_second_;
  double left_;
  std::optional<absl::Duration> last_;
  uint64_t refused_ = 0;
};

}  // namespace outpost::log

#endif  // OUTPOST_SERVER_LOG_RATE_LIMIT_H_
