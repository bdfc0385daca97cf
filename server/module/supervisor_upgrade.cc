// Supervisor: a new process in the place of one that runs.
//
//     the old process                     the new one
//     runs, answers commands              is started, attaches, is configured
//     drains: ends what it has in hand    answers commands from here on
//     ends                                gets Serve when the old one is gone
//
// So the two never serve() at once, and no command finds nobody to run it. Until the new
// one is configured, whatever goes wrong with it ends it, and the old one goes on.
#include <signal.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "outpost/internal/utf8.h"
#include "server/event/proto_time.h"
#include "server/log/log.h"
#include "server/module/secret.h"
#include "server/module/supervisor.h"

namespace outpost::module {
namespace {

constexpr char kSecondProcessPrefix[] = "module/second_process/";
constexpr char kPathPrefix[] = "module/path/";

}  // namespace

std::string Supervisor::SecondProcessKey(const Module& m) {
  return absl::StrCat(kSecondProcessPrefix, m.name);
}

void Supervisor::Upgrade(const std::string& name, const std::string& path, const std::string& by,
                         absl::Duration wait, ModuleInfoCallback callback) {
  // Whichever comes first: it is over, or `wait` is.
  struct Once {
    absl::Mutex mu;
    ModuleInfoCallback callback;
  };
  auto once = std::make_shared<Once>();
  once->callback = std::move(callback);
  const auto tell = [once](absl::StatusOr<v1::ModuleInfo> info) {
    ModuleInfoCallback first;
    {
      absl::MutexLock lock(&once->mu);
      first = std::exchange(once->callback, nullptr);
    }
    if (first) first(std::move(info));
  };
  std::optional<InstalledModule> elsewhere;
  if (path.empty()) {
    LookAgain(name);
  } else {
    event::TakesItsTime();
    elsewhere = ReadModuleDirectory(path, options_.python);
    elsewhere->name = name;
  }
  absl::Status refusal = Locked([&]() -> absl::Status {
    mu_.AssertHeld();
    Module* m = Find(name);
    if (m == nullptr || !m->enabled) {
      return absl::FailedPreconditionError(absl::StrCat(
          "module '", name, "' is not enabled; `outpost module enable ", name, "` enables it"));
    }
    const bool gone = m->process == nullptr && m->session == nullptr && !m->stopping;
    if (path.empty() || !gone) {
      if (m->state != v1::MODULE_STATE_RUNNING || m->process == nullptr || m->session == nullptr ||
          m->successor != nullptr || m->predecessor != nullptr) {
        return absl::FailedPreconditionError(absl::StrCat(
            "module '", name, "' is ",
            m->successor != nullptr || m->predecessor != nullptr ? "being upgraded"
                                                                 : StateName(m->state),
            ": a new process can take over from one that runs, and that this manager started; "
            "`outpost module restart ",
            name, "` starts it anew"));
      }
    }
    std::optional<InstalledModule> installed = path.empty() ? m->installed : std::move(elsewhere);
    if (!installed || !installed->problem.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "module '", name,
          "' can't be started: ", installed ? installed->problem : "it is no longer installed"));
    }
    TellBy(name, v1::EVENT_KIND_RESTART, by);
    if (gone) {
      StartElsewhere(*m, *std::move(installed), path, wait, tell);
      return absl::OkStatus();
    }
    return StartSuccessor(*m, *std::move(installed), path, tell);
  });
  if (!refusal.ok()) return tell(std::move(refusal));
  parts_.timers->After(wait, [this, name, tell] {
    absl::StatusOr<v1::ModuleInfo> info = absl::UnavailableError("it is gone");
    Locked([&] {
      mu_.AssertHeld();
      if (const Module* m = Find(name); m != nullptr) info = Info(*m);
    });
    tell(std::move(info));
  });
}

void Supervisor::StartElsewhere(Module& m, InstalledModule installed, const std::string& path,
                                absl::Duration wait, ModuleInfoCallback callback) {
  parts_.store->Write({.conditions = {}, .changes = {{absl::StrCat(kPathPrefix, m.name), path}}},
                      [name = m.name](const absl::Status& status) {
                        if (!status.ok())
                          log::Get("module").error("{}: {}", name, status.ToString());
                      });
  m.installed = std::move(installed);
  m.policy = PolicyOf(m);
  m.failures = 0;
  StartProcess(m);
  Wait(m, /*for_stop=*/false, wait, std::move(callback));
}

absl::Status Supervisor::StartSuccessor(Module& m, InstalledModule installed,
                                        const std::string& path, ModuleInfoCallback callback) {
  auto next = std::make_unique<Successor>();
  next->run = ++next_run_;
  next->path = path;
  Module like;  // the policy that the new manifest leads to
  like.name = m.name;
  like.installed = installed;
  next->policy = PolicyOf(like);
  next->installed = std::move(installed);
  next->output_fifo = OtherFifo(m);
  const std::string token = NewSecret();
  next->token_hash = Fingerprint(token);
  auto process = parts_.processes->Spawn(
      SpecFor(m.name, next->installed, next->policy, next->output_fifo, token),
      CallbacksFor(m.name, next->run));
  if (!process.ok()) return process.status();
  next->process = *std::move(process);
  next->callback = std::move(callback);
  WriteRecord(SecondProcessKey(m), RecordOf(*next->process, next->token_hash, next->output_fifo));
  next->timer = parts_.timers->After(next->policy.ready_timeout, [this, name = m.name,
                                                                  run = next->run] {
    Locked([&] {
      mu_.AssertHeld();
      Module* late = Find(name);
      if (late == nullptr || late->successor == nullptr || late->successor->run != run) return;
      RollBack(*late, absl::StrCat("did not get ready in ",
                                   absl::FormatDuration(late->successor->policy.ready_timeout)));
    });
  });
  m.successor = std::move(next);
  Tell(m, v1::EVENT_KIND_SPAWNED,
       absl::StrCat("process ", m.successor->process->pid(), " is to take over"));
  log::Get("module").info("{}: process {} is to take over from {}", m.name,
                          m.successor->process->pid(), m.process->pid());
  return absl::OkStatus();
}

bool Supervisor::IsOfSuccessor(const Module& m, const v1::Register& registration) const {
  return m.successor != nullptr && !registration.token().empty() &&
         ConstantTimeEquals(Fingerprint(registration.token()), m.successor->token_hash);
}

std::shared_ptr<Session> Supervisor::AttachSuccessor(Module& m, v1::Register registration,
                                                     std::shared_ptr<SessionLink> link,
                                                     Refusal* refusal) {
  Successor& next = *m.successor;
  if (next.session != nullptr) {
    *refusal = {absl::AlreadyExistsError(
                    absl::StrCat("the new process of module '", m.name, "' is attached")),
                "NAME_TAKEN"};
    return nullptr;
  }
  if (auto status = parts_.config->DeclareModule(m.name, registration.options()); !status.ok()) {
    *refusal = {status, "BAD_REGISTER"};
    RollBack(m, absl::StrCat("was refused: ", status.message()));
    return nullptr;
  }
  registration.clear_token();
  next.registration = registration;
  next.session = Session::Create(NewSecret(), std::move(registration), std::move(link),
                                 parts_.timers, m.requests);
  next.session->set_asked(next.installed.caps);
  next.session->set_rates(m.policy.rates);
  {
    absl::MutexLock lock(&route_mu_);
    by_key_[next.session->key()] = next.session;
  }
  SendConfigure(m.name, next.session, /*supervised=*/true);
  return next.session;
}

void Supervisor::HandleSuccessor(Module& m, const v1::AttachRequest& message) {
  if (!message.has_configured()) return;
  const std::string& error = message.configured().error();
  if (!error.empty()) return RollBack(m, absl::StrCat("can't be set up: ", error));
  const v1::Register& registration = m.successor->registration;
  if (!registration.can_run()) {
    return RollBack(m, absl::StrCat("says that it can't run: ", registration.can_run_error()));
  }
  TakeOver(m);
}

void Supervisor::TakeOver(Module& m) {
  const command::Provider provider = {command::Provider::Kind::kModule, m.name};
  if (auto status = parts_.commands->SetCommands(provider, Declarations(m.successor->registration));
      !status.ok()) {
    return RollBack(m, absl::StrCat("was refused: ", status.message()));
  }
  const std::unique_ptr<Successor> next = std::move(m.successor);
  parts_.timers->Cancel(next->timer);
  auto old = std::make_unique<Predecessor>();
  old->run = m.run;
  old->process = std::move(m.process);
  old->session = std::move(m.session);
  old->policy = m.policy;
  old->callback = std::move(next->callback);
  store::Batch batch;
  batch.changes.push_back(
      {SecondProcessKey(m), RecordOf(*old->process, m.token_hash, m.output_fifo)});
  m.run = next->run;
  m.process = next->process;
  m.has_record = true;
  m.record_is_whole = true;
  m.session = next->session;
  m.token_hash = next->token_hash;
  m.output_fifo = next->output_fifo;
  m.policy = next->policy;
  m.registration = next->registration;
  m.output = std::move(next->output);
  m.failures = 0;
  m.uri.clear();
  m.unanswered_pings = 0;
  batch.changes.push_back(
      {absl::StrCat(kProcessPrefix, m.name), RecordOf(*m.process, m.token_hash, m.output_fifo)});
  batch.changes.push_back(
      {absl::StrCat("module/register/", m.name), m.registration.SerializeAsString()});
  if (!next->path.empty()) {
    batch.changes.push_back({absl::StrCat(kPathPrefix, m.name), next->path});
  }
  m.installed = std::move(next->installed);
  parts_.store->Write(std::move(batch), [name = m.name](const absl::Status& status) {
    if (!status.ok()) log::Get("module").error("{}: {}", name, status.ToString());
  });
  {
    absl::MutexLock lock(&route_mu_);
    routes_[m.name] = {.session = m.session, .process = m.process};
  }
  // Whoever has found the old session in the routes a moment ago comes to the new one, too.
  deferred_.push_back(old->session->HandOver(m.session));
  ScheduleHeartbeat(m);
  v1::AttachResponse drain;
  *drain.mutable_drain()->mutable_timeout() = event::ToProto(old->policy.drain_timeout);
  old->session->Send(std::move(drain));
  const std::string reason =
      absl::StrCat("process ", old->process->pid(), " ends, which this one took over from");
  m.predecessor = std::move(old);
  SetPredecessorTimer(m, m.predecessor->policy.drain_timeout, [this](Module& late) {
    mu_.AssertHeld();
    EndPredecessor(late);
  });
  SetState(m, v1::MODULE_STATE_RUNNING, reason);
  Tell(m, v1::EVENT_KIND_ATTACHED, reason);
}

void Supervisor::SetPredecessorTimer(Module& m, absl::Duration delay,
                                     std::function<void(Module&)> f) {
  parts_.timers->Cancel(m.predecessor->timer);
  m.predecessor->timer = parts_.timers->After(
      delay, [this, name = m.name, run = m.predecessor->run, f = std::move(f)] {
        Locked([&] {
          mu_.AssertHeld();
          Module* late = Find(name);
          if (late == nullptr || late->predecessor == nullptr || late->predecessor->run != run) {
            return;
          }
          f(*late);
        });
      });
}

// It has drained, or has had the time to.
void Supervisor::EndPredecessor(Module& m) {
  Predecessor& old = *m.predecessor;
  if (std::exchange(old.asked, true)) return;
  if (old.session != nullptr) {
    v1::AttachResponse message;
    message.mutable_shutdown()->set_reason("upgrade");
    *message.mutable_shutdown()->mutable_grace() = event::ToProto(old.policy.shutdown_grace);
    old.session->Send(std::move(message));
  } else {
    old.process->Signal(SIGTERM);
  }
  SetPredecessorTimer(m, old.policy.shutdown_grace, [this](Module& late) {
    mu_.AssertHeld();
    log::Get("module").warn("{}: process {} did not end when asked to: SIGTERM", late.name,
                            late.predecessor->process->pid());
    late.predecessor->process->Signal(SIGTERM);
    SetPredecessorTimer(late, late.predecessor->policy.shutdown_grace,
                        [](Module& later) { later.predecessor->process->KillGroup(); });
  });
}

void Supervisor::PredecessorEnded(Module& m, const ExitStatus& status) {
  const std::unique_ptr<Predecessor> old = std::move(m.predecessor);
  parts_.timers->Cancel(old->timer);
  if (old->session != nullptr) {
    ForgetSession(m.name, old->session, absl::StrCat("ended (", status.ToString(), ")"));
  }
  DeleteRecord(SecondProcessKey(m));
  log::Get("module").info("{}: process {}, which was replaced, ended with {}", m.name,
                          old->process->pid(), status.ToString());
  gone_.SignalAll();
  if (m.state == v1::MODULE_STATE_RUNNING && m.session != nullptr) {
    ForgetReports(m);  // the old one's
    v1::AttachResponse serve;
    serve.mutable_serve();
    m.session->Send(std::move(serve));
    SetState(m, v1::MODULE_STATE_RUNNING, "");
    Tell(m, v1::EVENT_KIND_SERVING);
  }
  if (old->callback) {
    deferred_.push_back([callback = std::move(old->callback), info = Info(m)]() mutable {
      callback(std::move(info));
    });
  }
}

void Supervisor::RollBack(Module& m, absl::string_view why, absl::string_view old_one) {
  const std::unique_ptr<Successor> next = std::move(m.successor);
  parts_.timers->Cancel(next->timer);
  std::string message =
      absl::StrCat("module '", m.name, "' was not upgraded: the new process ", why,
                   next->output.empty() ? "" : ": ",
                   next->output.empty() ? "" : internal::ToUtf8(next->output.back()), old_one);
  log::Get("module").warn("{}", message);
  Tell(m, v1::EVENT_KIND_FAULT, message);
  if (next->session != nullptr) {
    next->session->Close(absl::AbortedError(message), "");
    ForgetSession(m.name, next->session, "was not taken");
  }
  next->process->KillGroup();
  DeleteRecord(SecondProcessKey(m));
  // It was taken before.
  parts_.config->DeclareModule(m.name, m.registration.options()).IgnoreError();
  gone_.SignalAll();
  deferred_.push_back([callback = std::move(next->callback),
                       status = absl::AbortedError(message)]() mutable { callback(status); });
}

bool Supervisor::EndedBesides(Module& m, uint64_t run, const ExitStatus& status) {
  if (m.successor != nullptr && m.successor->run == run) {
    RollBack(m, status.launch.ok() ? absl::StrCat("ended with ", status.ToString())
                                   : std::string(status.launch.message()));
    return true;
  }
  if (m.predecessor != nullptr && m.predecessor->run == run) {
    PredecessorEnded(m, status);
    return true;
  }
  return false;
}

// The module itself is to end, or has ended.
void Supervisor::EndUpgrade(Module& m, absl::string_view why) {
  if (m.successor != nullptr) RollBack(m, why, "");
  if (m.predecessor != nullptr) m.predecessor->process->KillGroup();
}

void Supervisor::EndSecondProcesses() {
  for (const auto& [key, record] : parts_.store->List(kSecondProcessPrefix)) {
    auto known = ParseRecord(record);
    if (known) {
      auto process = parts_.processes->Adopt(
          known->pid, known->start_ticks, known->output_fifo, known->launch,
          {.on_output = [](absl::string_view) {}, .on_exit = [](const ExitStatus&) {}});
      if (process.ok()) {
        log::Get("module").warn("process {} was left by an upgrade: it is killed", known->pid);
        (*process)->KillGroup();
      } else {
        parts_.processes->EndGroup(known->launch.group);
      }
    }
    DeleteRecord(key);
  }
}

void Supervisor::ApplyUpgradedPaths() {
  for (const auto& [key, path] : parts_.store->List(kPathPrefix)) {
    const std::string name = key.substr(sizeof(kPathPrefix) - 1);
    Module* m = Find(name);
    if (m == nullptr || (m->installed && m->installed->directory == path)) continue;
    m->installed = ReadModuleDirectory(path, options_.python);
    m->installed->name = name;
  }
}

}  // namespace outpost::module
