// Session keeps a module attached to the manager: it registers, configures, runs
// what it is asked to, and attaches again when the manager went away.
//
// **Thread safety.** Run has one caller, who is its driver: all decisions are
// made on that thread. RequestShutdown may be called from any thread. The
// callbacks of streams only note what came and wake the driver; what concerns one request
// (RunCommand, Call, Cancel, Ping) goes on from there without it.
//
// **Invariants.**
// 1. SetState is the only place that changes the state, and logs it.
// 2. There is at most one stream, and at most one subscription, at a time.
// 3. The module's own code never runs on a gRPC thread nor on the driver's.
// 4. When Run returns and nothing is stuck, no callback runs or will.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_SESSION_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_SESSION_H_

#include <grpcpp/channel.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "outpost/internal/attach_stream.h"
#include "outpost/internal/backoff.h"
#include "outpost/internal/call_runner.h"
#include "outpost/internal/completion_loop.h"
#include "outpost/internal/hook_runner.h"
#include "outpost/internal/notification_feed.h"
#include "outpost/internal/orphan_output.h"
#include "outpost/internal/reattach_policy.h"
#include "outpost/internal/steady_wait.h"
#include "outpost/module.h"

namespace outpost::internal {

struct SessionConfig {
  std::string address;  // a gRPC target
  std::string name;     // to register under
  std::string token;
  BackoffPolicy backoff = {};
  // How long to look for the first manager. InfiniteDuration: for ever.
  absl::Duration first_grace = absl::InfiniteDuration();
  // How long a manager may take to answer Register.
  absl::Duration register_timeout = absl::Seconds(30);
};

class Session final : private AttachStream::Observer {
 public:
  // `module` outlives the session.
  Session(Module& module, bool has_serve, absl::Status can_run, SessionConfig config);
  ~Session() override;

  // Whether the module's log lines also go to standard error.
  void EchoLog(bool echo);
  // Writes the lines that no manager took to standard error.
  void DumpLog();

  // Blocks until the module has ended.
  SessionOutcome Run();

  // The module is to end, within `grace`. Later calls have no effect.
  void RequestShutdown(absl::Duration grace, absl::string_view reason);

 private:
  enum class State { kIdle, kRegistering, kConfiguring, kAttached, kBackingOff, kEnding, kEnded };
  static absl::string_view StateName(State state);

  // What wakes the driver.
  struct Inbox {
    std::shared_ptr<AttachStream> ended_stream = {};
    grpc::Status stream_status = {};  // of ended_stream
    std::optional<v1::Configure> configure = {};
    std::vector<std::string> changed_options = {};  // by `configure`, which has taken them
    bool start_hook_done = false;                   // of the process, not of a stream
    bool first_ping = false;                        // the watch over pings begins
    bool serve = false;
    bool feed_ended = false;
  };

  void OnMessage(const std::shared_ptr<AttachStream>& stream, v1::AttachResponse message) override;
  bool OnIdle(v1::AttachRequest* message) override;
  void OnEnded(std::shared_ptr<AttachStream> stream, const grpc::Status& status) override;

  void SetState(State state, absl::string_view why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool HasNews() const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // Sends on the present stream; false: there is none.
  bool Send(v1::AttachRequest message);

  // One stream, from Register to its end or until shutdown is requested. Nullopt:
  // the session goes on with another one, or ends as requested; else how it ends.
  std::optional<SessionOutcome> RunStream();
  // When a manager that has pinged counts as gone.
  absl::Time SilentAt() const;
  v1::AttachRequest RegisterMessage() const;
  void Configure(const v1::Configure& configure, std::vector<std::string> changed_options);
  void FinishConfigure();
  void CatchUpAfterReattach(const std::vector<std::string>& changed_options, bool other_manager);
  void StartServe();
  void SendServeStatus(v1::ServeStatus::State state, absl::string_view error);
  void TakeNotification(uint64_t subscription_id, v1::Notification notification);
  void TakeConfigChanged(const v1::ConfigChanged& changed);
  // Runs what the module has for changes of these options.
  void TellChanged(std::vector<std::string> names);
  void RouteLog();
  // What the end of a stream means: nullopt is to try again.
  std::optional<SessionOutcome> Judge(const absl::Status& status);
  // False: shutdown was requested.
  bool WaitBackoff();
  SessionOutcome EndInOrder();

  Module& module_;
  const bool has_serve_;
  const absl::Status can_run_;
  const SessionConfig config_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::ModuleHost::Stub> module_host_;
  const std::string instance_;  // of Register
  const std::unique_ptr<v1::Notifications::Stub> notifications_;
  const Logger log_;

  // The driver's own.
  ReattachPolicy policy_;
  NotificationFeed feed_;
  OrphanOutput output_;
  absl::Duration orphan_grace_ = absl::InfiniteDuration();
  absl::Duration heartbeat_interval_ = absl::InfiniteDuration();
  bool start_hook_started_ = false;
  bool start_hook_done_ = false;
  bool was_attached_ = false;
  std::vector<std::string> changed_while_away_;
  bool other_manager_ = false;

  std::atomic<bool> ship_logs_{false};
  std::atomic<int64_t> last_ping_nanos_{0};  // of SteadyNow(); 0: none in this stream

  absl::Mutex route_mu_;  // of RouteLog: options change on two threads

  absl::Mutex mu_;
  State state_ ABSL_GUARDED_BY(mu_) = State::kIdle;
  SteadyCondVar news_;  // of the inbox, and of shutdown_
  Inbox inbox_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<AttachStream> stream_ ABSL_GUARDED_BY(mu_);
  absl::Status start_status_ ABSL_GUARDED_BY(mu_);
  bool shutdown_ ABSL_GUARDED_BY(mu_) = false;
  absl::Time shutdown_deadline_ ABSL_GUARDED_BY(mu_);  // by SteadyNow
  std::string shutdown_reason_ ABSL_GUARDED_BY(mu_);

  CallRunner calls_;
  HookRunner hooks_;

  CompletionLoop loop_;  // last: its threads use the rest
};

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_SESSION_H_
