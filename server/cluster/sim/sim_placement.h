// Place says on which OSDs a placement group belongs: what CRUSH does in a real
// cluster.
//
// **Invariants.**
// 1. A function of the PG's id and of which OSDs are in, and of nothing else.
// 2. The OSDs are different ones, on different hosts where the cluster's rule says so.
// 3. An OSD that goes out moves only the PGs that it had.
#ifndef OUTPOST_SERVER_CLUSTER_SIM_SIM_PLACEMENT_H_
#define OUTPOST_SERVER_CLUSTER_SIM_SIM_PLACEMENT_H_

#include <vector>

#include "server/cluster/sim/sim_cluster.h"

namespace outpost::cluster::sim {

// At most pool.size OSDs, the primary first; fewer where there are not enough.
// They may be down.
std::vector<int> Place(const Cluster& cluster, const Pool& pool, const Pg& pg);

}  // namespace outpost::cluster::sim

#endif  // OUTPOST_SERVER_CLUSTER_SIM_SIM_PLACEMENT_H_
