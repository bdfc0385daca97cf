// DaemonHealth keeps the health metrics of the cluster's daemons: the numbers, such as
// of slow operations, that each finds worth a check.
//
// **Thread safety.** All methods may be called from any thread.
//
// **Invariants.** A daemon that is not there has no metrics; one that is there and well
// has an empty list, or metrics of 0.
#ifndef OUTPOST_SERVER_CLUSTER_DAEMON_HEALTH_H_
#define OUTPOST_SERVER_CLUSTER_DAEMON_HEALTH_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "outpost/v1/cluster.pb.h"

namespace outpost::cluster {

class DaemonHealth {
 public:
  // Replaces the metrics of a daemon, which it (or who speaks for it) told at `time`; they
  // count for `lease` from then on (0: until they are replaced).
  void Set(const std::string& type, const std::string& id, std::vector<v1::HealthMetric> metrics,
           absl::Time time, absl::Duration lease);

  // The daemon is gone, or its metrics do not count any more.
  void Remove(const std::string& type, const std::string& id);

  // Of the daemons that `daemon` means (an empty type or id: all), in order.
  std::vector<v1::DaemonHealthMetrics> Get(const v1::DaemonName& daemon) const;

 private:
  using Key = std::pair<std::string, std::string>;  // type, id

  mutable absl::Mutex mu_;
  std::map<Key, v1::DaemonHealthMetrics> daemons_ ABSL_GUARDED_BY(mu_);
};

}  // namespace outpost::cluster

#endif  // OUTPOST_SERVER_CLUSTER_DAEMON_HEALTH_H_
