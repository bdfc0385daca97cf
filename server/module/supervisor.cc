#include "server/module/supervisor.h"

#include <signal.h>
#include <sysexits.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "outpost/internal/utf8.h"
#include "server/event/proto_time.h"
#include "server/log/log.h"
#include "server/module/secret.h"
#include "server/text/nearest.h"

namespace outpost::module {
namespace {

constexpr char kEnabledPrefix[] = "module/enabled/";
constexpr char kProcessPrefix[] = "module/process/";
constexpr char kRegisterPrefix[] = "module/register/";
constexpr size_t kOutputTail = 20;   // lines kept of each module
constexpr size_t kReasonLine = 300;  // bytes of its last line that a reason has
constexpr absl::Duration kTellLeftOutAfter = absl::Seconds(1);

std::string Quoted(absl::string_view name) { return absl::StrCat("module '", name, "'"); }

}  // namespace

std::string StateName(v1::ModuleState state) {
  std::string name = v1::ModuleState_Name(state);
  name.erase(0, sizeof("MODULE_STATE_") - 1);
  for (char& c : name) c = c == '_' ? ' ' : absl::ascii_tolower(c);
  return name;
}

Supervisor::Supervisor(SupervisorOptions options, Parts parts)
    : options_(std::move(options)), parts_(parts) {}

Supervisor::~Supervisor() = default;

Supervisor::Module* Supervisor::Find(absl::string_view name) {
  auto it = modules_.find(name);
  return it == modules_.end() ? nullptr : &it->second;
}

void Supervisor::Rescan() {
  auto installed = ScanModulePath(options_.module_path, options_.python);
  for (auto& [name, m] : modules_) m.installed.reset();
  for (auto& [name, module] : installed) {
    Module& m = modules_[name];
    m.name = name;
    m.installed = std::move(module);
  }
}

absl::Status Supervisor::Start(const std::vector<std::string>& initial_modules) {
  store::Batch initial;
  absl::Status status = Locked([&]() -> absl::Status {
    mu_.AssertHeld();
    Rescan();
    const auto records = parts_.store->List(kEnabledPrefix);
    for (const auto& [key, value] : records) {
      const std::string name(absl::StripPrefix(key, kEnabledPrefix));
      Module& m = modules_[name];
      m.name = name;
      m.enabled = value == "true";
      m.disabled_by_operator = !m.enabled;
    }
    for (const auto& [key, value] : parts_.store->List(kRegisterPrefix)) {
      Module* m = Find(absl::StripPrefix(key, kRegisterPrefix));
      if (m == nullptr || !m->registration.ParseFromString(value)) continue;
      std::vector<command::Declaration> declarations;
      for (const auto& c : m->registration.commands()) {
        declarations.push_back({c.signature(), c.description(), c.permissions(), c.poll()});
      }
      const absl::Status set = parts_.commands->SetCommands(
          {command::Provider::Kind::kModule, m->name}, std::move(declarations));
      if (!set.ok()) log::Get("module").warn("{}: {}", m->name, set.ToString());
    }
    if (records.empty()) {
      for (const std::string& name : initial_modules) {
        Module* m = Find(name);
        if (m == nullptr) {
          return absl::NotFoundError(absl::StrCat("initial module '", name,
                                                  "' is not installed in ",
                                                  absl::StrJoin(options_.module_path, ":")));
        }
        m->enabled = true;
        initial.changes.push_back({absl::StrCat(kEnabledPrefix, name), "true"});
      }
    }
    return absl::OkStatus();
  });
  // Without the lock: the store's thread may want it for another write.
  if (status.ok() && !initial.changes.empty()) {
    status = parts_.store->WriteAndWait(std::move(initial));
  }
  if (!status.ok()) return status;
  return Locked([&]() -> absl::Status {
    mu_.AssertHeld();
    for (const auto& [key, record] : parts_.store->List(kProcessPrefix)) {
      const std::string name(absl::StripPrefix(key, kProcessPrefix));
      Module& m = modules_[name];
      m.name = name;
      if (AdoptProcess(m, record)) {
        if (!m.enabled) BeginStop(m, "not enabled");
        continue;
      }
      parts_.store->Write({.conditions = {}, .changes = {{key, std::nullopt}}},
                          [](const absl::Status&) {});
      ForgetStranger(name);
    }
    for (auto& [name, m] : modules_) {
      if (!m.enabled || m.process != nullptr) continue;
      if (m.installed.has_value()) {
        StartProcess(m);
      } else if (m.registration.name().empty()) {
        SetState(m, v1::MODULE_STATE_FAILED,
                 absl::StrCat("not installed in ", absl::StrJoin(options_.module_path, ":")));
      }
    }
    started_ = true;
    ReportHealth();
    return absl::OkStatus();
  });
}

void Supervisor::Stop() {
  Locked([&] {
    mu_.AssertHeld();
    shutting_down_ = true;
    for (auto& [name, m] : modules_) {
      m.start_after_stop = false;
      if (m.state == v1::MODULE_STATE_DISABLED || m.state == v1::MODULE_STATE_FAILED) continue;
      if (!m.stopping) BeginStop(m, "the manager stops");
    }
  });
  absl::MutexLock lock(&mu_);
  const auto busy = [&] {
    return std::any_of(modules_.begin(), modules_.end(), [](const auto& entry) {
      return entry.second.process != nullptr || entry.second.session != nullptr;
    });
  };
  // BeginStop ends in SIGKILL or a closed stream, so that this comes to an end.
  const absl::Time deadline =
      absl::Now() + options_.drain_timeout + 2 * options_.shutdown_grace + absl::Seconds(5);
  while (busy()) {
    if (gone_.WaitWithDeadline(&mu_, deadline)) break;
  }
}

// ---------------------------------------------------------------- operators

void Supervisor::WriteEnabled(const std::string& name, bool enabled,
                              store::StateStore::WriteDone done) {
  parts_.store->Write(
      {.conditions = {},
       .changes = {{absl::StrCat(kEnabledPrefix, name), enabled ? "true" : "false"}}},
      std::move(done));
}

void Supervisor::Enable(const std::string& name, const std::string& by, absl::Duration wait,
                        ModuleInfoCallback callback) {
  absl::Status refusal = Locked([&]() -> absl::Status {
    mu_.AssertHeld();
    Module* m = Find(name);
    if (m == nullptr || m->state == v1::MODULE_STATE_DISABLED ||
        m->state == v1::MODULE_STATE_FAILED) {
      Rescan();  // it may have been installed, or mended, since
      m = Find(name);
    }
    if (m == nullptr || (!m->installed && !m->disabled_by_operator && m->session == nullptr)) {
      std::vector<std::string> known;
      for (const auto& [other, unused] : modules_) known.push_back(other);
      return absl::NotFoundError(absl::StrCat(Quoted(name), " is not installed in ",
                                              absl::StrJoin(options_.module_path, ":"),
                                              text::DidYouMean(text::Nearest(name, known, 3))));
    }
    if (m->installed && !m->installed->problem.empty()) {
      return absl::FailedPreconditionError(
          absl::StrCat(Quoted(name), " can't be started: ", m->installed->problem));
    }
    return absl::OkStatus();
  });
  if (!refusal.ok()) return callback(std::move(refusal));
  WriteEnabled(
      name, true,
      [this, name, by, wait, callback = std::move(callback)](absl::Status written) mutable {
        if (!written.ok()) return callback(std::move(written));
        Locked([&] {
          mu_.AssertHeld();
          Module& m = modules_[name];
          m.name = name;
          if (!std::exchange(m.enabled, true)) TellBy(name, v1::EVENT_KIND_ENABLED, by);
          m.disabled_by_operator = false;
          if (m.stopping) {
            m.start_after_stop = true;
          } else if (m.process == nullptr && m.session == nullptr && m.installed &&
                     m.state != v1::MODULE_STATE_BACKOFF) {
            m.failures = 0;
            m.restarts = 0;
            StartProcess(m);
          }
          Wait(m, /*for_stop=*/false, wait, std::move(callback));
        });
      });
}

void Supervisor::Disable(const std::string& name, const std::string& by,
                         ModuleInfoCallback callback) {
  const bool known = Locked([&] {
    mu_.AssertHeld();
    return Find(name) != nullptr;
  });
  if (!known) return callback(absl::NotFoundError(absl::StrCat(Quoted(name), " is not known")));
  WriteEnabled(name, false,
               [this, name, by, callback = std::move(callback)](absl::Status written) mutable {
                 if (!written.ok()) return callback(std::move(written));
                 Locked([&] {
                   mu_.AssertHeld();
                   Module& m = modules_[name];
                   m.name = name;
                   if (std::exchange(m.enabled, false)) TellBy(name, v1::EVENT_KIND_DISABLED, by);
                   m.disabled_by_operator = true;
                   m.start_after_stop = false;
                   if (!m.stopping && m.state != v1::MODULE_STATE_DISABLED)
                     BeginStop(m, "disabled");
                   Wait(m, /*for_stop=*/true, absl::InfiniteDuration(), std::move(callback));
                 });
               });
}

void Supervisor::Restart(const std::string& name, const std::string& by, absl::Duration wait,
                         ModuleInfoCallback callback) {
  absl::Status refusal = Locked([&]() -> absl::Status {
    mu_.AssertHeld();
    Module* m = Find(name);
    if (m == nullptr || (!m->enabled && m->session == nullptr)) {
      return absl::FailedPreconditionError(absl::StrCat(
          Quoted(name), " is not enabled; `outpost module enable ", name, "` enables it"));
    }
    if (!m->enabled || (m->session != nullptr && m->process == nullptr)) {
      return absl::FailedPreconditionError(absl::StrCat(
          Quoted(name), " was not started by this manager; start it again where it was started"));
    }
    Rescan();
    m = Find(name);
    TellBy(name, v1::EVENT_KIND_RESTART, by);
    m->failures = 0;
    m->start_after_stop = true;
    if (!m->stopping) BeginStop(*m, "restart");
    Wait(*m, /*for_stop=*/false, wait, std::move(callback));
    return absl::OkStatus();
  });
  if (!refusal.ok()) callback(std::move(refusal));
}

void Supervisor::Wait(Module& m, bool for_stop, absl::Duration wait, ModuleInfoCallback callback) {
  const uint64_t id = next_waiter_++;
  Waiter& waiter = m.waiters[id];
  waiter.for_stop = for_stop;
  waiter.callback = std::move(callback);
  waiter.timer = parts_.timers->After(wait, [this, name = m.name, id] {
    Locked([&] {
      mu_.AssertHeld();
      Module* late = Find(name);
      if (late == nullptr) return;
      auto it = late->waiters.find(id);
      if (it == late->waiters.end()) return;
      deferred_.push_back([callback = std::move(it->second.callback),
                           info = Info(*late)]() mutable { callback(std::move(info)); });
      late->waiters.erase(it);
    });
  });
  Settle(m);
}

// Tells those who wait what they wait for, once it is so.
void Supervisor::Settle(Module& m) {
  const bool ended = m.session == nullptr && m.process == nullptr && !m.stopping;
  const bool settled = !m.stopping && m.state != v1::MODULE_STATE_STARTING &&
                       m.state != v1::MODULE_STATE_CONFIGURING &&
                       m.state != v1::MODULE_STATE_STOPPING;  // has failed, is being ended
  for (auto it = m.waiters.begin(); it != m.waiters.end();) {
    if (it->second.for_stop ? !ended : !settled) {
      ++it;
      continue;
    }
    parts_.timers->Cancel(it->second.timer);
    deferred_.push_back([callback = std::move(it->second.callback), info = Info(m)]() mutable {
      callback(std::move(info));
    });
    it = m.waiters.erase(it);
  }
}

// ---------------------------------------------------------------- lifecycle

void Supervisor::SetState(Module& m, v1::ModuleState state, std::string reason) {
  if (m.state == state && m.reason == reason) return;
  m.state = state;
  m.reason = std::move(reason);
  log::Get("module").info("{} is {}{}{}", m.name, StateName(state), m.reason.empty() ? "" : ": ",
                          m.reason);
  if (state == v1::MODULE_STATE_FAILED) Tell(m, v1::EVENT_KIND_FAILED, m.reason);
  if (state == v1::MODULE_STATE_CANNOT_RUN) Tell(m, v1::EVENT_KIND_CANNOT_RUN, m.reason);
  if (state == v1::MODULE_STATE_RUNNING) m.running_since = absl::Now();
  // Commands that were held for a module that will not come after all.
  if (!ComesSoon(m) && state != v1::MODULE_STATE_RUNNING) {
    for (auto& [id, held] : m.held) {
      parts_.timers->Cancel(held.timer);
      deferred_.push_back([callback = std::move(held.callback), why = WhyNotRunning(m)]() mutable {
        callback(why);
      });
    }
    m.held.clear();
  }
  Settle(m);
  ReportHealth();
}

void Supervisor::CancelTimer(Module& m) {
  parts_.timers->Cancel(m.timer);
  m.timer = 0;  // one that runs already, and waits for the lock, must not act
}

void Supervisor::SetTimer(Module& m, absl::Duration delay, std::function<void(Module&)> f) {
  CancelTimer(m);
  const uint64_t run = m.run;
  // A timer that was about to run when it was replaced must not act: it finds
  // that it is not the module's timer any more.
  auto id = std::make_shared<event::TimerQueue::TimerId>(0);
  m.timer = parts_.timers->After(delay, [this, name = m.name, run, id, f = std::move(f)] {
    Locked([&] {
      mu_.AssertHeld();
      Module* later = Find(name);
      if (later == nullptr || later->run != run || later->timer != *id) return;
      later->timer = 0;
      f(*later);
      ForgetStranger(name);
    });
  });
  *id = m.timer;
}

ProcessCallbacks Supervisor::CallbacksFor(const Module& m) {
  ProcessCallbacks callbacks;
  callbacks.on_output = [this, name = m.name](absl::string_view line) {
    // It is shown in proto3 strings, which must be UTF-8.
    std::string text = internal::ToUtf8(line);
    bool keep = false;
    Locked([&] {
      mu_.AssertHeld();
      Module* writer = Find(name);
      if (writer == nullptr) return;
      writer->output.push_back(text);
      if (writer->output.size() > kOutputTail) writer->output.pop_front();
      keep = MayLogOutput(*writer);
    });
    if (!keep) return;
    v1::LogRecord record;
    record.set_logger("output");
    record.set_message(std::move(text));
    log::Write(name, std::move(record));
  };
  callbacks.on_exit = [this, name = m.name, run = m.run](const ExitStatus& status) {
    Locked([&] {
      mu_.AssertHeld();
      Module* ended = Find(name);
      if (ended != nullptr && ended->run == run) ProcessEnded(*ended, status);
    });
  };
  return callbacks;
}

bool Supervisor::MayLogOutput(Module& m) {
  if (!m.output_limit) m.output_limit.emplace(options_.output_burst, options_.output_rate);
  if (m.output_limit->Take(absl::Now())) return true;
  if (!std::exchange(m.left_out_is_told, true)) {
    parts_.timers->After(kTellLeftOutAfter, [this, name = m.name] { TellLeftOut(name); });
  }
  return false;
}

void Supervisor::TellLeftOut(const std::string& name) {
  uint64_t left_out = 0;
  Locked([&] {
    mu_.AssertHeld();
    Module* m = Find(name);
    if (m == nullptr) return;
    m->left_out_is_told = false;
    left_out = m->output_limit->TakeRefused();
  });
  if (left_out == 0) return;
  log::Get("module").warn("{}: {} lines of its output were left out: it writes over {} a second",
                          name, left_out, options_.output_rate);
}

void Supervisor::StartProcess(Module& m) {
  if (shutting_down_) return;
  ++m.run;
  m.failure.clear();
  m.traceback.clear();
  m.refused.clear();
  m.output.clear();
  const std::string token = NewSecret();
  m.token_hash = Fingerprint(token);
  if (!m.installed || !m.installed->problem.empty()) {
    SetState(m, v1::MODULE_STATE_FAILED,
             m.installed ? m.installed->problem
                         : absl::StrCat("is no longer installed in ",
                                        absl::StrJoin(options_.module_path, ":")));
    return;
  }
  ProcessSpec spec;
  spec.argv = m.installed->argv;
  spec.environment = m.installed->environment;
  spec.environment.insert(options_.environment.begin(), options_.environment.end());
  spec.environment["OUTPOST_ADDRESS"] = options_.address;
  spec.environment["OUTPOST_MODULE"] = m.name;
  spec.directory = m.installed->directory;
  spec.output_fifo = absl::StrCat(options_.run_directory, "/", m.name, ".out");
  spec.token = token;
  absl::StatusOr<std::shared_ptr<Process>> process = parts_.processes->Spawn(spec, CallbacksFor(m));
  if (!process.ok()) {
    m.last_crash = absl::Now();
    Tell(m, v1::EVENT_KIND_SPAWN_FAILED, process.status().message());
    StartLater(m, std::string(process.status().message()));
    return;
  }
  m.process = *std::move(process);
  const nlohmann::json record = {{"pid", m.process->pid()},
                                 {"start_ticks", m.process->start_ticks()},
                                 {"boot_id", BootId()},
                                 {"token_sha256", m.token_hash}};
  parts_.store->Write(
      {.conditions = {}, .changes = {{absl::StrCat(kProcessPrefix, m.name), record.dump()}}},
      [name = m.name](const absl::Status& status) {
        // Without the record, a manager after this one starts a second process;
        // the first then finds its name taken and ends.
        if (!status.ok()) log::Get("module").error("{}: {}", name, status.ToString());
      });
  SetTimer(m, options_.ready_timeout, [this](Module& late) {
    FailAndRestart(
        late, absl::StrCat("did not get ready in ", absl::FormatDuration(options_.ready_timeout),
                           late.refused.empty() ? "" : "; it was refused: ", late.refused));
  });
  Tell(m, v1::EVENT_KIND_SPAWNED);
  SetState(m, v1::MODULE_STATE_STARTING, "");
}

bool Supervisor::AdoptProcess(Module& m, const std::string& record) {
  const auto json = nlohmann::json::parse(record, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return false;
  const auto pid = json.find("pid");
  const auto ticks = json.find("start_ticks");
  const auto boot = json.find("boot_id");
  const auto token = json.find("token_sha256");
  if (pid == json.end() || !pid->is_number_integer() || ticks == json.end() ||
      !ticks->is_number_integer() || token == json.end() || !token->is_string() ||
      boot == json.end() || *boot != BootId()) {
    return false;
  }
  ++m.run;
  absl::StatusOr<std::shared_ptr<Process>> process = parts_.processes->Adopt(
      pid->get<pid_t>(), ticks->get<uint64_t>(),
      absl::StrCat(options_.run_directory, "/", m.name, ".out"), CallbacksFor(m));
  if (!process.ok()) return false;
  m.process = *std::move(process);
  m.token_hash = token->get<std::string>();
  SetTimer(m, options_.ready_timeout, [this](Module& late) {
    FailAndRestart(late, "outlived the last manager, but did not attach to this one");
  });
  Tell(m, v1::EVENT_KIND_ADOPTED);
  SetState(m, v1::MODULE_STATE_STARTING,
           "has outlived the last manager; is expected to attach again");
  return true;
}

void Supervisor::ProcessEnded(Module& m, const ExitStatus& status) {
  TellOfExit(m, *m.process, status);
  m.process = nullptr;
  ForgetReports(m);  // what it has raised, nobody takes back
  m.last_exit = status.ToString();
  CancelTimer(m);
  parts_.store->Write(
      {.conditions = {}, .changes = {{absl::StrCat(kProcessPrefix, m.name), std::nullopt}}},
      [](const absl::Status&) {});
  std::string how = m.failure;
  if (how.empty()) {
    how = absl::StrCat("ended with ", m.last_exit);
    if (!m.refused.empty()) {
      absl::StrAppend(&how, " after it was refused: ", m.refused);
    } else if (!m.output.empty() && !m.output.back().empty()) {
      absl::StrAppend(&how, ": ", internal::ToUtf8(m.output.back().substr(0, kReasonLine)));
    }
  }
  if (m.session != nullptr) LoseSession(m, absl::StrCat("ended (", m.last_exit, ")"));
  if (m.stopping) return Stopped(m);
  m.last_crash = absl::Now();
  if (status.kind == ExitStatus::Kind::kExited && status.number == EX_CONFIG) {
    SetState(m, v1::MODULE_STATE_FAILED,
             absl::StrCat(how, "; mend it, then `outpost module restart ", m.name, "`"));
    return;
  }
  StartLater(m, std::move(how));
}

void Supervisor::StartLater(Module& m, std::string reason) {
  if (absl::Now() - m.running_since > options_.stable_after) m.failures = 0;
  m.running_since = absl::InfiniteFuture();
  const int doublings = std::min(m.failures++, 20);
  const absl::Duration delay =
      std::min(options_.max_backoff, options_.first_backoff * (int64_t{1} << doublings)) *
      absl::Uniform(random_, 0.8, 1.2);
  m.next_start = absl::Now() + delay;
  SetTimer(m, delay, [this](Module& later) {
    ++later.restarts;
    StartProcess(later);
  });
  Event event = EventOf(m, v1::EVENT_KIND_BACKOFF, reason);
  event.set_state(v1::MODULE_STATE_BACKOFF);
  *event.mutable_next_start() = event::ToProto(m.next_start);
  parts_.events->Add(std::move(event));
  SetState(m, v1::MODULE_STATE_BACKOFF, std::move(reason));
}

// Ends what does not work, and starts it again when it is gone.
void Supervisor::FailAndRestart(Module& m, std::string failure, v1::EventKind kind,
                                std::string traceback) {
  log::Get("module").warn("{} {}", m.name, failure);
  Event event = EventOf(m, kind, failure);
  event.set_traceback(traceback);
  event.set_crashed(m.process == nullptr);  // else the end of its process will be told
  parts_.events->Add(std::move(event));
  m.failure = std::move(failure);
  m.traceback = std::move(traceback);
  m.last_crash = absl::Now();
  if (m.process == nullptr) {
    // Not ours to end: take its session away.
    if (m.session != nullptr) {
      m.session->Close(absl::UnavailableError(m.failure), "");
      LoseSession(m, m.failure);
      Stopped(m);
    }
    return;
  }
  Unroute(m);
  m.process->Signal(SIGTERM);
  SetTimer(m, options_.shutdown_grace, [](Module& late) {
    if (late.process != nullptr) late.process->KillGroup();
  });
  SetState(m, v1::MODULE_STATE_STOPPING, m.failure);
}

void Supervisor::BeginStop(Module& m, std::string reason) {
  CancelTimer(m);
  Tell(m, v1::EVENT_KIND_STOPPING, reason);
  m.stopping = true;
  m.stop_reason = reason;
  if (m.session != nullptr && m.state == v1::MODULE_STATE_RUNNING) {
    Unroute(m);
    v1::AttachResponse message;
    *message.mutable_drain()->mutable_timeout() = event::ToProto(options_.drain_timeout);
    m.session->Send(std::move(message));
    SetTimer(m, options_.drain_timeout, [this](Module& late) { AskToEnd(late); });
    SetState(m, v1::MODULE_STATE_DRAINING, std::move(reason));
    return;
  }
  AskToEnd(m);
}

void Supervisor::AskToEnd(Module& m) {
  if (m.session == nullptr && m.process == nullptr) return Stopped(m);
  Unroute(m);
  if (m.session != nullptr) {
    v1::AttachResponse message;
    message.mutable_shutdown()->set_reason(m.stop_reason);
    *message.mutable_shutdown()->mutable_grace() = event::ToProto(options_.shutdown_grace);
    m.session->Send(std::move(message));
  } else {
    m.process->Signal(SIGTERM);
  }
  SetTimer(m, options_.shutdown_grace, [this](Module& late) {
    if (late.process == nullptr) {
      late.session->Close(absl::CancelledError("the grace is over"), "");
      LoseSession(late, "did not end when asked to");
      return Stopped(late);
    }
    log::Get("module").warn("{} did not end when asked to: SIGTERM", late.name);
    late.process->Signal(SIGTERM);
    SetTimer(late, options_.shutdown_grace, [](Module& later) {
      log::Get("module").warn("{} did not end after SIGTERM: SIGKILL", later.name);
      if (later.process != nullptr) later.process->KillGroup();
    });
  });
  SetState(m, v1::MODULE_STATE_STOPPING, m.stop_reason);
}

void Supervisor::Stopped(Module& m) {
  CancelTimer(m);
  m.stopping = false;
  m.failure.clear();
  ForgetReports(m);
  gone_.SignalAll();
  if (m.start_after_stop && m.enabled && !shutting_down_) {
    m.start_after_stop = false;
    ++m.restarts;
    StartProcess(m);
    return;
  }
  m.failures = 0;
  m.last_crash = absl::InfinitePast();
  SetState(m, v1::MODULE_STATE_DISABLED, shutting_down_ ? "the manager stops" : "");
}

// Of a module that was started by hand nothing stays when it has gone, unless an
// operator has said something about it, or somebody waits.
void Supervisor::ForgetStranger(const std::string& name) {
  const Module* m = Find(name);
  if (m == nullptr || m->installed || m->enabled || m->disabled_by_operator ||
      m->session != nullptr || m->process != nullptr || !m->waiters.empty() || !m->held.empty()) {
    return;
  }
  parts_.commands->RemoveCommands({command::Provider::Kind::kModule, name});
  modules_.erase(name);
}

}  // namespace outpost::module
