// CephSource reads a real Ceph cluster, and sends it commands, through librados.
//
// One thread connects and polls the monitors (MonitorPoller), one polls single
// daemons (DaemonPoller), a few run commands (CommandPool). No call blocks its
// caller, whatever the cluster does.
//
// The cluster counts as connected while polls are answered: a monitor that
// accepts a connection and then says nothing is noticed after
// CephOptions::monitor_timeout. librados finds monitors that come back by itself;
// after a longer outage the client is made anew from the conf file, which may
// name others by then.
//
// Commands for "mgr" go to the active mgr by way of the monitors (see
// RadosClient); "pg" takes an id like "1.0"; "mds" is not supported, because
// librados can't reach it.
//
// **Thread safety.** As Source.
//
// **Invariants.**
// 1. A cluster is written to by RunCommand and WriteLog, and by nothing else.
// 2. Stop waits for what is under way in librados, and begins nothing more: it
//    returns at the latest after the longer of the timeouts in CephOptions.
#ifndef OUTPOST_SERVER_CLUSTER_CEPH_CEPH_SOURCE_H_
#define OUTPOST_SERVER_CLUSTER_CEPH_CEPH_SOURCE_H_

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "outpost/internal/steady_wait.h"
#include "server/cluster/ceph/command_descriptions.h"
#include "server/cluster/ceph/command_pool.h"
#include "server/cluster/ceph/counter_poller.h"
#include "server/cluster/ceph/denied_reads.h"
#include "server/cluster/ceph/log_lines.h"
#include "server/cluster/ceph/monitor_poller.h"
#include "server/cluster/ceph/rados_client.h"
#include "server/cluster/cluster_state.h"
#include "server/cluster/source.h"
#include "server/command/command.h"
#include "server/event/moment.h"

namespace outpost::cluster::ceph {

struct CephOptions {
  std::string conf_file = "/etc/ceph/ceph.conf";
  std::string keyring;  // empty: what the conf file says
  std::string name = "client.admin";
  std::string cluster = "ceph";
  absl::Duration poll_interval = absl::Seconds(1);
  // For connecting and for each question of a poll.
  absl::Duration monitor_timeout = absl::Seconds(5);
  // For a command of RunCommand, whose own deadline may be sooner. Longer than an
  // election of monitors takes.
  absl::Duration command_timeout = absl::Seconds(10);
  // An outage after which the conf file is read again.
  absl::Duration renew_after = absl::Seconds(30);
  // How often the counters of each OSD are read, by how many threads at once.
  absl::Duration counter_interval = absl::Seconds(5);
  size_t counter_threads = 2;
  size_t command_threads = 8;
  size_t max_waiting_commands = 64;
};

class CephSource final : public Source {
 public:
  // `state` and `counters` must outlive the source.
  CephSource(CephOptions options, ClusterState* state, PerfCounters* counters);
  // Stops.
  ~CephSource() override;

  absl::string_view name() const override { return "ceph"; }
  // NOT_FOUND, INVALID_ARGUMENT: the conf file or the keyring is missing or malformed.
  absl::Status Start() override;
  void Stop() override;
  void RunCommand(ClusterCommand command, command::ResultCallback done) override;
  std::vector<command::Declaration> Commands() const override;
  void OnCommandsChanged(std::function<void()> listener) override;
  bool keeps_log() const override { return true; }
  void OnLog(
      const std::function<void(const std::string& who, v1::LogRecord line)>& listener) override;
  void WriteLog(const v1::LogRecord& line) override;

 private:
  // The connections: one for polls, of the monitors and of counters; one for
  // commands, which may take longer.
  struct Clients {
    std::unique_ptr<RadosClient> polls;
    std::unique_ptr<RadosClient> commands;
  };
  using ClientsPtr = std::shared_ptr<const Clients>;

  RadosSettings Settings(absl::Duration command_timeout) const;

  void WatchMonitors();
  void WatchDaemons();
  absl::Status Connect();
  void PollMonitors(MonitorPoller* poller);
  void SetDisconnected(absl::string_view reason);
  // SetDisconnected, with a line in the log for the first of an outage.
  void NoteOutage(absl::string_view reason);
  void UpdateCommands(const Clients& clients);

  // A question of a poll; -ESHUTDOWN once stopping.
  command::Result Ask(const Clients& clients, absl::string_view command_json);
  command::Result AskMonitor(const Clients& clients, absl::string_view mon,
                             absl::string_view command_json);
  command::Result AskForCounters(const std::string& type, const std::string& id,
                                 absl::string_view command_json);
  void FollowLog(Clients* clients);
  command::Result Execute(const ClusterCommand& command);
  void NoteExecuted(const ClusterCommand& command);

  ClientsPtr clients() const;
  bool stopping() const;
  // Waits until Stop, or for `time`; true: Stop. A wait for the next poll ends
  // early when a command has changed the cluster.
  bool WaitForStop(absl::Duration time);
  bool WaitForNextPoll();

  const CephOptions options_;
  ClusterState& state_;
  std::function<void()> on_commands_changed_;
  std::function<void(const std::string& who, v1::LogRecord line)> on_log_;
  LogLines log_lines_;
  std::atomic<bool> complained_of_log_ = false;  // lines that can't be written
  DeniedReads denied_;

  mutable absl::Mutex mu_;
  internal::SteadyCondVar news_;  // stopping_, poll_now_
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  bool poll_now_ ABSL_GUARDED_BY(mu_) = false;
  bool connected_ ABSL_GUARDED_BY(mu_) = false;
  std::string reason_ ABSL_GUARDED_BY(mu_) = "the ceph source has not started";
  ClientsPtr clients_ ABSL_GUARDED_BY(mu_);  // null: not connected yet
  CommandDescriptions descriptions_ ABSL_GUARDED_BY(mu_);
  std::optional<MonitorPoller::Seen> seen_ ABSL_GUARDED_BY(mu_);  // for WatchDaemons

  // Of the thread that runs WatchMonitors.
  event::Moment answered_;  // when the monitors last did
  bool outage_logged_ = false;
  bool commands_known_ = false;  // since they came back

  CounterPoller counter_poller_;
  std::thread monitors_thread_;
  std::thread daemons_thread_;
  CommandPool pool_;  // last: its threads use all of the above
};

}  // namespace outpost::cluster::ceph

#endif  // OUTPOST_SERVER_CLUSTER_CEPH_CEPH_SOURCE_H_
