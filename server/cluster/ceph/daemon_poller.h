// DaemonPoller keeps the structures up to date that one daemon alone can answer for, which may be
// hung while the quorum answers, so that each question to it takes a whole timeout. So this runs
// beside MonitorPoller, on a thread of its own. The active mgr gives those of PgStructures,
// osd_pool_stats, devices, config, modified_config_options, have_local_config_map; a monitor gives
// mon_status.
//
// modified_config_options has what the monitors say is set centrally, as soon as that changes, and
// what is not set there: of that the mgr is asked for one daemon after another (ModifiedOptions),
// kOptionsPerPoll with each poll, or more in a cluster of thousands, where it grows for
// kPollsForOptions polls until all were asked for.
//
// **Thread safety.** For one thread.
//
// **Invariants.** As MonitorPoller's. Without a mgr, what comes from it stays as
// it was, unconfirmed.
#ifndef OUTPOST_SERVER_CLUSTER_CEPH_DAEMON_POLLER_H_
#define OUTPOST_SERVER_CLUSTER_CEPH_DAEMON_POLLER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/cluster/ceph/modified_options.h"
#include "server/cluster/ceph/monitor_poller.h"
#include "server/cluster/ceph/monitor_query.h"
#include "server/cluster/cluster_state.h"
#include "server/command/command.h"

namespace outpost::cluster::ceph {

struct DaemonPollerOptions {
  std::string cluster = "ceph";
  // The mgr hears of a change (of options, of a daemon's disks) when daemons tell it: it is asked
  // again and again so long after, and each `review` in any case.
  absl::Duration settling = absl::Seconds(10);
  absl::Duration review = absl::Minutes(1);
};

// When to ask again for what the mgr hears of late.
class Review {
 public:
  explicit Review(const DaemonPollerOptions& options) : options_(options) {}

  // Whether to ask now. `key` is new with each change of what it is about.
  bool Due(absl::string_view key);
  // It was asked, and there was no answer: ask again next time.
  void Again() { asked_ = -absl::InfiniteDuration(); }

 private:
  const DaemonPollerOptions& options_;
  std::string key_;
  // By the steady clock.
  absl::Duration changed_ = -absl::InfiniteDuration();
  absl::Duration asked_ = -absl::InfiniteDuration();
};

class DaemonPoller {
 public:
  static constexpr size_t kOptionsPerPoll = 10;
  static constexpr size_t kPollsForOptions = 100;

  // Runs a command on the monitor of that name; blocks.
  using TellMonitor =
      absl::FunctionRef<command::Result(absl::string_view mon, absl::string_view command_json)>;

  explicit DaemonPoller(ClusterState* state, DaemonPollerOptions options = {})
      : state_(*state), options_(std::move(options)) {}

  // Fetches what has changed, by what MonitorPoller has seen. What can't be had is
  // only logged, once.
  void Poll(const MonitorPoller::Seen& seen, MonitorCommand monitors, TellMonitor tell);

 private:
  void PollPgs(const MonitorPoller::Seen& seen, MonitorCommand monitors);
  void PollDevices(const MonitorPoller::Seen& seen, MonitorCommand monitors);
  void PollConfig(const MonitorPoller::Seen& seen, MonitorCommand monitors);
  void PollModifiedOptions(const MonitorPoller::Seen& seen, uint64_t version,
                           MonitorCommand monitors);
  void PollMonStatus(const StatusSummary& status, TellMonitor tell);
  absl::Status FetchPgs(const StatusSummary& status, MonitorCommand monitors);
  absl::Status FetchDevices(MonitorCommand monitors);
  absl::Status FetchConfig(const MgrStat& mgr, MonitorCommand monitors);
  absl::Status FetchCentralOptions(MonitorCommand monitors);

  // Takes note of how a fetch ended; the first failure of a row is logged.
  void Note(absl::string_view what, const absl::Status& status);

  ClusterState& state_;
  const DaemonPollerOptions options_;
  std::string pgs_;  // what the structures were made from; empty: nothing
  std::vector<const char*> pg_structures_;
  std::string mon_status_;
  std::string mon_status_denied_;  // as the one before, of when it was refused
  Review devices_{options_};
  Review config_{options_};
  ModifiedOptions modified_{options_.review, options_.settling};
  std::optional<uint64_t> central_options_;  // the version of those that modified_ has
  std::set<std::string, std::less<>> complained_;
};

}  // namespace outpost::cluster::ceph

#endif  // OUTPOST_SERVER_CLUSTER_CEPH_DAEMON_POLLER_H_
