// ReportDelay judges how late the reports of one stream come, by the times at which the
// daemon took its values and those at which they came, though the two clocks have nothing
// to do with each other: the report that came most quickly is taken for one without delay.
//
// **Thread safety.** None: its owner has a lock.
//
// **Invariants.**
// 1. A delay is never negative, and grows by no more than the time that went by: reports
//    come in the order in which they were taken. What says otherwise is a clock that was set,
//    and changes nothing.
// 2. Clocks that drift apart by less than kDrift make no delay.
#ifndef OUTPOST_SERVER_CLUSTER_REPORT_REPORT_DELAY_H_
#define OUTPOST_SERVER_CLUSTER_REPORT_REPORT_DELAY_H_

#include <algorithm>

#include "absl/time/time.h"

namespace outpost::cluster::report {

class ReportDelay {
 public:
  static constexpr double kDrift = 2e-4;                             // of the time
  static constexpr absl::Duration kSlack = absl::Milliseconds(100);  // else a clock was set

  // A report came at `arrived`, by a monotonic clock that does not stand still, of values
  // that were taken at `sampled`, by the daemon's clock. Returns how late it is.
  absl::Duration Add(absl::Duration arrived, absl::Time sampled) {
    const absl::Duration apart = arrived - (sampled - absl::UnixEpoch());
    if (!any_) {
      any_ = true;
      quickest_ = apart;
    } else {
      const absl::Duration passed = std::max(arrived - arrived_, absl::ZeroDuration());
      quickest_ += passed * kDrift;
      const absl::Duration delay = apart - quickest_;
      if (delay < -kSlack || delay > delay_ + passed + kSlack) {
        quickest_ = apart - delay_;
      } else {
        quickest_ = std::min(quickest_, apart);
        delay_ = apart - quickest_;
      }
    }
    arrived_ = arrived;
    return delay_;
  }

  // Of the last report.
  absl::Duration delay() const { return delay_; }

 private:
  bool any_ = false;
  absl::Duration quickest_;  // from a daemon's time to ours, without delay
  absl::Duration arrived_;   // the last one
  absl::Duration delay_;
};

}  // namespace outpost::cluster::report

#endif  // OUTPOST_SERVER_CLUSTER_REPORT_REPORT_DELAY_H_
