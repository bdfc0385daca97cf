#include "server/cluster/report/report_pace.h"

#include <algorithm>

#include "server/log/log.h"

namespace outpost::cluster::report {

ReportPace::ReportPace(const ReportOptions& options)
    : max_lag_(options.max_lag),
      max_interval_(options.max_interval),
      asked_(options.interval),
      min_priority_(options.min_priority) {}

absl::Duration ReportPace::Interval() const {
  return std::min(asked_ * slowed_, std::max(asked_, max_interval_));
}

ReportPace::Pace ReportPace::now() const {
  absl::MutexLock lock(&mu_);
  return {.interval = Interval(), .min_priority = min_priority_, .version = version_};
}

ReportPace::State ReportPace::state() const {
  const Pace pace = now();
  absl::MutexLock lock(&mu_);
  return {.pace = pace, .asked = asked_, .late = last_late_, .reports = last_reports_};
}

void ReportPace::Ask(std::optional<absl::Duration> interval, std::optional<uint32_t> min_priority) {
  absl::MutexLock lock(&mu_);
  if (interval.has_value()) {
    asked_ = *interval;
    slowed_ = 1;
    calm_ = 0;
  }
  min_priority_ = min_priority.value_or(min_priority_);
  Changed();
}

void ReportPace::Look(absl::Duration now) {
  absl::MutexLock lock(&mu_);
  const absl::Duration before = Interval();
  if (looked_.has_value() && now - *looked_ < before) return;
  const bool first = !looked_.has_value();
  looked_ = now;
  if (first) return;
  last_late_ = late_.exchange(0);
  last_reports_ = reports_.exchange(0);
  if (2 * last_late_ > last_reports_) {
    calm_ = 0;
    slowed_ *= before < max_interval_ ? 2 : 1;
  } else if (slowed_ > 1 && ++calm_ >= kCalm) {
    calm_ = 0;
    slowed_ /= 2;
  }
  const absl::Duration after = Interval();
  if (after == before) return;
  Changed();
  if (after > before) {
    log::Get("cluster").warn(
        "{} of {} reports came more than {} late: daemons are asked for one every {}, not every {}",
        last_late_, last_reports_, absl::FormatDuration(max_lag_), absl::FormatDuration(after),
        absl::FormatDuration(before));
  } else {
    log::Get("cluster").info("reports come in time: daemons are asked for one every {} again",
                             absl::FormatDuration(after));
  }
}

}  // namespace outpost::cluster::report
