// Supervisor: how processes come to an end, and what follows from that.
#include <signal.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "outpost/internal/utf8.h"
#include "server/event/moment.h"
#include "server/event/proto_time.h"
#include "server/log/log.h"
#include "server/module/supervisor.h"

namespace outpost::module {
namespace {

constexpr size_t kMaxGoneStrangers = 100;  // whose options are kept
constexpr size_t kReasonLine = 300;        // bytes of what it wrote last that a reason has

// What tells best of all that a process wrote why it has ended: its last line; of a report of
// Python's faulthandler, which ends with a list of libraries, where the thread was.
template <typename Lines>
std::string TellingLine(const Lines& output) {
  for (size_t i = 0; i + 1 < output.size(); ++i) {
    if (output[i] == "Stack (most recent call first):" ||
        absl::StartsWith(output[i], "Current thread 0x")) {
      return std::string(absl::StripAsciiWhitespace(output[i + 1]));
    }
  }
  return output.empty() ? "" : output.back();
}

}  // namespace

// There was no process, or it ended before it was the module's.
void Supervisor::NotExecuted(Module& m, const absl::Status& status) {
  m.last_crash = event::Moment::Now();
  Tell(m, v1::EVENT_KIND_SPAWN_FAILED, status.message());
  if (m.policy.restart == RestartPolicy::kNever) {
    DropRecord(m);
    return SetState(m, v1::MODULE_STATE_FAILED, std::string(status.message()));
  }
  StartLater(m, std::string(status.message()));
}

void Supervisor::ProcessEnded(Module& m, const ExitStatus& status) {
  if (!status.launch.ok() && m.failure.empty() && !m.stopping) {
    m.process = nullptr;
    CancelTimer(m);
    return NotExecuted(m, status.launch);
  }
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
    } else if (const std::string line = TellingLine(m.output); !line.empty()) {
      absl::StrAppend(&how, ": ", internal::ToUtf8(line.substr(0, kReasonLine)));
    }
  }
  // The next process's record takes the place of this one's.
  if (StaysEnded(m, status, how)) return DropRecord(m);
  m.last_crash = event::Moment::Now();
  StartLater(m, std::move(how));
}

bool Supervisor::StaysEnded(Module& m, const ExitStatus& status, const std::string& how) {
  const bool exited = status.kind == ExitStatus::Kind::kExited;
  if (exited && status.number == kExitNotConfigured && m.failure.empty()) {
    // Before it looks: who changes an option from here on sees that somebody waits for it.
    any_awaits_option_ = true;
    if (OptionChanges(m.name) != m.options_seen) {
      StartLater(m, absl::StrCat(how, "; its options have changed since it was told them"));
      return true;
    }
    m.awaits_option = true;
    SetState(m, v1::MODULE_STATE_CANNOT_RUN,
             absl::StrCat("is not configured (", how,
                          "); it is started again when one of its options changes"));
    return true;
  }
  if (exited && status.number == kExitDoNotRestart) {
    m.last_crash = event::Moment::Now();
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
  m.last_crash = event::Moment::Now();
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

uint64_t Supervisor::OptionChanges(const std::string& name) const {
  absl::MutexLock lock(&configured_mu_);
  const auto changes = option_changes_.find(name);
  return changes == option_changes_.end() ? 0 : changes->second;
}

void Supervisor::StartLater(Module& m, std::string reason) {
  const ProcessPolicy& policy = m.policy;
  const absl::Duration now = event::Moment::Now().steady;
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
  m.next_start = event::Moment::Now() + delay;
  m.failing = reason;
  SetTimer(m, delay, [this](Module& later) {
    mu_.AssertHeld();
    ++later.restarts;
    StartProcess(later);
  });
  Event event = EventOf(m, v1::EVENT_KIND_BACKOFF, reason);
  event.set_state(v1::MODULE_STATE_BACKOFF);
  *event.mutable_next_start() = event::ToProto(m.next_start.wall);
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
  m.last_crash = event::Moment::Now();
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
    SetTimer(m, m.policy.drain_timeout, [this](Module& late) {
      mu_.AssertHeld();
      AskToEnd(late);
    });
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
    mu_.AssertHeld();
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
  m.failing.clear();
  ForgetReports(m);
  gone_.SignalAll();
  if (m.start_after_stop && m.enabled && !shutting_down_) {
    m.start_after_stop = false;
    ++m.restarts;
    StartProcess(m);
    return;
  }
  DropRecord(m);
  m.failures = 0;
  m.failure_times.clear();
  m.slow = false;
  m.last_crash.reset();
  SetState(m, v1::MODULE_STATE_DISABLED, shutting_down_ ? "the manager stops" : "");
}

// Of a module that was started by hand nothing stays when it has gone, unless an
// operator has said something about it, or somebody waits.
void Supervisor::ForgetStranger(const std::string& name) {
  const Module* m = Find(name);
  if (m == nullptr || !IsStranger(m) || m->session != nullptr || m->process != nullptr ||
      !m->waiters.empty() || !m->held.empty()) {
    return;
  }
  parts_.commands->RemoveCommands({command::Provider::Kind::kModule, name});
  // What it has declared counts again when it comes to the next manager.
  const bool has_options = !shutting_down_ && parts_.config->ForgetStranger(name);
  const bool in_health = m->in_health;
  modules_.erase(name);
  if (in_health) ReportHealth();
  if (has_options) BoundOptionsOfStrangers(name);
}

void Supervisor::BoundOptionsOfStrangers(const std::string& newest) {
  std::erase(gone_strangers_, newest);
  gone_strangers_.push_back(newest);
  while (gone_strangers_.size() > kMaxGoneStrangers) {
    // It may have been installed since, or have come back.
    const std::string oldest = std::move(gone_strangers_.front());
    gone_strangers_.pop_front();
    if (Find(oldest) == nullptr) parts_.config->ForgetOptionsOf(oldest);
  }
}

bool Supervisor::IsStranger(const Module* m) {
  return m == nullptr || (!m->installed && !m->enabled && !m->disabled_by_operator);
}

}  // namespace outpost::module
