#include "outpost/internal/session.h"

#include <algorithm>
#include <cstdio>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "outpost/internal/log_buffer.h"
#include "outpost/internal/log_routing.h"
#include "outpost/internal/manager_channel.h"
#include "outpost/internal/manager_client.h"
#include "outpost/internal/registration.h"
#include "outpost/internal/utf8.h"
#include "outpost/internal/wire.h"

namespace outpost::internal {
namespace {

// 128 random bits as hexadecimal digits.
std::string NewInstance() {
  std::random_device random;
  return absl::StrFormat("%08x%08x%08x%08x", random(), random(), random(), random());
}

// A manager that has pinged and then is silent for this many intervals is gone,
// though its stream is not (a host that lost its power, say).
constexpr int kSilentIntervals = 6;

// … but not after less than this.
constexpr absl::Duration kShortestSilence = absl::Seconds(10);

// For how many intervals of its Pings, and how long at most, a silent manager is
// believed to have nothing to tell of structures.
constexpr int kTrustIntervals = 2;
constexpr absl::Duration kMaxTrust = absl::Seconds(30);

// How long the module may take to end when no manager wants it any more.
constexpr absl::Duration kGiveUpGrace = absl::Seconds(10);

// How long an orderly goodbye may take on the wire.
constexpr absl::Duration kGoodbye = absl::Seconds(1);

bool IsEventLike(absl::string_view type) {
  return type == "clog" || type == "command" || type == "config";
}

}  // namespace

Session::Session(Module& module, bool has_serve, absl::Status can_run, SessionConfig config)
    : module_(module),
      has_serve_(has_serve),
      can_run_(std::move(can_run)),
      config_(std::move(config)),
      channel_(MakeChannel(config_.address)),
      module_host_(v1::ModuleHost::NewStub(channel_)),
      instance_(NewInstance()),
      notifications_(v1::Notifications::NewStub(channel_)),
      log_(module.log_.Named("sdk")),
      policy_(config_.backoff, config_.first_grace, config_.address, SteadyNow()),
      feed_(
          *notifications_, module.info_.notify_types, config_.backoff, log_,
          [this](uint64_t id, v1::Notification notification) {
            TakeNotification(id, std::move(notification));
          },
          [this] {
            absl::MutexLock lock(&mu_);
            inbox_.feed_ended = true;
            news_.SignalAll();
          }),
      calls_(module.commands_, module.methods_, log_, loop_),
      hooks_(module, has_serve, log_),
      loop_(std::max<size_t>(1, module.info_.max_concurrency)) {
  module_.client_->SetIdentity({.module = config_.name}, absl::ZeroDuration());
  module_.client_->Connect(
      channel_, [this](absl::AnyInvocable<void()> task) { hooks_.PostEvent(std::move(task)); },
      [this](const std::string& text) { log_.Warning("%s", text); });
  module_.log_buffer_->SetListener([this] {
    std::shared_ptr<AttachStream> stream;
    {
      absl::MutexLock lock(&mu_);
      stream = stream_;
    }
    if (stream != nullptr) stream->Poke();
  });
}

Session::~Session() {
  module_.log_buffer_->SetListener(nullptr);
  module_.client_->Disconnect();
}

absl::string_view Session::StateName(State state) {
  switch (state) {
    case State::kIdle:
      return "idle";
    case State::kRegistering:
      return "registering";
    case State::kConfiguring:
      return "configuring";
    case State::kAttached:
      return "attached";
    case State::kBackingOff:
      return "backing off";
    case State::kEnding:
      return "ending";
    case State::kEnded:
      return "ended";
  }
  return "?";
}

void Session::SetState(State state, absl::string_view why) {
  if (log_.Enabled(LogLevel::kDebug)) {
    module_.log_buffer_->AppendQuietly(
        LogLevel::kDebug, "sdk",
        absl::StrCat("session: ", StateName(state_), " -> ", StateName(state),
                     why.empty() ? "" : ": ", why));
  }
  state_ = state;
  // Not before Configured; and the last lines go while the module ends.
  ship_logs_ = state == State::kAttached || (state == State::kEnding && ship_logs_);
}

void Session::EchoLog(bool echo) { module_.log_buffer_->set_echo(echo); }

void Session::DumpLog() { module_.log_buffer_->DumpToStderr(); }

SessionOutcome Session::Run() {
  for (const absl::Status& status :
       {module_.commands_.status(), module_.options_.status(), module_.methods_.status()}) {
    if (!status.ok()) return {kExitRefused, std::string(status.message()), false};
  }
  while (true) {
    if (std::optional<SessionOutcome> refused = RunStream()) {
      RequestShutdown(kGiveUpGrace, refused->message);
      const SessionOutcome end = EndInOrder();
      if (end.stuck) absl::StrAppend(&refused->message, "; ", end.message);
      refused->stuck = end.stuck;
      return *std::move(refused);
    }
    if (!WaitBackoff()) return EndInOrder();
  }
}

void Session::RequestShutdown(absl::Duration grace, absl::string_view reason) {
  absl::MutexLock lock(&mu_);
  if (shutdown_) return;
  shutdown_ = true;
  shutdown_deadline_ = SteadyNow() + grace;
  shutdown_reason_ = std::string(reason);
  news_.SignalAll();
}

bool Session::HasNews() const {
  return shutdown_ || inbox_.ended_stream || inbox_.configure || inbox_.start_hook_done ||
         inbox_.serve || inbox_.first_ping || inbox_.feed_ended;
}

bool Session::Send(v1::AttachRequest message) {
  std::shared_ptr<AttachStream> stream;
  {
    absl::MutexLock lock(&mu_);
    stream = stream_;
  }
  return stream != nullptr && stream->Send(std::move(message));
}

std::optional<SessionOutcome> Session::RunStream() {
  last_ping_nanos_ = 0;
  {
    absl::MutexLock lock(&mu_);
    if (shutdown_) return std::nullopt;
    inbox_ = {.start_hook_done = inbox_.start_hook_done};
    SetState(State::kRegistering, config_.address);
  }
  // When to try again is decided here; gRPC's own wait between attempts is one by the wall clock.
  grpc::experimental::ChannelResetConnectionBackoff(channel_.get());
  const std::shared_ptr<AttachStream> stream =
      AttachStream::Start(*module_host_, loop_, RegisterMessage(), this);
  const absl::Time register_by = SteadyNow() + config_.register_timeout;
  {
    absl::MutexLock lock(&mu_);
    stream_ = stream;
  }
  while (true) {
    Inbox inbox;
    bool shutdown = false;
    bool registering = false;
    {
      absl::MutexLock lock(&mu_);
      registering = state_ == State::kRegistering;
      absl::Time wake_at =
          std::min(feed_.due(), registering ? register_by : absl::InfiniteFuture());
      if (last_ping_nanos_ != 0) wake_at = std::min(wake_at, SilentAt());
      news_.AwaitUntil(&mu_, wake_at,
                       [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return HasNews(); });
      inbox = std::exchange(inbox_, {});
      shutdown = shutdown_;
    }
    if (inbox.ended_stream) {
      {
        absl::MutexLock lock(&mu_);
        stream_ = nullptr;
        ship_logs_ = false;
      }
      feed_.End();
      calls_.StreamLost();
      output_.Orphaned();
      if (shutdown) return std::nullopt;
      return Judge(FromGrpcStatus(inbox.stream_status));
    }
    if (shutdown) return std::nullopt;
    if (inbox.start_hook_done) start_hook_done_ = true;
    if (inbox.configure) {
      Configure(*inbox.configure, std::move(inbox.changed_options));
    } else if (inbox.start_hook_done && !registering) {
      FinishConfigure();
    }
    if (inbox.serve) StartServe();
    const absl::Time now = SteadyNow();
    feed_.Poll(now);
    if (registering && now >= register_by) stream->Cancel();
    if (last_ping_nanos_ != 0 && now >= SilentAt()) {
      log_.Warning("the manager has been silent for too long; attaching again");
      last_ping_nanos_ = 0;
      stream->Cancel();
    }
  }
}

absl::Time Session::SilentAt() const {
  return absl::FromUnixNanos(last_ping_nanos_) +
         std::max(kShortestSilence, kSilentIntervals * heartbeat_interval_);
}

v1::AttachRequest Session::RegisterMessage() const {
  v1::AttachRequest message;
  v1::Register* r = message.mutable_register_();
  *r = MakeRegistration(module_.info_, module_.commands_, module_.options_, module_.methods_,
                        has_serve_, can_run_);
  r->set_name(config_.name);
  r->set_token(config_.token);
  r->set_instance(instance_);
  return message;
}

void Session::OnMessage(const std::shared_ptr<AttachStream>& stream, v1::AttachResponse message) {
  module_.client_->cluster().cache().Heard();
  switch (message.message_case()) {
    case v1::AttachResponse::kRunCommand:
    case v1::AttachResponse::kCall:
      calls_.Run(stream, std::move(message));
      return;
    case v1::AttachResponse::kCancel:
      calls_.Cancel(message.cancel().id());
      return;
    case v1::AttachResponse::kPing: {
      if (last_ping_nanos_.exchange(absl::ToUnixNanos(SteadyNow())) == 0) {
        absl::MutexLock lock(&mu_);
        inbox_.first_ping = true;
        news_.SignalAll();
      }
      v1::AttachRequest answer;
      answer.mutable_heartbeat()->set_sequence(message.ping().sequence());
      answer.mutable_heartbeat()->set_stuck(hooks_.Stuck());
      stream->Send(std::move(answer));
      return;
    }
    case v1::AttachResponse::kStructureChanged:
      // Here, before a later message is looked at: what follows a change must see it.
      module_.client_->cluster().cache().Changed(message.structure_changed().name(),
                                                 message.structure_changed().version());
      return;
    case v1::AttachResponse::kDrain:
      calls_.Drain(stream);
      return;
    case v1::AttachResponse::kConfigChanged:
      TakeConfigChanged(message.config_changed());
      return;
    case v1::AttachResponse::kShutdown:
      RequestShutdown(FromProto(message.shutdown().grace()), message.shutdown().reason());
      return;
    case v1::AttachResponse::kConfigure: {
      absl::MutexLock lock(&mu_);
      inbox_.changed_options = module_.options_.values()->Configure(
          message.configure().manager_instance(), FromProto(message.configure().options()));
      inbox_.configure = std::move(*message.mutable_configure());
      news_.SignalAll();
      SetState(State::kConfiguring, "");
      return;
    }
    case v1::AttachResponse::kServe: {
      absl::MutexLock lock(&mu_);
      inbox_.serve = true;
      news_.SignalAll();
      return;
    }
    case v1::AttachResponse::MESSAGE_NOT_SET:
      return;  // of a newer manager
  }
}

bool Session::OnIdle(v1::AttachRequest* message) {
  if (!ship_logs_) return false;
  if (module_.log_buffer_->TakeBatch(message->mutable_log())) return true;
  message->Clear();
  return false;
}

void Session::OnEnded(std::shared_ptr<AttachStream> stream, const grpc::Status& status) {
  module_.client_->cluster().cache().SessionEnded();
  absl::MutexLock lock(&mu_);
  inbox_.ended_stream = std::move(stream);
  inbox_.stream_status = status;
  news_.SignalAll();
}

void Session::Configure(const v1::Configure& configure, std::vector<std::string> changed_options) {
  orphan_grace_ =
      configure.has_orphan_grace() ? FromProto(configure.orphan_grace()) : absl::InfiniteDuration();
  heartbeat_interval_ = configure.has_heartbeat_interval()
                            ? FromProto(configure.heartbeat_interval())
                            : absl::InfiniteDuration();
  if (heartbeat_interval_ <= absl::ZeroDuration()) heartbeat_interval_ = absl::InfiniteDuration();
  other_manager_ =
      module_.client_->SetIdentity(IdentityOf(config_.name, configure),
                                   std::min(kTrustIntervals * heartbeat_interval_, kMaxTrust));
  changed_while_away_ = std::move(changed_options);
  RouteLog();
  if (start_hook_done_ || !can_run_.ok()) return FinishConfigure();
  if (start_hook_started_) return;  // since an earlier stream; it will say when it is done
  start_hook_started_ = true;
  hooks_.Start([this](absl::Status status) {
    absl::MutexLock lock(&mu_);
    start_status_ = std::move(status);
    inbox_.start_hook_done = true;
    news_.SignalAll();
  });
}

void Session::FinishConfigure() {
  absl::Status status;
  std::shared_ptr<AttachStream> stream;
  {
    absl::MutexLock lock(&mu_);
    status = start_status_;
  }
  v1::AttachRequest message;
  message.mutable_configured();
  if (!status.ok()) message.mutable_configured()->set_error(ToUtf8(status.message()));
  Send(std::move(message));
  {
    absl::MutexLock lock(&mu_);
    SetState(State::kAttached, absl::StrCat("manager ", module_.client_->identity().manager_id));
    stream = stream_;
  }
  if (stream != nullptr) stream->Poke();  // log lines that waited may go now
  policy_.Attached(orphan_grace_);
  if (const uint64_t dropped = output_.Adopted(); dropped > 0) {
    log_.Warning("%d bytes of output were dropped: no manager read them", dropped);
  }
  module_.client_->watches().Attached();
  if (can_run_.ok() && status.ok()) {
    feed_.Start(module_.client_->identity().session_key);
    if (was_attached_) CatchUpAfterReattach(changed_while_away_, other_manager_);
  }
  was_attached_ = true;
}

void Session::CatchUpAfterReattach(const std::vector<std::string>& changed_options,
                                   bool other_manager) {
  log_.Info("attached again to manager %s", module_.client_->identity().manager_id);
  if (other_manager) {
    hooks_.PostEvent([this] {
      if (absl::Status status = module_.client_->reports().Resend(); !status.ok()) {
        log_.Warning("health checks, progress or URI could not be told again: %s",
                     status.message());
      }
    });
  }
  if (!changed_options.empty()) TellChanged(changed_options);
  for (const std::string& type : module_.info_.notify_types) {
    if (IsEventLike(type)) continue;
    hooks_.Notify({.type = type, .time = absl::Now(), .after_reattach = true}, nullptr);
  }
}

void Session::TakeConfigChanged(const v1::ConfigChanged& changed) {
  std::vector<std::string> names;
  for (const v1::OptionValue& option : changed.options()) names.push_back(option.name());
  module_.options_.values()->Apply(FromProto(changed.options()));
  RouteLog();
  TellChanged(std::move(names));
}

void Session::TellChanged(std::vector<std::string> names) {
  hooks_.PostEvent([this, names] { module_.options_.RunCallbacks(names); });
  hooks_.ConfigChanged(std::move(names));
}

void Session::RouteLog() {
  absl::MutexLock lock(&route_mu_);
  module_.log_buffer_->Route(
      RoutingOf(*module_.options_.values(), config_.name, module_.client_->identity().log_file));
}

void Session::StartServe() {
  const auto running = [this] { SendServeStatus(v1::ServeStatus::STATE_RUNNING, ""); };
  const auto ended = [this](const absl::Status& status) {
    SendServeStatus(status.ok() ? v1::ServeStatus::STATE_RETURNED : v1::ServeStatus::STATE_FAILED,
                    status.message());
  };
  if (!hooks_.Serve(running, ended)) running();  // there is none, or it runs since before
}

void Session::SendServeStatus(v1::ServeStatus::State state, absl::string_view error) {
  v1::AttachRequest message;
  message.mutable_serve_status()->set_state(state);
  message.mutable_serve_status()->set_error(ToUtf8(error));
  Send(std::move(message));
}

void Session::TakeNotification(uint64_t subscription_id, v1::Notification notification) {
  // It may have overtaken what the session tells.
  if (IsEventLike(notification.type())) {
    module_.client_->cluster().cache().Doubt();
  } else if (notification.version() != 0) {
    module_.client_->cluster().cache().Changed(notification.type(), notification.version());
  }
  v1::AttachRequest ack;
  ack.mutable_notification_ack()->set_subscription_id(subscription_id);
  ack.mutable_notification_ack()->set_sequence(notification.sequence());
  hooks_.Notify({.type = std::move(*notification.mutable_type()),
                 .id = std::move(*notification.mutable_id()),
                 .version = notification.version(),
                 .payload = std::move(*notification.mutable_payload_json()),
                 .missed = notification.missed(),
                 .time = FromProto(notification.time())},
                [this, ack = std::move(ack)]() mutable { Send(std::move(ack)); });
}

std::optional<SessionOutcome> Session::Judge(const absl::Status& status) {
  bool reached = false;
  {
    absl::MutexLock lock(&mu_);
    reached = state_ != State::kRegistering;
    SetState(State::kBackingOff, status.ToString());
  }
  std::optional<SessionOutcome> end = policy_.StreamEnded(status, reached, SteadyNow());
  if (end || !policy_.TellOutage()) return end;
  const std::string why = absl::StrCat(
      config_.address, ": ", status.ok() ? "it closed the session" : std::string(status.message()));
  if (was_attached_) {
    log_.Warning("lost the manager at %s; trying again", why);
  } else {
    // No manager reads the log yet.
    std::fprintf(stderr, "outpost: module %s: waiting for a manager at %s\n", config_.name.c_str(),
                 why.c_str());
  }
  return std::nullopt;
}

bool Session::WaitBackoff() {
  const absl::Time until = policy_.NextTry(SteadyNow());
  absl::MutexLock lock(&mu_);
  news_.AwaitUntil(&mu_, until, [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return shutdown_; });
  return !shutdown_;
}

SessionOutcome Session::EndInOrder() {
  absl::Time deadline;
  std::shared_ptr<AttachStream> stream;
  {
    absl::MutexLock lock(&mu_);
    deadline = shutdown_deadline_;
    stream = stream_;
    SetState(State::kEnding, shutdown_reason_);
  }
  feed_.End();
  module_.client_->watches().Close();
  calls_.Close();
  std::vector<std::string> stuck = hooks_.End(deadline);
  if (!loop_.AwaitIdle(deadline)) stuck.emplace_back("a command or method");
  SessionOutcome outcome;
  if (!stuck.empty()) {
    outcome = {kExitStuck,
               absl::StrCat("it was asked to end, and did not in time: ",
                            absl::StrJoin(stuck, ", "), " still runs"),
               true};
    log_.Error(outcome.message);
  }
  if (stream != nullptr) {
    stream->HalfClose();
    const auto ended = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
      return inbox_.ended_stream != nullptr;
    };
    absl::MutexLock lock(&mu_);
    if (!news_.AwaitFor(&mu_, kGoodbye, ended)) {
      stream->Cancel();
      mu_.Await(absl::Condition(&ended));
    }
    stream_ = nullptr;
  }
  absl::MutexLock lock(&mu_);
  SetState(State::kEnded, "");
  return outcome;
}

}  // namespace outpost::internal
