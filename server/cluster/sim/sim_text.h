// The plain text that Ceph's commands print: amounts, ages, tables, and the
// reports made of them.
#ifndef OUTPOST_SERVER_CLUSTER_SIM_SIM_TEXT_H_
#define OUTPOST_SERVER_CLUSTER_SIM_SIM_TEXT_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "server/cluster/sim/sim_cluster.h"

namespace outpost::cluster::sim {

// "2.0 GiB", "271 KiB", "5 B"
std::string BytesText(uint64_t bytes);
// "26.21k", "5"
std::string CountText(uint64_t count);
// "54s", "3m", "2h"
std::string AgeText(absl::Duration age);

std::string StatusText(const Cluster& cluster);
std::string HealthText(const Cluster& cluster, bool with_detail);
std::string DfText(const Cluster& cluster);
std::string OsdDumpText(const Cluster& cluster);
std::string OsdTreeText(const Cluster& cluster);
std::string OsdStatText(const Cluster& cluster);
// The line of `osd pool ls detail`.
std::string PoolText(const Pool& pool);

}  // namespace outpost::cluster::sim

#endif  // OUTPOST_SERVER_CLUSTER_SIM_SIM_TEXT_H_
