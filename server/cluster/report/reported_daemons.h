// ReportedDaemons holds the daemons that report themselves, and what they report, as
// ingest.proto tells it: who is live, stale or dropped, and what of their messages is
// applied.
//
// What a daemon tells goes at once where readers look for it: counters to PerfCounters,
// metadata and status to the DaemonDirectory, structures to the ClusterState, health metrics
// to DaemonHealth.
//
// **Thread safety.** All methods may be called from any thread, but Start once, before the
// first Open. The messages of one stream are handled one after the other. Nothing waits for
// the network.
//
// **Invariants.**
// 1. A daemon has at most one open stream; the newest wins.
// 2. What is acknowledged is visible. A message is applied entirely, or not at all.
// 3. Leases run by the monotonic clock that was given, and only while the manager runs.
// 4. A structure has at most one owner, and nobody but the owner changes it while that is
//    live. What another source publishes is nobody's.
#ifndef OUTPOST_SERVER_CLUSTER_REPORT_REPORTED_DAEMONS_H_
#define OUTPOST_SERVER_CLUSTER_REPORT_REPORTED_DAEMONS_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "outpost/v1/health.pb.h"
#include "outpost/v1/ingest.pb.h"
#include "server/cluster/cluster_state.h"
#include "server/cluster/daemon_directory.h"
#include "server/cluster/daemon_health.h"
#include "server/cluster/perf_counters.h"
#include "server/cluster/report/awake_clock.h"
#include "server/cluster/report/report_checks.h"
#include "server/cluster/report/report_daemon.h"
#include "server/cluster/report/report_options.h"
#include "server/cluster/report/report_pace.h"
#include "server/event/timer_queue.h"

namespace outpost::cluster::report {

class ReportedDaemons {
 public:
  // Where reports go. All outlive the daemons.
  struct Sinks {
    ClusterState* state = nullptr;
    PerfCounters* counters = nullptr;
    DaemonDirectory* directory = nullptr;
    DaemonHealth* health = nullptr;
    // The health checks of the daemons, whenever they may have changed; on the thread of Tick.
    std::function<void(std::vector<v1::HealthCheck>)> checks;
  };

  // `monotonic`: the time since any moment, which never goes back. `wall`: what time it is,
  // for people and to compare daemons' clocks with; it may jump.
  ReportedDaemons(ReportOptions options, Sinks sinks, std::function<absl::Duration()> monotonic,
                  std::function<absl::Time()> wall = &absl::Now);
  ~ReportedDaemons();

  // Calls Tick again and again. `timers` is stopped before this goes.
  void Start(event::TimerQueue* timers);

  // Ends all streams, and refuses new ones.
  void Stop();

  // A stream has begun: its first message. Null: it was refused, and the link is closed.
  std::shared_ptr<ReportStream> Open(const v1::ReportRequest& first,
                                     const std::shared_ptr<ReportLink>& link);

  // The next message of a stream, which was `bytes` long.
  void Handle(const std::shared_ptr<ReportStream>& stream, const v1::ReportRequest& request,
              size_t bytes);

  // The stream has ended, in whatever way.
  void Detach(const std::shared_ptr<ReportStream>& stream);

  // Looks at the leases.
  void Tick();

  // Asks all daemons for another interval, or for the counters from another priority on, from
  // the next Tick on. Nullopt: as it is. INVALID_ARGUMENT: outside what is possible.
  absl::Status Configure(std::optional<absl::Duration> interval,
                         std::optional<uint32_t> min_priority);
  // How often daemons are asked to report, and why.
  ReportPace::State pace() const { return pace_.state(); }
  const ReportOptions& options() const { return options_; }

  // One of the daemons, for people.
  struct Info {
    std::string type;
    std::string id;
    std::string hostname;
    std::string version;
    bool live = false;       // else it is stale
    bool connected = false;  // by a stream
    absl::Duration age;      // since its last message
    absl::Duration lease;
    absl::Duration drop_after;
    size_t counters = 0;
    size_t structures = 0;
    uint64_t structure_bytes = 0;
    uint64_t messages = 0;
    uint64_t bytes = 0;
    double bytes_per_second = 0;
    uint64_t rejected = 0;
    std::string last_rejection;         // its words
    std::optional<absl::Duration> lag;  // of its last counters, if they told their time
    std::optional<absl::Duration> clock_ahead;
  };
  // All of them, by type and id.
  std::vector<Info> List() const;

  // How many there are.
  struct Counts {
    size_t live = 0;
    size_t stale = 0;
    uint64_t counters = 0;         // of all
    uint64_t structure_bytes = 0;  // of all
    size_t schemas = 0;            // different ones
  };
  Counts counts() const;

 private:
  using State = ReportDaemon::State;
  using Key = std::pair<std::string, std::string>;  // type, id

  struct Structure {
    std::shared_ptr<ReportDaemon> owner;
    uint64_t version = 0;  // the one that was published for the owner
    uint64_t bytes = 0;
  };

  void Schedule();

  // --- life ---
  absl::Status Admit(const v1::ReportRequest& first, absl::string_view* reason);
  // The daemon of that name, made where there is none; null: there are too many.
  std::shared_ptr<ReportDaemon> FindOrMake(const v1::IngestHello& hello)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Attach(const v1::IngestHello& hello, const std::shared_ptr<ReportStream>& stream)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(stream->daemon->mu);
  void Touch(ReportDaemon& daemon) ABSL_EXCLUSIVE_LOCKS_REQUIRED(daemon.mu);
  void MakeStale(ReportDaemon& daemon) ABSL_EXCLUSIVE_LOCKS_REQUIRED(daemon.mu);
  void Drop(const std::shared_ptr<ReportDaemon>& daemon)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_, daemon->mu);
  void ForgetInstance(ReportDaemon& daemon) ABSL_EXCLUSIVE_LOCKS_REQUIRED(daemon.mu);
  void Show(ReportDaemon& daemon) ABSL_EXCLUSIVE_LOCKS_REQUIRED(daemon.mu);
  void ShowHealth(ReportDaemon& daemon) ABSL_EXCLUSIVE_LOCKS_REQUIRED(daemon.mu);
  void EndStream(ReportDaemon& daemon, const absl::Status& status, absl::string_view reason)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(daemon.mu);
  void HandleGoodbye(const std::shared_ptr<ReportStream>& stream, const v1::ReportRequest& request);
  void TellHealth();
  // Sends IngestConfigure to those who have not heard of the pace yet, a part of them at once.
  void TellPace();
  // Notes when the values of a batch were taken, and how late that is.
  void NoteTime(ReportStream& stream, absl::Time sampled)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(stream.daemon->mu);

  // --- messages; nullopt: applied ---
  using Outcome = std::optional<Rejection>;
  // Whether the message is in order, and its daemon is this stream's.
  bool Accept(const std::shared_ptr<ReportStream>& stream, const v1::ReportRequest& request)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(stream->daemon->mu);
  Outcome Apply(ReportStream& stream, const v1::ReportRequest& request, size_t bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(stream.daemon->mu);
  Outcome ApplyMetadata(ReportDaemon& daemon, const v1::IngestMetadata& metadata)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(daemon.mu);
  Outcome ApplySchema(ReportStream& stream, const v1::IngestPerfSchema& schema)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(stream.daemon->mu);
  Outcome ApplyBatch(ReportStream& stream, const v1::IngestCounters& batch)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(stream.daemon->mu);
  Outcome ApplyStatus(ReportDaemon& daemon, const v1::IngestStatus& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(daemon.mu);
  Outcome ApplyHealthMetrics(ReportDaemon& daemon, const v1::IngestHealthMetrics& metrics)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(daemon.mu);
  Outcome ApplyStructure(const std::shared_ptr<ReportDaemon>& daemon,
                         const v1::IngestStructure& structure);
  void RemoveStructures(const ReportDaemon& daemon);
  void Reject(ReportStream& stream, uint64_t sequence, const Rejection& rejection)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(stream.daemon->mu);

  const ReportOptions options_;
  const Sinks sinks_;
  const std::function<absl::Duration()> monotonic_;  // which does not stand still
  const std::function<absl::Time()> wall_;
  AwakeClock clock_;
  ReportPace pace_;
  std::atomic<uint64_t> pace_told_;  // the version that all have heard of
  ReportSchemas schemas_;
  std::atomic<bool> health_changed_ = false;
  std::atomic<uint64_t> counters_of_all_ = 0;
  event::TimerQueue* timers_ = nullptr;

  mutable absl::Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  uint64_t sessions_ ABSL_GUARDED_BY(mu_) = 0;
  absl::flat_hash_map<Key, std::shared_ptr<ReportDaemon>> daemons_ ABSL_GUARDED_BY(mu_);

  mutable absl::Mutex structures_mu_ ABSL_ACQUIRED_AFTER(mu_);
  std::map<std::string, Structure> structures_ ABSL_GUARDED_BY(structures_mu_);
  uint64_t structure_bytes_ ABSL_GUARDED_BY(structures_mu_) = 0;
};

}  // namespace outpost::cluster::report

#endif  // OUTPOST_SERVER_CLUSTER_REPORT_REPORTED_DAEMONS_H_
