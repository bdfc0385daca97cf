// SimOptions describes a simulated cluster: its size, its pace, and the seed
// that all which looks random in it comes from.
#ifndef OUTPOST_SERVER_CLUSTER_SIM_SIM_OPTIONS_H_
#define OUTPOST_SERVER_CLUSTER_SIM_SIM_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace outpost::cluster::sim {

struct SimOptions {
  int osds = 3;     // 1 … 20000
  int hosts = 0;    // at most `osds`; 0: one for every ten OSDs, but three where possible
  int pools = 2;    // 0 … 1000; that exist from the beginning
  int pg_num = 32;  // 1 … 65536; placement groups of each of those pools
  uint64_t seed = 1;

  // Simulated seconds per second. 0: nothing changes by itself.
  double speed = 1.0;
  // How often (in real time) the simulation moves on.
  absl::Duration tick = absl::Seconds(1);
  // How often an OSD's daemon fails, in the whole cluster, per simulated hour.
  double failures_per_hour = 1.0;
  // The simulated clock's beginning. Fixed, so that equal options give equal texts.
  absl::Time start = absl::FromUnixSeconds(1767225600);  // 2026-01-01 00:00:00 UTC
  // A file that tells what befalls the cluster (see Script); empty: none.
  std::string script;
  // How many commands may wait.
  size_t queue_limit = 256;
};

// INVALID_ARGUMENT names the option that is out of its range.
absl::Status Validate(const SimOptions& options);

}  // namespace outpost::cluster::sim

#endif  // OUTPOST_SERVER_CLUSTER_SIM_SIM_OPTIONS_H_
