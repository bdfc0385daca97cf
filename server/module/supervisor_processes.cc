// Supervisor: states and timers of modules, how processes are started, and what they write.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "outpost/internal/utf8.h"
#include "server/event/moment.h"
#include "server/log/log.h"
#include "server/module/secret.h"
#include "server/module/supervisor.h"

namespace outpost::module {
namespace {

constexpr size_t kOutputTail = 20;  // lines kept of each module

}  // namespace

void Supervisor::SetState(Module& m, v1::ModuleState state, std::string reason) {
  if (m.state == state && m.reason == reason) return;
  m.state = state;
  m.reason = std::move(reason);
  log::Get("module").info("{} is {}{}{}", m.name, StateName(state), m.reason.empty() ? "" : ": ",
                          m.reason);
  if (state != v1::MODULE_STATE_STARTING && state != v1::MODULE_STATE_CONFIGURING) EndTurn(m);
  if (state == v1::MODULE_STATE_FAILED) Tell(m, v1::EVENT_KIND_FAILED, m.reason);
  if (state == v1::MODULE_STATE_CANNOT_RUN) Tell(m, v1::EVENT_KIND_CANNOT_RUN, m.reason);
  if (state == v1::MODULE_STATE_RUNNING) {
    m.failing.clear();
    m.running_since = std::min(m.running_since, event::Moment::Now().steady);
  }
  // Commands that were held for a module that will not come after all.
  if (!ComesSoon(m) && state != v1::MODULE_STATE_RUNNING) GiveUpWaiting(m);
  Settle(m);
  ReportHealthOf(m);
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
    ModuleRates rates;
    Locked([&] {
      mu_.AssertHeld();
      Module* writer = Find(name);
      if (writer == nullptr) return;
      const bool next = writer->successor != nullptr && writer->successor->run == run;
      std::deque<std::string>& output = next ? writer->successor->output : writer->output;
      output.push_back(text);
      if (output.size() > kOutputTail) output.pop_front();
      rates = writer->policy.rates;
    });
    if (MayLog(name, 1, rates) == 0) return;
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

void Supervisor::StartProcess(Module& m) {
  if (shutting_down_) return;
  turns_.End(m.run);
  m.failure.clear();
  m.traceback.clear();
  m.refused.clear();
  m.output.clear();
  m.unanswered.clear();
  m.awaits_option = false;
  const auto kind = m.last_exit.empty() ? StartTurns::Kind::kNew : StartTurns::Kind::kAgain;
  // What starts with the manager keeps nobody waiting yet.
  if (!started_ || turns_.Take(m.name, kind, event::Moment::Now().steady)) return Launch(m);
  SetState(m, v1::MODULE_STATE_STARTING, "waits for its turn to start");
  GiveTurnsSoon();
}

void Supervisor::EndTurn(const Module& m) {
  turns_.Leave(m.name);
  turns_.End(m.run);
  GiveTurnsSoon();
}

void Supervisor::GiveTurnsSoon() {
  parts_.timers->Cancel(turns_timer_);
  turns_timer_ = 0;
  const absl::Duration until = turns_.Until(event::Moment::Now().steady);
  if (shutting_down_ || until == absl::InfiniteDuration()) return;
  // Not here, even where it is time: whoever calls is at work on another module, and may be on a
  // thread that answers calls.
  turns_timer_ = parts_.timers->After(until, [this] {
    Locked([&] {
      mu_.AssertHeld();
      GiveTurns();
    });
  });
}

void Supervisor::GiveTurns() {
  while (!shutting_down_) {
    const std::optional<std::string> name = turns_.Next(event::Moment::Now().steady);
    if (!name) break;
    if (Module* const m = Find(*name); m != nullptr) Launch(*m);
  }
  GiveTurnsSoon();
}

void Supervisor::Launch(Module& m) {
  m.run = ++next_run_;
  m.options_seen = OptionChanges(m.name);
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
    return NotExecuted(m, process.status());
  }
  m.process = *std::move(process);
  turns_.Begin(m.run, event::Moment::Now().steady);
  m.has_record = true;
  m.record_is_whole = false;
  WriteRecord(absl::StrCat(kProcessPrefix, m.name),
              RecordOf(*m.process, m.token_hash, m.output_fifo));
  SetTimer(m, m.policy.ready_timeout, [this](Module& late) {
    mu_.AssertHeld();
    FailAndRestart(
        late, absl::StrCat("did not get ready in ", absl::FormatDuration(late.policy.ready_timeout),
                           late.process->launched()
                               ? ""
                               : "; its program has not begun: does the file system answer that "
                                 "it is on?",
                           late.refused.empty() ? "" : "; it was refused: ", late.refused));
  });
  Tell(m, v1::EVENT_KIND_SPAWNED);
  SetState(m, v1::MODULE_STATE_STARTING, "");
}

}  // namespace outpost::module
