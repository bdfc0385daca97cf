// Supervisor: processes, from their start to their end, and what follows from that.
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "outpost/internal/utf8.h"
#include "server/event/proto_time.h"
#include "server/log/log.h"
#include "server/module/secret.h"
#include "server/module/supervisor.h"

namespace outpost::module {
namespace {

constexpr size_t kOutputTail = 20;   // lines kept of each module
constexpr size_t kReasonLine = 300;  // bytes of its last line that a reason has
constexpr absl::Duration kTellLeftOutAfter = absl::Seconds(1);

// By a clock that does not step.
absl::Duration Monotonic() {
  return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace

void Supervisor::SetState(Module& m, v1::ModuleState state, std::string reason) {
  if (m.state == state && m.reason == reason) return;
  m.state = state;
  m.reason = std::move(reason);
  log::Get("module").info("{} is {}{}{}", m.name, StateName(state), m.reason.empty() ? "" : ": ",
                          m.reason);
  if (state == v1::MODULE_STATE_FAILED) Tell(m, v1::EVENT_KIND_FAILED, m.reason);
  if (state == v1::MODULE_STATE_CANNOT_RUN) Tell(m, v1::EVENT_KIND_CANNOT_RUN, m.reason);
  if (state == v1::MODULE_STATE_RUNNING) {
    m.running_since = std::min(m.running_since, Monotonic());
  }
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

ProcessCallbacks Supervisor::CallbacksFor(const std::string& name, uint64_t run) {
  ProcessCallbacks callbacks;
  callbacks.on_output = [this, name, run](absl::string_view line) {
    // It is shown in proto3 strings, which must be UTF-8.
    std::string text = internal::ToUtf8(line);
    bool keep = false;
    Locked([&] {
      mu_.AssertHeld();
      Module* writer = Find(name);
      if (writer == nullptr) return;
      const bool next = writer->successor != nullptr && writer->successor->run == run;
      std::deque<std::string>& output = next ? writer->successor->output : writer->output;
      output.push_back(text);
      if (output.size() > kOutputTail) output.pop_front();
      keep = MayLogOutput(*writer);
    });
    if (!keep) return;
    v1::LogRecord record;
    record.set_logger("output");
    record.set_message(std::move(text));
    log::Write(name, std::move(record));
  };
  callbacks.on_exit = [this, name, run](const ExitStatus& status) {
    Locked([&] {
      mu_.AssertHeld();
      Module* ended = Find(name);
      if (ended == nullptr || EndedBesides(*ended, run, status)) return;
      if (ended->run == run) ProcessEnded(*ended, status);
    });
  };
  return callbacks;
}

ProcessSpec Supervisor::SpecFor(const std::string& name, const InstalledModule& installed,
                                const ProcessPolicy& policy, const std::string& fifo,
                                const std::string& token) const {
  ProcessSpec spec;
  spec.argv = installed.argv;
  spec.environment = installed.environment;
  spec.environment.insert(options_.environment.begin(), options_.environment.end());
  spec.environment["OUTPOST_ADDRESS"] = options_.address;
  spec.environment["OUTPOST_MODULE"] = name;
  spec.directory = installed.directory;
  spec.output_fifo = fifo;
  spec.token = token;
  spec.name = name;
  spec.limits = policy.limits;
  spec.sandbox = policy.sandbox;
  spec.kept = {options_.run_directory, installed.directory};
  if (!options_.python.sdk_directory.empty()) spec.kept.push_back(options_.python.sdk_directory);
  return spec;
}

std::string Supervisor::OtherFifo(const Module& m) const {
  const std::string usual = absl::StrCat(options_.run_directory, "/", m.name, ".out");
  return m.output_fifo == usual ? absl::StrCat(options_.run_directory, "/", m.name, ".2.out")
                                : usual;
}

std::string Supervisor::RecordOf(const Process& process, const std::string& token_hash,
                                 const std::string& fifo) {
  return nlohmann::json{{"pid", process.pid()},
                        {"start_ticks", process.start_ticks()},
                        {"boot_id", BootId()},
                        {"group", process.launch().group},
                        {"isolation", ToText(process.launch().isolation)},
                        {"output", fifo},
                        {"token_sha256", token_hash}}
      .dump();
}

std::optional<Supervisor::Record> Supervisor::ParseRecord(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  const auto string = [&json](const char* key) -> std::string {
    const auto it = json.find(key);
    return it != json.end() && it->is_string() ? it->get<std::string>() : "";
  };
  const auto pid = json.find("pid");
  const auto ticks = json.find("start_ticks");
  if (pid == json.end() || !pid->is_number_integer() || ticks == json.end() ||
      !ticks->is_number_integer() || string("token_sha256").empty() ||
      string("boot_id") != BootId()) {
    return std::nullopt;
  }
  return Record{
      .pid = pid->get<pid_t>(),
      .start_ticks = ticks->get<uint64_t>(),
      .token_hash = string("token_sha256"),
      .output_fifo = string("output"),
      .launch = {.group = string("group"), .isolation = ParseMeasures(string("isolation"))}};
}

void Supervisor::WriteRecord(const std::string& key, std::string record) {
  // Without the record, a manager after this one starts a second process; the first then
  // finds that its token is not known, and ends.
  parts_.store->Write({.conditions = {}, .changes = {{key, std::move(record)}}},
                      [key](const absl::Status& status) {
                        if (!status.ok())
                          log::Get("module").error("{}: {}", key, status.ToString());
                      });
}

void Supervisor::DeleteRecord(const std::string& key) {
  parts_.store->Write({.conditions = {}, .changes = {{key, std::nullopt}}},
                      [](const absl::Status&) {});
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
  m.run = ++next_run_;
  m.failure.clear();
  m.traceback.clear();
  m.refused.clear();
  m.output.clear();
  m.unanswered.clear();
  m.awaits_option = false;
  const std::string token = NewSecret();
  m.token_hash = Fingerprint(token);
  if (!m.installed || !m.installed->problem.empty()) {
    SetState(m, v1::MODULE_STATE_FAILED,
             m.installed ? m.installed->problem
                         : absl::StrCat("is no longer installed in ",
                                        absl::StrJoin(options_.module_path, ":")));
    return;
  }
  m.output_fifo = absl::StrCat(options_.run_directory, "/", m.name, ".out");
  absl::StatusOr<std::shared_ptr<Process>> process = parts_.processes->Spawn(
      SpecFor(m.name, *m.installed, m.policy, m.output_fifo, token), CallbacksFor(m.name, m.run));
  if (!process.ok()) {
    m.last_crash = absl::Now();
    Tell(m, v1::EVENT_KIND_SPAWN_FAILED, process.status().message());
    if (m.policy.restart == RestartPolicy::kNever) {
      return SetState(m, v1::MODULE_STATE_FAILED, std::string(process.status().message()));
    }
    StartLater(m, std::string(process.status().message()));
    return;
  }
  m.process = *std::move(process);
  WriteRecord(absl::StrCat(kProcessPrefix, m.name),
              RecordOf(*m.process, m.token_hash, m.output_fifo));
  SetTimer(m, m.policy.ready_timeout, [this](Module& late) {
    FailAndRestart(
        late, absl::StrCat("did not get ready in ", absl::FormatDuration(late.policy.ready_timeout),
                           late.refused.empty() ? "" : "; it was refused: ", late.refused));
  });
  Tell(m, v1::EVENT_KIND_SPAWNED);
  SetState(m, v1::MODULE_STATE_STARTING, "");
}

bool Supervisor::AdoptProcess(Module& m, const std::string& record) {
  const std::optional<Record> known = ParseRecord(record);
  if (!known) return false;
  m.run = ++next_run_;
  absl::StatusOr<std::shared_ptr<Process>> process =
      parts_.processes->Adopt(known->pid, known->start_ticks, known->output_fifo, known->launch,
                              CallbacksFor(m.name, m.run));
  if (!process.ok()) {
    parts_.processes->EndGroup(known->launch.group);  // what it has left behind
    return false;
  }
  m.process = *std::move(process);
  m.token_hash = known->token_hash;
  m.output_fifo = known->output_fifo;
  SetTimer(m, m.policy.ready_timeout, [this](Module& late) {
    FailAndRestart(late, "outlived the last manager, but did not attach to this one");
  });
  Tell(m, v1::EVENT_KIND_ADOPTED);
  SetState(m, v1::MODULE_STATE_STARTING,
           "has outlived the last manager; is expected to attach again");
  return true;
}

void Supervisor::ProcessEnded(Module& m, const ExitStatus& status) {
  v1::ProcessExit& last = m.last_process;
  last.Clear();
  *last.mutable_time() = event::ToProto(absl::Now());
  last.set_pid(m.process->pid());
  if (status.kind == ExitStatus::Kind::kExited) last.set_exit_status(status.number);
  if (status.kind == ExitStatus::Kind::kSignalled) last.set_signal(status.number);
  last.set_core_dumped(status.core_dumped);
  last.set_out_of_memory(status.out_of_memory);
  last.set_reason(!m.failure.empty() ? m.failure : m.stopping ? m.stop_reason : "");
  for (const std::string& line : m.output) last.add_output(line);
  m.last_exit = status.ToString();
  TellOfExit(m);
  m.process = nullptr;
  EndUpgrade(m, "was ended, as the old one has");
  ForgetReports(m);  // what it has raised, nobody takes back
  CancelTimer(m);
  DeleteRecord(absl::StrCat(kProcessPrefix, m.name));
  if (m.session != nullptr) LoseSession(m, absl::StrCat("ended (", m.last_exit, ")"));
  if (m.stopping) return Stopped(m);
  std::string how = m.failure;
  if (how.empty()) {
    how = absl::StrCat("ended with ", m.last_exit);
    // Was it one of these that killed it?
    if (!m.unanswered.empty()) {
      absl::StrAppend(&how, " while it ran ", absl::StrJoin(m.unanswered, ", "));
    }
    if (!m.refused.empty()) {
      absl::StrAppend(&how, " after it was refused: ", m.refused);
    } else if (!m.output.empty() && !m.output.back().empty()) {
      absl::StrAppend(&how, ": ", internal::ToUtf8(m.output.back().substr(0, kReasonLine)));
    }
  }
  if (StaysEnded(m, status, how)) return;
  m.last_crash = absl::Now();
  StartLater(m, std::move(how));
}

bool Supervisor::StaysEnded(Module& m, const ExitStatus& status, const std::string& how) {
  const bool exited = status.kind == ExitStatus::Kind::kExited;
  if (exited && status.number == kExitNotConfigured && m.failure.empty()) {
    m.awaits_option = true;
    any_awaits_option_ = true;
    SetState(m, v1::MODULE_STATE_CANNOT_RUN,
             absl::StrCat("is not configured (", how,
                          "); it is started again when one of its options changes"));
    return true;
  }
  if (exited && status.number == kExitDoNotRestart) {
    m.last_crash = absl::Now();
    SetState(m, v1::MODULE_STATE_FAILED,
             absl::StrCat(how, "; mend it, then `outpost module restart ", m.name, "`"));
    return true;
  }
  if (m.policy.restart == RestartPolicy::kAlways) return false;
  const absl::string_view policy = RestartPolicyName(m.policy.restart);
  if (exited && status.number == 0 && m.failure.empty()) {
    SetState(m, v1::MODULE_STATE_ENDED,
             absl::StrCat("ended with ", m.last_exit, "; its restart policy is ", policy));
    return true;
  }
  if (m.policy.restart != RestartPolicy::kNever) return false;
  m.last_crash = absl::Now();
  SetState(m, v1::MODULE_STATE_FAILED,
           absl::StrCat(how, "; its restart policy is never: `outpost module restart ", m.name,
                        "` starts it"));
  return true;
}

void Supervisor::StartIfConfigured(const std::string& name) {
  Locked([&] {
    mu_.AssertHeld();
    Module* m = Find(name);
    if (m == nullptr || !m->awaits_option || !m->enabled || m->process != nullptr) return;
    ++m->restarts;
    StartProcess(*m);
  });
}

void Supervisor::StartLater(Module& m, std::string reason) {
  const ProcessPolicy& policy = m.policy;
  const absl::Duration now = Monotonic();
  const absl::Duration ran = now - m.running_since;  // negative: it did not get that far
  m.running_since = absl::InfiniteDuration();
  if (ran > policy.stable_after) m.failures = 0;
  if (ran > policy.start_limit_interval) m.slow = false;
  m.failure_times.push_back(now);
  while (now - m.failure_times.front() > policy.start_limit_interval) m.failure_times.pop_front();
  if (policy.start_limit > 0 && m.failure_times.size() >= policy.start_limit) {
    m.slow = true;
    while (m.failure_times.size() > policy.start_limit) m.failure_times.pop_front();
  }
  const int doublings = std::min(m.failures++, 20);
  absl::Duration delay =
      std::min(policy.max_backoff, policy.first_backoff * (int64_t{1} << doublings));
  if (m.slow) {
    delay = std::max(delay, policy.start_limit_backoff);
    absl::StrAppend(&reason, " (it fails too often: its starts are slow now)");
  }
  delay *= absl::Uniform(random_, 0.8, 1.2);
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
void Supervisor::FailAndRestart(Module& m, Failure failure) {
  log::Get("module").warn("{} {}", m.name, failure.why);
  Event event = EventOf(m, failure.kind, failure.why);
  event.set_traceback(failure.traceback);
  event.set_crashed(m.process == nullptr);  // else the end of its process will be told
  parts_.events->Add(std::move(event));
  m.failure = std::move(failure.why);
  m.traceback = std::move(failure.traceback);
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
  EndUpgrade(m, "was ended: the old one has failed");
  Unroute(m);
  m.process->Signal(failure.signal);
  SetTimer(m, m.policy.shutdown_grace, [](Module& late) {
    if (late.process != nullptr) late.process->KillGroup();
  });
  SetState(m, v1::MODULE_STATE_STOPPING, m.failure);
}

void Supervisor::BeginStop(Module& m, std::string reason) {
  CancelTimer(m);
  Tell(m, v1::EVENT_KIND_STOPPING, reason);
  EndUpgrade(m, "was ended, as the module is to end");
  m.stopping = true;
  m.stop_reason = reason;
  if (m.session != nullptr && m.state == v1::MODULE_STATE_RUNNING) {
    Unroute(m);
    v1::AttachResponse message;
    *message.mutable_drain()->mutable_timeout() = event::ToProto(m.policy.drain_timeout);
    m.session->Send(std::move(message));
    SetTimer(m, m.policy.drain_timeout, [this](Module& late) { AskToEnd(late); });
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
    *message.mutable_shutdown()->mutable_grace() = event::ToProto(m.policy.shutdown_grace);
    m.session->Send(std::move(message));
  } else {
    m.process->Signal(SIGTERM);
  }
  SetTimer(m, m.policy.shutdown_grace, [this](Module& late) {
    if (late.process == nullptr) {
      late.session->Close(absl::CancelledError("the grace is over"), "");
      LoseSession(late, "did not end when asked to");
      return Stopped(late);
    }
    log::Get("module").warn("{} did not end when asked to: SIGTERM", late.name);
    late.process->Signal(SIGTERM);
    SetTimer(late, late.policy.shutdown_grace, [](Module& later) {
      log::Get("module").warn("{} did not end after SIGTERM: SIGKILL", later.name);
      if (later.process != nullptr) later.process->KillGroup();
    });
  });
  SetState(m, v1::MODULE_STATE_STOPPING, m.stop_reason);
}

void Supervisor::Stopped(Module& m) {
  CancelTimer(m);
  m.stopping = false;
  m.awaits_option = false;
  m.running_since = absl::InfiniteDuration();
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
  m.failure_times.clear();
  m.slow = false;
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
