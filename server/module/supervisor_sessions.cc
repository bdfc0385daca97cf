// Supervisor: sessions, from Register to the end of the stream.
#include <signal.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "outpost/internal/utf8.h"
#include "server/event/moment.h"
#include "server/event/proto_time.h"
#include "server/log/log.h"
#include "server/module/secret.h"
#include "server/module/supervisor.h"

namespace outpost::module {
namespace {

constexpr char kRegisterPrefix[] = "module/register/";
constexpr uint32_t kProtocolVersion = 1;
constexpr int kMaxCommands = 4096;
constexpr int kMaxOptions = 4096;
constexpr size_t kMaxInstance = 64;  // bytes
constexpr int kMaxUnansweredPings = 3;
// To a process that hangs: a JVM, Go and the Python SDK write where each thread is, and others
// leave a core.
constexpr int kWhereIsIt = SIGQUIT;

}  // namespace

std::vector<command::Declaration> Supervisor::Declarations(const v1::Register& registration) {
  std::vector<command::Declaration> result;
  result.reserve(registration.commands_size());
  for (const auto& c : registration.commands()) {
    result.push_back({c.signature(), c.description(), c.permissions(), c.poll()});
  }
  return result;
}

absl::Status Supervisor::CheckRegister(const v1::Register& registration) const {
  if (auto status = ValidateModuleName(registration.name()); !status.ok()) return status;
  if (registration.commands_size() > kMaxCommands || registration.options_size() > kMaxOptions) {
    return absl::InvalidArgumentError(
        absl::StrCat("Register of module '", registration.name(), "' has ",
                     registration.commands_size(), " commands and ", registration.options_size(),
                     " options; at most ", kMaxCommands, " and ", kMaxOptions, " are allowed"));
  }
  if (registration.instance().size() > kMaxInstance) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the instance of module '", registration.name(), "' has ", registration.instance().size(),
        " characters; at most ", kMaxInstance, " are allowed"));
  }
  return absl::OkStatus();
}

absl::Status Supervisor::MayRegister(const v1::Register& registration) {
  // Who floods the manager with a module's name does not keep out the module's own process.
  const Module* m = Find(registration.name());
  const bool own =
      m != nullptr && (IsOfSuccessor(*m, registration) || IsOfProcess(*m, registration));
  RegistrationLimit& limit = own ? own_registrations_ : other_registrations_;
  const absl::Duration now = event::Moment::Now().steady;
  const size_t declarations = static_cast<size_t>(registration.commands_size()) +
                              static_cast<size_t>(registration.options_size());
  absl::Status status = limit.Take(registration.name(), declarations, now);
  if (const size_t refused = limit.TakeUntold(now); refused > 0) {
    log::Get("module").warn("{} registrations were refused: {}", refused, limit.last_words());
  }
  return status;
}

bool Supervisor::IsOfProcess(const Module& m, const v1::Register& registration) const {
  return m.process != nullptr && !registration.token().empty() &&
         ConstantTimeEquals(Fingerprint(registration.token()), m.token_hash);
}

Refusal Supervisor::MayAttach(const v1::Register& registration, const Module* m) {
  const std::string& name = registration.name();
  bool speaks = false;
  for (const uint32_t version : registration.protocol_versions()) {
    speaks |= version == kProtocolVersion;
  }
  if (!speaks) {
    return {absl::FailedPreconditionError(absl::StrCat(
                "module '", name, "' does not speak version ", kProtocolVersion,
                " of the protocol, the only one that this manager speaks; use an SDK of the "
                "manager's release")),
            "PROTOCOL_VERSION"};
  }
  // A process of the last manager's may be faster than Start, which adopts it.
  if (!started_) return {absl::UnavailableError("the manager starts"), "NOT_ACTIVE"};
  if (shutting_down_) return {absl::UnavailableError("the manager stops"), ""};
  if (m != nullptr && IsOfSuccessor(*m, registration)) return {};
  const bool supervised = m != nullptr && m->process != nullptr;
  if (supervised && IsOfProcess(*m, registration)) {
    if (m->stopping) {
      return {absl::FailedPreconditionError(absl::StrCat("module '", name, "' is being stopped")),
              "MODULE_DISABLED"};
    }
    if (!m->failure.empty()) {
      return {
          absl::UnavailableError(absl::StrCat("module '", name, "' is being ended: ", m->failure)),
          ""};
    }
    return {};
  }
  if (!registration.token().empty()) {
    return {absl::UnauthenticatedError(absl::StrCat(
                "the token of module '", name, "' is not that of a process of this manager's")),
            "BAD_TOKEN"};
  }
  if (m == nullptr) return {};
  if (m->session != nullptr || supervised ||
      (m->enabled && m->installed && m->state != v1::MODULE_STATE_FAILED)) {
    return {absl::AlreadyExistsError(absl::StrCat(
                "module '", name, "' is ", StateName(m->state),
                supervised ? absl::StrCat(" as process ", m->process->pid()) : "",
                "; end that one first",
                m->enabled ? absl::StrCat(" (`outpost module disable ", name, "`)") : "",
                ", or register under another name")),
            "NAME_TAKEN"};
  }
  if (m->disabled_by_operator && !m->installed) {
    return {absl::FailedPreconditionError(absl::StrCat("module '", name,
                                                       "' was disabled; `outpost module enable ",
                                                       name, "` lets it attach again")),
            "MODULE_DISABLED"};
  }
  return {};
}

std::shared_ptr<Session> Supervisor::Attach(v1::Register registration,
                                            std::shared_ptr<SessionLink> link, Refusal* refusal) {
  return Locked([&]() -> std::shared_ptr<Session> {
    mu_.AssertHeld();
    const std::string name = registration.name();
    if (auto status = CheckRegister(registration); !status.ok()) {
      *refusal = {std::move(status), "BAD_REGISTER"};
      return nullptr;
    }
    if (auto status = MayRegister(registration); !status.ok()) {
      *refusal = {std::move(status), "TOO_MANY_REGISTRATIONS", /*told=*/true};
      return nullptr;
    }
    Module* known = Find(name);
    *refusal = MayAttach(registration, known);
    if (refusal->status.ok() && known != nullptr && IsOfSuccessor(*known, registration)) {
      return AttachSuccessor(*known, std::move(registration), std::move(link), refusal);
    }
    const command::Provider provider = {command::Provider::Kind::kModule, name};
    if (refusal->status.ok()) {
      absl::Status status = parts_.commands->SetCommands(provider, Declarations(registration));
      if (!status.ok()) {
        const bool taken = status.code() == absl::StatusCode::kAlreadyExists;
        *refusal = {std::move(status), taken ? "COMMAND_TAKEN" : "BAD_REGISTER"};
      } else if (status = parts_.config->DeclareModule(name, registration.options(),
                                                       /*stranger=*/IsStranger(known));
                 !status.ok()) {
        if (known == nullptr) {
          parts_.commands->RemoveCommands(provider);
        } else {
          // As it was: these have been in the table before.
          status.Update(parts_.commands->SetCommands(provider, Declarations(known->registration)));
        }
        *refusal = {std::move(status), "BAD_REGISTER"};
      }
    }
    if (!refusal->status.ok()) {
      // Only what its own process has met is told of the module.
      if (known != nullptr && known->process != nullptr &&
          ConstantTimeEquals(Fingerprint(registration.token()), known->token_hash)) {
        known->refused = std::string(refusal->status.message());
      }
      TellOfRefusal(known, refusal->status.message());
      return nullptr;
    }
    // A broken stream may be noticed later here than there.
    if (known != nullptr && known->session != nullptr) {
      known->session->Close(absl::AbortedError("replaced by a newer session"), "");
      LoseSession(*known, "has attached again");
    }

    Module& m = FindOrAdd(name);
    registration.clear_token();
    if (m.registration.SerializeAsString() != registration.SerializeAsString() && m.installed) {
      // So that the commands of a module that is not running are known.
      parts_.store->Write(
          {.conditions = {},
           .changes = {{absl::StrCat(kRegisterPrefix, name), registration.SerializeAsString()}}},
          [](const absl::Status&) {});
    }
    m.registration = registration;
    m.refused.clear();
    m.unanswered.clear();
    m.session = Session::Create(NewSecret(), std::move(registration), std::move(link),
                                parts_.timers, m.requests);
    if (m.installed) m.session->set_asked(m.installed->caps);
    m.session->set_rates(m.policy.rates);
    {
      absl::MutexLock lock(&route_mu_);
      by_key_[m.session->key()] = m.session;
    }
    m.options_seen = OptionChanges(name);
    SendConfigure(name, m.session, m.process != nullptr);
    m.unanswered_pings = 0;
    ScheduleHeartbeat(m);
    SetTimer(m, m.policy.ready_timeout, [this](Module& late) {
      mu_.AssertHeld();
      FailAndRestart(late, absl::StrCat("attached, but was not ready in ",
                                        absl::FormatDuration(late.policy.ready_timeout)));
    });
    WriteWholeRecord(m);
    SetState(m, v1::MODULE_STATE_CONFIGURING, "");
    Tell(m, v1::EVENT_KIND_ATTACHED);
    return m.session;
  });
}

void Supervisor::SendConfigure(const std::string& name, const std::shared_ptr<Session>& session,
                               bool supervised) {
  v1::AttachResponse response;
  v1::Configure& configure = *response.mutable_configure();
  configure.set_protocol_version(kProtocolVersion);
  configure.set_session_key(session->key());
  configure.set_manager_id(options_.manager_id);
  configure.set_manager_instance(options_.manager_instance);
  configure.set_manager_version(options_.manager_version);
  configure.set_log_file(options_.log_file);
  configure.set_manager_ip(options_.manager_ip);
  if (options_.cluster) {
    const ClusterIdentity cluster = options_.cluster();
    configure.set_cluster_id(cluster.id);
    configure.set_cluster_release(cluster.release);
  }
  *configure.mutable_heartbeat_interval() = event::ToProto(options_.heartbeat_interval);
  if (supervised) {
    *configure.mutable_orphan_grace() = event::ToProto(options_.orphan_grace);
  }
  absl::MutexLock lock(&configured_mu_);
  for (auto& option : parts_.config->EffectiveValues(name)) {
    *configure.add_options() = std::move(option);
  }
  session->Send(std::move(response));
  configured_[name].push_back(session);
}

void Supervisor::Handle(const std::shared_ptr<Session>& session, const v1::AttachRequest& message) {
  if (message.has_log()) return HandleLog(*session, message.log());
  Locked([&] {
    mu_.AssertHeld();
    Module* m = Find(session->name());
    if (m == nullptr) return;
    if (m->successor != nullptr && m->successor->session == session) {
      return HandleSuccessor(*m, message);
    }
    if (m->predecessor != nullptr && m->predecessor->session == session) {
      if (message.has_drained()) EndPredecessor(*m);
      return;
    }
    if (m->session != session) return;
    switch (message.message_case()) {
      case v1::AttachRequest::kConfigured:
        HandleConfigured(*m, message.configured());
        return ForgetStranger(session->name());
      case v1::AttachRequest::kServeStatus:
        HandleServeStatus(*m, message.serve_status());
        return ForgetStranger(session->name());
      case v1::AttachRequest::kHeartbeat:
        m->unanswered_pings = 0;
        if (!message.heartbeat().stuck().empty() && m->failure.empty() && !m->stopping) {
          FailAndRestart(*m,
                         Failure{.why = absl::StrCat("is stuck: ",
                                                     internal::ToUtf8(message.heartbeat().stuck())),
                                 .signal = kWhereIsIt});
          return ForgetStranger(session->name());
        }
        return;
      case v1::AttachRequest::kDrained:
        if (m->state == v1::MODULE_STATE_DRAINING) AskToEnd(*m);
        return;
      default:
        return;
    }
  });
}

void Supervisor::HandleConfigured(Module& m, const v1::Configured& configured) {
  if (m.state != v1::MODULE_STATE_CONFIGURING) return;
  if (!configured.error().empty()) {
    return FailAndRestart(m, absl::StrCat("can't be set up: ", configured.error()));
  }
  if (!m.session->registration().can_run()) {
    CancelTimer(m);
    const std::string& why = m.session->registration().can_run_error();
    return SetState(m, v1::MODULE_STATE_CANNOT_RUN, why.empty() ? "it does not say why" : why);
  }
  if (m.predecessor != nullptr) {
    // It attached again while the one that it took over from still ends: Serve comes then.
    CancelTimer(m);
    Route(m);
    return SetState(m, v1::MODULE_STATE_RUNNING, "its predecessor ends");
  }
  v1::AttachResponse message;
  message.mutable_serve();
  m.session->Send(std::move(message));
}

void Supervisor::HandleServeStatus(Module& m, const v1::ServeStatus& status) {
  switch (status.state()) {
    case v1::ServeStatus::STATE_RUNNING:
      if (m.state != v1::MODULE_STATE_CONFIGURING) return;
      CancelTimer(m);
      Route(m);
      SetState(m, v1::MODULE_STATE_RUNNING, "");
      return Tell(m, v1::EVENT_KIND_SERVING);
    case v1::ServeStatus::STATE_RETURNED:
      if (m.state == v1::MODULE_STATE_RUNNING) {
        SetState(m, v1::MODULE_STATE_RUNNING, "serve() has returned; commands are answered");
        Tell(m, v1::EVENT_KIND_SERVE_RETURNED);
      }
      return;
    case v1::ServeStatus::STATE_FAILED:
      if (m.stopping || !m.failure.empty()) return;
      if (!status.traceback().empty()) {
        log::Get("module").error("{}: serve() failed:\n{}", m.name, status.traceback());
      }
      return FailAndRestart(m, Failure{.why = absl::StrCat("serve() failed: ", status.error()),
                                       .kind = v1::EVENT_KIND_SERVE_FAILED,
                                       .traceback = status.traceback()});
    default:
      return;
  }
}

void Supervisor::Detach(const std::shared_ptr<Session>& session, absl::string_view why) {
  Locked([&] {
    mu_.AssertHeld();
    Module* m = Find(session->name());
    if (m == nullptr) return;
    if (m->successor != nullptr && m->successor->session == session) {
      return RollBack(*m, why);
    }
    if (m->predecessor != nullptr && m->predecessor->session == session) {
      m->predecessor->session = nullptr;
      return ForgetSession(m->name, session, why);
    }
    if (m->session != session) return;
    LoseSession(*m, why);
    if (m->process == nullptr) {
      // Started by hand: it comes back when whoever started it wants.
      log::Get("module").info("{} {}", m->name, std::string(why));
      Stopped(*m);
      return ForgetStranger(session->name());
    }
    if (m->stopping || !m->failure.empty()) return;
    SetTimer(*m, m->policy.ready_timeout, [this](Module& late) {
      mu_.AssertHeld();
      FailAndRestart(late, "lost its session and did not attach again");
    });
    SetState(*m, v1::MODULE_STATE_STARTING, "lost its session; is expected to attach again");
  });
}

void Supervisor::LoseSession(Module& m, absl::string_view why) {
  Tell(m, v1::EVENT_KIND_DETACHED, why);
  Unroute(m);
  m.unanswered = m.session->InHand();
  parts_.timers->Cancel(m.heartbeat_timer);
  const std::shared_ptr<Session> session = std::exchange(m.session, nullptr);
  // What it was never asked, its next session may be. SetState gives that up where there is none.
  if (m.enabled && !shutting_down_ && (!m.stopping || m.start_after_stop)) {
    if (m.parked == nullptr) m.parked = session;
  }
  ForgetSession(m.name, session, why);
  gone_.SignalAll();
}

void Supervisor::ForgetSession(const std::string& name, std::shared_ptr<Session> session,
                               absl::string_view why) {
  {
    absl::MutexLock lock(&route_mu_);
    by_key_.erase(session->key());
  }
  {
    absl::MutexLock lock(&configured_mu_);
    auto it = configured_.find(name);
    if (it != configured_.end()) {
      std::erase(it->second, session);
      if (it->second.empty()) configured_.erase(it);
    }
  }
  const Module* m = Find(name);
  const bool parked = m != nullptr && m->parked == session;
  deferred_.push_back([session = std::move(session), why = std::string(why), parked] {
    if (parked) {
      session->Park(why);
    } else {
      session->Lost(why);
    }
  });
}

absl::Status Supervisor::SetUri(const std::string& name, const std::string& uri) {
  constexpr size_t kLongest = 4096;
  if (uri.size() > kLongest || std::any_of(uri.begin(), uri.end(), absl::ascii_iscntrl)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the URI of module '", name, "' has control characters, or over ", kLongest, " bytes"));
  }
  return Locked([&]() -> absl::Status {
    mu_.AssertHeld();
    Module* m = Find(name);
    if (m == nullptr || m->session == nullptr) {
      return absl::NotFoundError(absl::StrCat("module '", name, "' is not attached"));
    }
    m->uri = uri;
    return absl::OkStatus();
  });
}

void Supervisor::ScheduleHeartbeat(Module& m) {
  parts_.timers->Cancel(m.heartbeat_timer);
  m.heartbeat_timer = parts_.timers->After(
      options_.heartbeat_interval, [this, name = m.name, weak = std::weak_ptr(m.session)] {
        Locked([&] {
          mu_.AssertHeld();
          Module* later = Find(name);
          const auto session = weak.lock();
          if (later == nullptr || session == nullptr || later->session != session) return;
          if (++later->unanswered_pings > kMaxUnansweredPings && later->failure.empty() &&
              !later->stopping) {
            FailAndRestart(*later,
                           Failure{.why = absl::StrCat(
                                       "did not answer ", kMaxUnansweredPings, " heartbeats in ",
                                       absl::FormatDuration(kMaxUnansweredPings *
                                                            options_.heartbeat_interval)),
                                   .signal = kWhereIsIt});
            if (later->session == nullptr) return ForgetStranger(name);
          }
          v1::AttachResponse message;
          message.mutable_ping()->set_sequence(++later->ping_sequence);
          session->Send(std::move(message));
          ScheduleHeartbeat(*later);
        });
      });
}

void Supervisor::SendConfigChanged(const std::string& module, const v1::OptionValue& option) {
  v1::AttachResponse message;
  *message.mutable_config_changed()->add_options() = option;
  absl::MutexLock lock(&configured_mu_);
  ++option_changes_[module];
  const auto it = configured_.find(module);
  if (it != configured_.end() && !it->second.empty()) {
    for (const auto& session : it->second) session->Send(message);
    return;
  }
  // Not here: who tells of the change has locks of its own.
  if (any_awaits_option_) {
    parts_.timers->After(absl::ZeroDuration(), [this, module] { StartIfConfigured(module); });
  }
}

}  // namespace outpost::module
