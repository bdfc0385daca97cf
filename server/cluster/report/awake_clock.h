// AwakeClock is a monotonic clock that stands still while the manager does: a manager
// that was halted, or starved, heard nobody meanwhile, and can blame nobody for that.
//
// **Thread safety.** All methods may be called from any thread; Advance by one at a time.
//
// **Invariants.** It never goes back, and by at most kMaxGap from one Advance to the next.
#ifndef OUTPOST_SERVER_CLUSTER_REPORT_AWAKE_CLOCK_H_
#define OUTPOST_SERVER_CLUSTER_REPORT_AWAKE_CLOCK_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>

#include "absl/time/time.h"

namespace outpost::cluster::report {

class AwakeClock {
 public:
  static constexpr absl::Duration kMaxGap = absl::Seconds(2);

  // `monotonic`: the time since any moment.
  explicit AwakeClock(std::function<absl::Duration()> monotonic)
      : monotonic_(std::move(monotonic)), then_(Nanoseconds()) {}

  // The time awake.
  absl::Duration Now() const { return absl::Nanoseconds(awake_.load() + SinceAdvance()); }

  // To be called again and again, well within kMaxGap; returns Now().
  absl::Duration Advance() {
    const int64_t passed = SinceAdvance();
    // A reader between these two sees a moment twice, which harms nobody.
    then_.store(std::max(then_.load(), Nanoseconds()));
    return absl::Nanoseconds(awake_.fetch_add(passed) + passed);
  }

 private:
  int64_t Nanoseconds() const { return absl::ToInt64Nanoseconds(monotonic_()); }
  int64_t SinceAdvance() const {
    return std::clamp(Nanoseconds() - then_.load(), int64_t{0}, absl::ToInt64Nanoseconds(kMaxGap));
  }

  const std::function<absl::Duration()> monotonic_;
  std::atomic<int64_t> then_;
  std::atomic<int64_t> awake_ = 0;
};

}  // namespace outpost::cluster::report

#endif  // OUTPOST_SERVER_CLUSTER_REPORT_AWAKE_CLOCK_H_
