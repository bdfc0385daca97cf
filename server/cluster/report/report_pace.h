// ReportPace decides how often daemons report, and which of their counters: as the operator
// asks, and less often while the manager falls behind.
//
// The manager is behind when more than half of the reports of an interval come later than
// ReportOptions::max_lag. Then the interval is doubled, up to max_interval, and again as long
// as it is; after kCalm intervals in which it was not, it is halved, down to what was asked for.
//
// **Thread safety.** All methods may be called from any thread.
//
// **Invariants.** The interval is never shorter than what was asked for.
#ifndef OUTPOST_SERVER_CLUSTER_REPORT_REPORT_PACE_H_
#define OUTPOST_SERVER_CLUSTER_REPORT_REPORT_PACE_H_

#include <atomic>
#include <cstdint>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/cluster/report/report_options.h"

namespace outpost::cluster::report {

class ReportPace {
 public:
  static constexpr int kCalm = 3;

  struct Pace {
    absl::Duration interval;
    uint32_t min_priority = 0;
    uint64_t version = 0;  // grows with each change
  };
  // How the pace came to be, for people.
  struct State {
    Pace pace;
    absl::Duration asked;  // the interval without pressure
    uint64_t late = 0;     // reports of the last interval that were later than max_lag
    uint64_t reports = 0;  // of that interval, as far as they told when they were made
  };

  explicit ReportPace(const ReportOptions& options);

  // What daemons are asked for now.
  Pace now() const;
  State state() const;
  uint64_t version() const { return version_; }

  // The operator asks for another interval or priority; nullopt: as it is. An interval
  // begins without pressure.
  void Ask(std::optional<absl::Duration> interval, std::optional<uint32_t> min_priority);

  // A report came, `delay` after it was made.
  void Came(absl::Duration delay) {
    ++reports_;
    if (delay > max_lag_) ++late_;
  }

  // Looks at what came, once in an interval; `now` is monotonic.
  void Look(absl::Duration now);

 private:
  absl::Duration Interval() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Changed() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { ++version_; }

  const absl::Duration max_lag_;
  const absl::Duration max_interval_;
  std::atomic<uint64_t> reports_ = 0;
  std::atomic<uint64_t> late_ = 0;
  std::atomic<uint64_t> version_ = 1;

  mutable absl::Mutex mu_;
  absl::Duration asked_ ABSL_GUARDED_BY(mu_);
  uint32_t min_priority_ ABSL_GUARDED_BY(mu_);
  double slowed_ ABSL_GUARDED_BY(mu_) = 1;  // times
  int calm_ ABSL_GUARDED_BY(mu_) = 0;       // intervals in a row
  std::optional<absl::Duration> looked_ ABSL_GUARDED_BY(mu_);
  uint64_t last_reports_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t last_late_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace outpost::cluster::report

#endif  // OUTPOST_SERVER_CLUSTER_REPORT_REPORT_PACE_H_
