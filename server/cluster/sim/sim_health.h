// The health checks that Ceph's monitors would raise for a simulated cluster.
#ifndef OUTPOST_SERVER_CLUSTER_SIM_SIM_HEALTH_H_
#define OUTPOST_SERVER_CLUSTER_SIM_SIM_HEALTH_H_

#include <cstdint>
#include <string>
#include <vector>

#include "server/cluster/sim/json_writer.h"
#include "server/cluster/sim/sim_cluster.h"

namespace outpost::cluster::sim {

// One check: a warning, or an error.
struct HealthCheck {
  std::string code;
  std::string summary;
  int64_t count = 0;
  std::vector<std::string> detail;
  bool is_error = false;
};

// Ordered by code.
std::vector<HealthCheck> HealthChecks(const Cluster& cluster);

// "HEALTH_OK", "HEALTH_WARN" or "HEALTH_ERR".
std::string HealthStatus(const std::vector<HealthCheck>& checks);

// {"status": …, "checks": {…}, "mutes": []} as the monitors give it.
void WriteHealth(const Cluster& cluster, bool with_detail, JsonWriter& out);

}  // namespace outpost::cluster::sim

#endif  // OUTPOST_SERVER_CLUSTER_SIM_SIM_HEALTH_H_
