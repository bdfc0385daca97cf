// ClusterHealthMetrics tells the health metrics of a cluster's OSDs as far as its structures
// let them be known: who is up, from osd_map, and the cluster's own checks SLOW_OPS and
// PENDING_CREATING_PGS, from health.
//
// The checks have the sum over all daemons, and name up to ten. With one daemon named, the
// numbers are that daemon's. With several, how the sum is shared is not known: each has the
// number 1, for "some", and the age of the oldest of all.
//
// **Thread safety.** All methods may be called from any thread; a structure is read on the
// thread of the first caller after it has changed.
#ifndef OUTPOST_SERVER_CLUSTER_CLUSTER_HEALTH_METRICS_H_
#define OUTPOST_SERVER_CLUSTER_CLUSTER_HEALTH_METRICS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "outpost/v1/cluster.pb.h"
#include "server/cluster/cluster_state.h"

namespace outpost::cluster {

class ClusterHealthMetrics {
 public:
  // `state` outlives this.
  explicit ClusterHealthMetrics(const ClusterState* state) : state_(state) {}

  // Of the daemons that `daemon` means (an empty type or id: all): each OSD that is up, and
  // whoever else a check names.
  std::vector<v1::DaemonHealthMetrics> Get(const v1::DaemonName& daemon);

 private:
  struct Metric {
    uint64_t n1 = 0;
    uint64_t n2 = 0;
  };
  using ByDaemon = std::map<std::string, Metric>;  // by "osd.0"

  void ReadOsds(const Snapshot& osd_map) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ReadChecks(const Snapshot& health) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const ClusterState* const state_;
  absl::Mutex mu_;
  uint64_t osd_map_version_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t health_version_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<std::string> up_ ABSL_GUARDED_BY(mu_);  // "osd.0"
  ByDaemon slow_ops_ ABSL_GUARDED_BY(mu_);
  ByDaemon pending_pgs_ ABSL_GUARDED_BY(mu_);
};

}  // namespace outpost::cluster

#endif  // OUTPOST_SERVER_CLUSTER_CLUSTER_HEALTH_METRICS_H_
