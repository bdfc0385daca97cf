// Supervisor runs the modules: it knows what is installed and what is enabled,
// starts and ends processes, accepts their sessions, and brings back what fails.
//
//                  enable                 attach               serves
//     DISABLED ------------> STARTING ------------> CONFIGURING ------> RUNNING
//        ^                   ^  ^   |                   |                 |
//        |      time is come |  |   | exit, no answer   | exit            | exit, serve() failed
//        |                   |  |   v                   v                 v
//        |                BACKOFF <---------------------------------------+
//        |                      ^ lost session                            |
//        |  gone                                             disable, restart
//        +---- STOPPING <----- DRAINING <---------------------------------+
//
// What fails while its process lives is ended first: it is STOPPING then, with the
// reason. CANNOT_RUN (the module says so) and FAILED (it must not be started again) are
// left by disable and restart. ENDED (its process has, and its restart policy leaves it so)
// is left by enable and restart; a CANNOT_RUN without a process (its exit status says that it
// is not configured) also when one of its options changes.
//
// **Thread safety.** All methods may be called from any thread. Callbacks run on
// any thread, without a lock held, and must not block.
//
// **Invariants.**
// 1. A name has at most one session and at most one process, but while it is upgraded: then
//    two, of which one gets new commands, and at most one serves.
// 2. A process that the supervisor has started is ended by it, or left to the
//    next manager, which adopts it: it is never forgotten.
// 3. An enabled module is running, or on its way there, or says why not.
#ifndef OUTPOST_SERVER_MODULE_SUPERVISOR_H_
#define OUTPOST_SERVER_MODULE_SUPERVISOR_H_

#include <signal.h>

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/random/random.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "outpost/internal/steady_wait.h"
#include "outpost/v1/manager.pb.h"
#include "outpost/v1/module_host.pb.h"
#include "server/command/command_table.h"
#include "server/config/config_registry.h"
#include "server/event/lent_thread.h"
#include "server/event/moment.h"
#include "server/event/timer_queue.h"
#include "server/health/health_registry.h"
#include "server/log/rate_limit.h"
#include "server/module/event_log.h"
#include "server/module/installed_modules.h"
#include "server/module/process.h"
#include "server/module/process_policy.h"
#include "server/module/registration_limit.h"
#include "server/module/session.h"
#include "server/module/start_turns.h"
#include "server/progress/progress_registry.h"
#include "server/store/state_store.h"

namespace outpost::module {

// What modules are told of the cluster; either may be empty.
struct ClusterIdentity {
  std::string id;
  std::string release;
};

struct SupervisorOptions {
  std::string manager_id;
  std::string manager_instance;
  std::string manager_version;
  std::string log_file;                           // of the manager; empty: it logs to stderr
  std::string manager_ip;                         // of the host; empty: not known
  std::string host;                               // its name
  std::function<ClusterIdentity()> cluster = {};  // not blocking
  // A line of a module's for the cluster log, which the manager's own has already.
  std::function<void(const v1::LogRecord&)> cluster_log = {};  // not blocking
  std::string address;        // the gRPC target that modules are told to connect to
  std::string run_directory;  // for the modules' output FIFOs
  std::vector<std::string> module_path;
  PythonRuntime python;
  std::map<std::string, std::string> environment = {};  // of every module, beside its own

  ProcessPolicy policy;                          // unless a manifest or `module_settings` differ
  std::vector<OperatorSetting> module_settings;  // weakest first, but "*" before names
  absl::Duration heartbeat_interval = absl::Seconds(5);
  absl::Duration orphan_grace = absl::Seconds(30);  // how long a module waits for a manager
  double registrations_per_second = 10;             // of one module; see RegistrationLimit
  absl::Duration crash_report = absl::Minutes(10);  // how long health tells of a crash
  StartTurns::Limits turns;                         // of all that start but with the manager
};

// Why a session was refused, for the wire.
struct Refusal {
  absl::Status status;
  std::string reason;  // of ErrorInfo; see module_host.proto
  bool told = false;   // in the log, or will be: there may be many
};

class Supervisor {
 public:
  // All outlive the supervisor. `processes` and `timers` call it: Stop both before
  // the supervisor goes.
  struct Parts {
    store::StateStore* store;
    config::ConfigRegistry* config;
    command::CommandTable* commands;
    health::HealthRegistry* health;
    progress::ProgressRegistry* progress;
    EventLog* events;
    ProcessRunner* processes;
    event::TimerQueue* timers;
  };

  using ModuleInfoCallback = absl::AnyInvocable<void(absl::StatusOr<v1::ModuleInfo>)>;
  using SessionCallback = absl::AnyInvocable<void(absl::StatusOr<std::shared_ptr<Session>>)>;

  Supervisor(SupervisorOptions options, Parts parts);
  ~Supervisor();

  // Adopts or starts what is enabled; before that, Attach refuses with UNAVAILABLE. Where nothing
  // was ever enabled or disabled, enables `initial_modules`. NOT_FOUND names an initial module that
  // is not installed.
  absl::Status Start(const std::vector<std::string>& initial_modules);

  // Ends every module and returns when all are gone.
  void Stop();

  // `by` is who asks for it: "client", "module/<name>".

  // Enables `name` durably and starts it; calls back when it runs, has failed
  // to, or `wait` is over. NOT_FOUND: not installed (names the nearest).
  // FAILED_PRECONDITION: its manifest is broken.
  void Enable(const std::string& name, const std::string& by, absl::Duration wait,
              ModuleInfoCallback callback);
  // Disables `name` durably; calls back when it has ended.
  void Disable(const std::string& name, const std::string& by, ModuleInfoCallback callback);
  // Ends and starts it again; calls back as Enable. FAILED_PRECONDITION: it is
  // not enabled.
  void Restart(const std::string& name, const std::string& by, absl::Duration wait,
               ModuleInfoCallback callback);

  // Puts a new process in the place of the running one, from `path` or (empty) from where
  // it is; calls back when the old one is gone, or `wait` is over. One that has no process is
  // started from `path`, as Enable does it. FAILED_PRECONDITION: it does not run, or is being
  // upgraded. INVALID_ARGUMENT: there is no module at `path`. ABORTED: the new
  // process did not get ready, and the old one goes on; other errors: it could not be started.
  void Upgrade(const std::string& name, const std::string& path, const std::string& by,
               absl::Duration wait, ModuleInfoCallback callback);

  // Whether it is known, and enabled.
  bool IsEnabled(absl::string_view name) const;

  // Every module, by name; without what their processes use, which is costly to find out.
  std::vector<v1::ModuleInfo> List() const;
  // Also with that; see metrics::ReadProcessUsage.
  std::vector<v1::ModuleInfo> ListWithUsage() const;
  absl::StatusOr<v1::DescribeModuleResponse> Describe(const std::string& name) const;

  // A module attaches. On success the module has been sent Configure.
  std::shared_ptr<Session> Attach(v1::Register registration, std::shared_ptr<SessionLink> link,
                                  Refusal* refusal);
  // The module sent something that is not the answer to a command or call.
  void Handle(const std::shared_ptr<Session>& session, const v1::AttachRequest& message);
  // The module's stream has ended; `why` continues "module x …".
  void Detach(const std::shared_ptr<Session>& session, absl::string_view why);

  // The session with this key; null: there is none.
  std::shared_ptr<Session> FindByKey(absl::string_view key) const;

  // The module of which `pid` is a process (of two, while it is upgraded); empty: of none.
  std::string ModuleOfProcess(pid_t pid) const;

  // What the manifest of `name` asks for; nullopt: everything, or there is no such module.
  std::optional<auth::Caps> AskedCaps(absl::string_view name) const;

  // Whether `name` takes commands now.
  bool IsRunning(absl::string_view name) const;
  // How many commands and calls `name` works on at once; 0: it takes none now.
  size_t MaxConcurrency(absl::string_view name) const;
  // Register.instance of the session that takes commands of `name` now; empty: none does, or
  // it has none.
  std::string InstanceOf(absl::string_view name) const;

  // Calls back with the session of `name` as soon as it takes commands: at once,
  // or, while the module is starting, when it does, at most until `deadline`, by SteadyNow
  // (and at most 10 s). Errors: FAILED_PRECONDITION (unknown, or not enabled),
  // UNAVAILABLE (starting again later, or does not start), INTERNAL (has failed
  // and stays so); messages say which and why.
  void WhenRunning(const std::string& name, absl::Time deadline, SessionCallback callback);

  // Where a module serves, as long as it is attached. INVALID_ARGUMENT: it has
  // control characters, or more than 4096 bytes. NOT_FOUND: it is not attached.
  absl::Status SetUri(const std::string& name, const std::string& uri);

  // A command or call (`who`) was not answered by `name` in time.
  void TellTimedOut(const std::string& name, absl::string_view who);

  // Effective options of `module` have changed.
  void SendConfigChanged(const std::string& module, const v1::OptionValue& option);

 private:
  struct Waiter {
    bool for_stop = false;  // until it has ended; else until it runs or does not
    event::TimerQueue::TimerId timer = 0;
    ModuleInfoCallback callback;
  };
  struct Held {
    event::TimerQueue::TimerId timer = 0;
    SessionCallback callback;
  };
  // The process that is to take a module over; see supervisor_upgrade.cc.
  struct Successor {
    uint64_t run = 0;
    std::string path;  // from the operator; empty: it is where it was
    InstalledModule installed;
    ProcessPolicy policy;
    std::string output_fifo;
    std::string token_hash;
    std::shared_ptr<Process> process;
    std::shared_ptr<Session> session;
    v1::Register registration;
    std::deque<std::string> output;
    event::TimerQueue::TimerId timer = 0;
    ModuleInfoCallback callback;
  };
  // The process that was taken over from.
  struct Predecessor {
    uint64_t run = 0;
    ProcessPolicy policy;
    std::shared_ptr<Process> process;
    std::shared_ptr<Session> session;
    bool asked = false;  // to end
    event::TimerQueue::TimerId timer = 0;
    ModuleInfoCallback callback;
  };
  struct Module {
    std::string name;
    ProcessPolicy policy;
    std::optional<InstalledModule> installed;
    bool enabled = false;
    bool disabled_by_operator = false;
    v1::ModuleState state = v1::MODULE_STATE_DISABLED;
    std::string reason;
    std::shared_ptr<Session> session;
    std::shared_ptr<Session> parked;  // the last one, with what waits for the next
    v1::Register registration;        // the last, without the token
    std::shared_ptr<Process> process;
    std::shared_ptr<RequestsOfModule> requests = std::make_shared<RequestsOfModule>();
    std::string token_hash;
    std::string output_fifo;
    bool has_record = false;       // the store has one, of this process or of the last
    bool record_is_whole = false;  // it also tells what the process is held to
    uint64_t run = 0;              // the process's number: tells a late callback from a timely one
    std::unique_ptr<Successor> successor;
    std::unique_ptr<Predecessor> predecessor;
    event::TimerQueue::TimerId timer = 0;
    event::TimerQueue::TimerId heartbeat_timer = 0;
    int unanswered_pings = 0;
    uint64_t ping_sequence = 0;
    int failures = 0;  // in a row
    // By a clock that does not step: when it failed, in the last start-limit-interval.
    std::deque<absl::Duration> failure_times;
    bool slow = false;  // has come to its start limit
    uint32_t restarts = 0;
    event::Moment next_start;                                 // in state BACKOFF
    absl::Duration running_since = absl::InfiniteDuration();  // by a clock that does not step
    std::optional<event::Moment> last_crash;
    std::string last_exit;
    v1::ProcessExit last_process;
    bool awaits_option = false;  // starts when one of its options changes
    uint64_t options_seen = 0;   // how often those had changed when it was told them, or started
    // What it was asked to do, and had not answered when its session was lost.
    std::vector<std::string> unanswered;
    std::string failure;    // why it is being ended to be started again
    std::string failing;    // why it failed last, until it runs or is stopped
    std::string traceback;  // of that, where it came with one
    std::string refused;    // why its process was not let in, until it is or ends
    std::deque<std::string> output;
    std::string uri;         // where it serves
    bool in_health = false;  // health tells of it
    bool stopping = false;
    bool start_after_stop = false;
    std::string stop_reason;
    std::map<uint64_t, Waiter> waiters;
    std::map<uint64_t, Held> held;
  };
  using Deferred = std::vector<absl::AnyInvocable<void()>>;

  // Of keys in the store: what the next manager must know of a module's process.
  static constexpr char kProcessPrefix[] = "module/process/";
  // Exit statuses with a meaning; see module_host.proto.
  static constexpr int kExitNotConfigured = 6;
  static constexpr int kExitDoNotRestart = 78;

  // Runs `f` with the lock, then what it deferred without.
  template <typename F>
  auto Locked(F f);

  // supervisor.cc: what is known, and what operators want
  Module* Find(absl::string_view name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The module of this name; new where there was none.
  Module& FindOrAdd(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  ProcessPolicy PolicyOf(const Module& m) const;
  // Looks at what is installed, where that may be something else of `name`.
  void LookAgain(const std::string& name) ABSL_LOCKS_EXCLUDED(path_mu_, mu_);
  void Rescan() ABSL_EXCLUSIVE_LOCKS_REQUIRED(path_mu_) ABSL_LOCKS_EXCLUDED(mu_);
  void Wait(Module& m, bool for_stop, absl::Duration wait, ModuleInfoCallback callback)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Settle(Module& m) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void WriteEnabled(const std::string& name, bool enabled, store::StateStore::WriteDone done);

  // supervisor_processes.cc: states, timers and starts
  void SetState(Module& m, v1::ModuleState state, std::string reason)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SetTimer(Module& m, absl::Duration delay, std::function<void(Module&)> f)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CancelTimer(Module& m) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // At once, or when it is its turn.
  void StartProcess(Module& m) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Launch(Module& m) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Starts those whose turn it is.
  void GiveTurns() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Does so as soon as it is somebody's, on the timers' thread.
  void GiveTurnsSoon() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The module neither waits for a turn nor has one.
  void EndTurn(const Module& m) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Of the process with number `run` of module `name`.
  ProcessCallbacks CallbacksFor(const std::string& name, uint64_t run);
  ProcessSpec SpecFor(const std::string& name, const InstalledModule& installed,
                      const ProcessPolicy& policy, const std::string& fifo,
                      const std::string& token) const;
  // The one of two that the module's process does not have.
  std::string OtherFifo(const Module& m) const;

  // supervisor_logs.cc: what modules log
  void HandleLog(const Session& session, const v1::LogBatch& batch);
  // How many of `lines` may go into the log; arranges for those that may not to be told of.
  int MayLog(const std::string& name, int lines, const ModuleRates& rates);
  void TellLeftOut(const std::string& name);

  // supervisor_records.cc: what the next manager must know of a process
  struct Record {
    pid_t pid = 0;
    uint64_t start_ticks = 0;
    std::string token_hash;
    std::string output_fifo;
    Process::Launch launch;
  };
  static std::string RecordOf(const Process& process, const std::string& token_hash,
                              const std::string& fifo);
  // Nothing: it can't be understood, or is of another boot.
  static std::optional<Record> ParseRecord(const std::string& text);
  void WriteRecord(const std::string& key, std::string record);
  // Once it is known what its process is held to.
  void WriteWholeRecord(Module& m) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void DeleteRecord(const std::string& key);
  // Of a module that has no process and is not about to have one.
  void DropRecord(Module& m) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool AdoptProcess(Module& m, const std::string& record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // supervisor_ends.cc: how processes end
  void NotExecuted(Module& m, const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ProcessEnded(Module& m, const ExitStatus& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void StartLater(Module& m, std::string reason) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Why, for people and for the event: `traceback` may be empty. `signal` is what its
  // process is sent; what ends it anyway is not long in coming.
  struct Failure {
    std::string why;
    v1::EventKind kind = v1::EVENT_KIND_FAULT;
    std::string traceback = {};
    int signal = SIGTERM;
  };
  void FailAndRestart(Module& m, Failure failure) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void FailAndRestart(Module& m, std::string why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    FailAndRestart(m, Failure{.why = std::move(why)});
  }
  void BeginStop(Module& m, std::string reason) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void AskToEnd(Module& m) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // What its process has ended with means that it stays so: then true.
  bool StaysEnded(Module& m, const ExitStatus& status, const std::string& how)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void StartIfConfigured(const std::string& name);
  // How often options of `name` have changed.
  uint64_t OptionChanges(const std::string& name) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Stopped(Module& m) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ForgetStranger(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Of strangers that have gone the options of the last few are kept.
  void BoundOptionsOfStrangers(const std::string& newest) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Whether it is a module (null: none yet) of which nothing is known but by its session.
  static bool IsStranger(const Module* m);

  // supervisor_upgrade.cc: two processes of one module
  // Starts what does not run from another directory, from now on.
  void StartElsewhere(Module& m, InstalledModule installed, const std::string& path,
                      absl::Duration wait, ModuleInfoCallback callback)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status StartSuccessor(Module& m, InstalledModule installed, const std::string& path,
                              ModuleInfoCallback callback) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::shared_ptr<Session> AttachSuccessor(Module& m, v1::Register registration,
                                           std::shared_ptr<SessionLink> link, Refusal* refusal)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // In the store, of the process that is not the module's any more, or not yet.
  static std::string SecondProcessKey(const Module& m);
  // Whether it is the new process that registers.
  bool IsOfSuccessor(const Module& m, const v1::Register& registration) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void HandleSuccessor(Module& m, const v1::AttachRequest& message)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void TakeOver(Module& m) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SetPredecessorTimer(Module& m, absl::Duration delay, std::function<void(Module&)> f)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void EndPredecessor(Module& m) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void PredecessorEnded(Module& m, const ExitStatus& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Ends the new process; `old_one` says what becomes of the other.
  void RollBack(Module& m, absl::string_view why,
                absl::string_view old_one = "; the old one goes on")
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Whether it was the successor's or the predecessor's process that ended.
  bool EndedBesides(Module& m, uint64_t run, const ExitStatus& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void EndUpgrade(Module& m, absl::string_view why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // What the last manager has left of an upgrade.
  void EndSecondProcesses() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ApplyUpgradedPaths() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // supervisor_sessions.cc: sessions
  static std::vector<command::Declaration> Declarations(const v1::Register& registration);
  absl::Status CheckRegister(const v1::Register& registration) const;
  // Whether it is the module's process that registers.
  bool IsOfProcess(const Module& m, const v1::Register& registration) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status MayRegister(const v1::Register& registration) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Refusal MayAttach(const v1::Register& registration, const Module* m)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void LoseSession(Module& m, absl::string_view why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void HandleConfigured(Module& m, const v1::Configured& configured)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void HandleServeStatus(Module& m, const v1::ServeStatus& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ScheduleHeartbeat(Module& m) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SendConfigure(const std::string& name, const std::shared_ptr<Session>& session,
                     bool supervised) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Ends a session, and takes it from everywhere but the routes.
  void ForgetSession(const std::string& name, std::shared_ptr<Session> session,
                     absl::string_view why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // supervisor_routing.cc: who takes commands
  // What waits for `m` to run ends with the reason why it will not.
  void GiveUpWaiting(Module& m) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Route(Module& m) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Unroute(const Module& m) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status WhyNotRunning(const Module& m) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool ComesSoon(const Module& m) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // supervisor_report.cc: what is told
  // An event of `m`, with what is known of it; to be added to parts_.events.
  Event EventOf(const Module& m, v1::EventKind kind, absl::string_view message) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Tell(const Module& m, v1::EventKind kind, absl::string_view message = "")
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // What m.last_process tells.
  void TellOfExit(const Module& m) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // `m` is whom the name is of; null: of nobody that is known, who may be anybody.
  void TellOfRefusal(const Module* m, absl::string_view why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void TellBy(const std::string& name, v1::EventKind kind, const std::string& by)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  v1::ModuleInfo Info(const Module& m) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // What a module that has ended told of the cluster and of its work.
  void ForgetReports(Module& m) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ReportHealth() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  static bool IsForHealth(const Module& m);
  // ReportHealth, where `m` is such that something may have changed by it.
  void ReportHealthOf(const Module& m) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const SupervisorOptions options_;
  const Parts parts_;

  // Held while files are looked at and while what they tell is taken in, so that the last look is
  // what holds.
  absl::Mutex path_mu_ ABSL_ACQUIRED_BEFORE(mu_);
  ModulePath module_path_ ABSL_GUARDED_BY(path_mu_){options_.module_path, options_.python};
  mutable absl::Mutex mu_;
  internal::SteadyCondVar gone_;  // a module has ended
  bool started_ ABSL_GUARDED_BY(mu_) = false;
  bool shutting_down_ ABSL_GUARDED_BY(mu_) = false;
  uint64_t next_waiter_ ABSL_GUARDED_BY(mu_) = 1;
  uint64_t next_run_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<std::string, Module, std::less<>> modules_ ABSL_GUARDED_BY(mu_);
  StartTurns turns_ ABSL_GUARDED_BY(mu_){options_.turns};
  event::TimerQueue::TimerId turns_timer_ ABSL_GUARDED_BY(mu_) = 0;
  // Of which nothing but options is known, the last at the end.
  std::deque<std::string> gone_strangers_ ABSL_GUARDED_BY(mu_);
  Deferred deferred_ ABSL_GUARDED_BY(mu_);
  event::TimerQueue::TimerId health_timer_ ABSL_GUARDED_BY(mu_) = 0;
  absl::BitGen random_ ABSL_GUARDED_BY(mu_);
  RegistrationLimit own_registrations_ ABSL_GUARDED_BY(mu_);  // with the token of a process
  RegistrationLimit other_registrations_ ABSL_GUARDED_BY(mu_);
  std::atomic<bool> any_awaits_option_ = false;  // some module may

  // Where commands go.
  struct Destination {
    std::shared_ptr<Session> session;
    std::shared_ptr<Process> process;  // null: not of this manager's
    // Not where its process has ended, which will be noticed soon.
    bool IsThere() const { return session != nullptr && (process == nullptr || !process->Ended()); }
  };
  // What every command looks at; never held together with anything slow.
  mutable absl::Mutex route_mu_ ABSL_ACQUIRED_AFTER(mu_);
  absl::flat_hash_map<std::string, Destination> routes_ ABSL_GUARDED_BY(route_mu_);
  absl::flat_hash_map<std::string, std::shared_ptr<Session>> by_key_ ABSL_GUARDED_BY(route_mu_);

  // Sessions that have been sent Configure, for ConfigChanged. Held while Configure
  // is put together and sent, so that none is older than what follows it.
  mutable absl::Mutex configured_mu_ ABSL_ACQUIRED_AFTER(mu_);
  absl::flat_hash_map<std::string, std::vector<std::shared_ptr<Session>>> configured_
      ABSL_GUARDED_BY(configured_mu_);
  absl::flat_hash_map<std::string, uint64_t> option_changes_ ABSL_GUARDED_BY(configured_mu_);

  struct LogLimit {
    uint64_t per_second;
    log::RateLimit lines;
    bool is_told = false;  // that lines are left out: soon, by a timer
  };
  absl::Mutex log_mu_;
  absl::flat_hash_map<std::string, LogLimit> log_limits_ ABSL_GUARDED_BY(log_mu_);
};

template <typename F>
auto Supervisor::Locked(F f) {
  Deferred deferred;
  struct RunLast {
    Deferred& deferred;
    ~RunLast() {
      for (auto& function : deferred) function();
    }
  } run_last{deferred};
  const event::LentMutexLock lock(&mu_);
  struct Take {
    Supervisor* self;
    Deferred& deferred;
    ~Take() { deferred.swap(self->deferred_); }
  } take{this, deferred};
  return f();
}

// The text of `state` as people see it: "running", "backoff".
std::string StateName(v1::ModuleState state);

}  // namespace outpost::module

#endif  // OUTPOST_SERVER_MODULE_SUPERVISOR_H_
