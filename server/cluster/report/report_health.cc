#include "server/cluster/report/report_health.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace outpost::cluster::report {
namespace {

constexpr size_t kNamed = 10;    // daemons in one line, as Ceph names them
constexpr size_t kDetails = 50;  // lines

v1::HealthCheck Warning(const char* code, uint64_t count, std::string summary) {
  v1::HealthCheck check;
  check.set_code(code);
  check.set_severity(v1::SEVERITY_WARNING);
  check.set_summary(std::move(summary));
  check.set_count(static_cast<int64_t>(count));
  return check;
}

// "[osd.0,osd.1]", or "[…]..." where there are many.
std::string Names(const std::vector<std::string>& names) {
  const size_t named = std::min(names.size(), kNamed);
  return absl::StrCat(
      "[", absl::StrJoin(names.begin(), names.begin() + static_cast<ptrdiff_t>(named), ","), "]",
      named < names.size() ? "..." : "");
}

struct Sum {
  uint64_t n1 = 0;                 // all of it
  uint64_t n2 = 0;                 // the greatest
  std::vector<std::string> names;  // who has some
};

Sum SumOf(const std::vector<ReportedHealth>& daemons, absl::string_view type) {
  Sum sum;
  for (const ReportedHealth& daemon : daemons) {
    for (const v1::HealthMetric& metric : daemon.metrics) {
      if (metric.type() != type || metric.n1() == 0) continue;
      sum.n1 += metric.n1();
      sum.n2 = std::max(sum.n2, metric.n2());
      sum.names.push_back(daemon.name);
    }
  }
  return sum;
}

}  // namespace

std::vector<v1::HealthCheck> ReportChecks(const std::vector<ReportedHealth>& live,
                                          const std::vector<StaleDaemon>& stale) {
  std::vector<v1::HealthCheck> checks;
  if (const Sum slow = SumOf(live, "SLOW_OPS"); slow.n1 > 0) {
    const std::string who = slow.names.size() == 1
                                ? absl::StrCat(slow.names[0], " has slow ops")
                                : absl::StrCat("daemons ", Names(slow.names), " have slow ops.");
    checks.push_back(Warning(
        "SLOW_OPS", slow.n1,
        absl::StrCat(slow.n1, " slow ops, oldest one blocked for ", slow.n2, " sec, ", who)));
  }
  if (const Sum pending = SumOf(live, "PENDING_CREATING_PGS"); pending.n1 > 0) {
    v1::HealthCheck& check = checks.emplace_back(Warning(
        "PENDING_CREATING_PGS", pending.n1, absl::StrCat(pending.n1, " PGs pending on creation")));
    check.add_detail(pending.names.size() == 1
                         ? absl::StrCat(pending.names[0], " has pending PGs")
                         : absl::StrCat("daemons ", Names(pending.names), " have pending PGs."));
  }
  if (!stale.empty()) {
    v1::HealthCheck& check = checks.emplace_back(
        Warning("DAEMON_REPORT_STALE", stale.size(),
                absl::StrCat(stale.size(), stale.size() == 1 ? " daemon has" : " daemons have",
                             " stopped reporting")));
    for (const StaleDaemon& daemon : stale) {
      if (static_cast<size_t>(check.detail_size()) == kDetails) {
        check.add_detail(absl::StrCat("and ", stale.size() - kDetails, " more"));
        break;
      }
      check.add_detail(
          absl::StrCat(daemon.name, " on ", daemon.hostname, " has been silent since ",
                       absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", daemon.since, absl::UTCTimeZone())));
    }
  }
  return checks;
}

}  // namespace outpost::cluster::report
