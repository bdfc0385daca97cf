// DaemonPoller keeps the structures up to date that one daemon alone can answer
// for: pg_summary, pg_status, osd_stats and pool_stats (the mgr), mon_status (a
// monitor). Such a daemon may be hung while the quorum answers, and each question
// to it then takes a whole timeout; so this runs beside MonitorPoller, on a thread
// of its own.
//
// **Thread safety.** For one thread.
//
// **Invariants.** As MonitorPoller's. Without a mgr, what comes from it stays as
// it was, unconfirmed.
#ifndef OUTPOST_SERVER_CLUSTER_CEPH_DAEMON_POLLER_H_
#define OUTPOST_SERVER_CLUSTER_CEPH_DAEMON_POLLER_H_

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/cluster/ceph/monitor_poller.h"
#include "server/cluster/ceph/monitor_query.h"
#include "server/cluster/cluster_state.h"
#include "server/command/command.h"

namespace outpost::cluster::ceph {

class DaemonPoller {
 public:
  // Runs a command on the monitor of that name; blocks.
  using TellMonitor =
      absl::FunctionRef<command::Result(absl::string_view mon, absl::string_view command_json)>;

  explicit DaemonPoller(ClusterState* state) : state_(*state) {}

  // Fetches what has changed, by what MonitorPoller has seen. What can't be had is
  // only logged, once.
  void Poll(const MonitorPoller::Seen& seen, MonitorCommand monitors, TellMonitor tell);

 private:
  void PollPgs(const MonitorPoller::Seen& seen, MonitorCommand monitors);
  void PollMonStatus(const StatusSummary& status, TellMonitor tell);
  absl::Status FetchPgs(const StatusSummary& status, MonitorCommand monitors);

  ClusterState& state_;
  std::string pgs_;  // what the structures were made from; empty: nothing
  std::string mon_status_;
  bool complained_of_pgs_ = false;
  bool complained_of_mon_status_ = false;
};

}  // namespace outpost::cluster::ceph

#endif  // OUTPOST_SERVER_CLUSTER_CEPH_DAEMON_POLLER_H_
