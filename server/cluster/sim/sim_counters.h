// SimCounters makes the performance counters of a simulated cluster's OSDs: what
// clients do to a pool is shared among the primaries of its PGs.
//
// **Thread safety.** For one thread.
#ifndef OUTPOST_SERVER_CLUSTER_SIM_SIM_COUNTERS_H_
#define OUTPOST_SERVER_CLUSTER_SIM_SIM_COUNTERS_H_

#include <vector>

#include "server/cluster/perf_counters.h"
#include "server/cluster/sim/sim_cluster.h"
#include "server/event/moment.h"

namespace outpost::cluster::sim {

class SimCounters {
 public:
  // `counters` outlives this.
  explicit SimCounters(PerfCounters* counters) : counters_(*counters) {}

  // Takes a sample of each OSD that is up, after a step of the model.
  void Sample(const Cluster& cluster, const event::Moment& now);

 private:
  // Since the OSD's daemon started.
  struct Osd {
    int64_t up_from = 0;
    double reads = 0;
    double writes = 0;
    double read_bytes = 0;
    double write_bytes = 0;
    int pgs = 0;
  };

  PerfCounters& counters_;
  std::vector<Osd> osds_;
};

}  // namespace outpost::cluster::sim

#endif  // OUTPOST_SERVER_CLUSTER_SIM_SIM_COUNTERS_H_
