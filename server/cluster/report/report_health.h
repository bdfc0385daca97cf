// The manager's own health checks of daemons that report: what they say of themselves,
// added up, and who has gone silent.
//
// **Thread safety.** Functions without state.
#ifndef OUTPOST_SERVER_CLUSTER_REPORT_REPORT_HEALTH_H_
#define OUTPOST_SERVER_CLUSTER_REPORT_REPORT_HEALTH_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "outpost/v1/cluster.pb.h"
#include "outpost/v1/health.pb.h"

namespace outpost::cluster::report {

struct StaleDaemon {
  std::string name;
  std::string hostname;
  absl::Time since;
};

// A daemon that is live, and its metrics.
struct ReportedHealth {
  std::string name;
  std::vector<v1::HealthMetric> metrics;
};

// SLOW_OPS and PENDING_CREATING_PGS in Ceph's words, and DAEMON_REPORT_STALE; none of those
// that nobody has.
std::vector<v1::HealthCheck> ReportChecks(const std::vector<ReportedHealth>& live,
                                          const std::vector<StaleDaemon>& stale);

}  // namespace outpost::cluster::report

#endif  // OUTPOST_SERVER_CLUSTER_REPORT_REPORT_HEALTH_H_
