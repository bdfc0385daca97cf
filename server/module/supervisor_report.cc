// Supervisor: what it tells people.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/event/moment.h"
#include "server/event/proto_time.h"
#include "server/log/log.h"
#include "server/metrics/metrics_proto.h"
#include "server/module/supervisor.h"

namespace outpost::module {
namespace {

// A module that says of itself that it reports crashes of modules, by having this option;
// ceph-mgr's own module crash does not.
constexpr char kCrashModule[] = "crash";
constexpr char kCrashOption[] = "max_reports_per_module";

v1::HealthCheck Check(const std::string& code, v1::Severity severity,
                      const std::vector<std::string>& detail, absl::string_view several) {
  v1::HealthCheck check;
  check.set_code(code);
  check.set_severity(severity);
  check.set_count(static_cast<int64_t>(detail.size()));
  check.set_summary(detail.size() == 1 ? detail[0] : absl::StrCat(detail.size(), " ", several));
  for (const std::string& line : detail) check.add_detail(line);
  return check;
}

void AddUsage(const Process* process, v1::ModuleInfo& info) {
  if (process == nullptr) return;
  const auto usage = process->Usage();
  if (!usage) return;  // it has ended meanwhile
  *info.mutable_usage() = metrics::ToProto(*usage);
  info.set_rss_bytes(usage->rss_bytes);
}

}  // namespace

Event Supervisor::EventOf(const Module& m, v1::EventKind kind, absl::string_view message) const {
  Event event;
  event.set_module(m.name);
  event.set_kind(kind);
  event.set_state(m.state);
  event.set_message(std::string(message));
  if (m.process != nullptr) {
    event.set_pid(m.process->pid());
  } else if (m.session != nullptr) {
    event.set_pid(m.session->registration().pid());
  }
  event.set_version(m.registration.version());
  event.set_by_hand(m.process == nullptr && !m.enabled && !m.installed);
  if (!event.by_hand()) event.set_host(options_.host);
  return event;
}

void Supervisor::Tell(const Module& m, v1::EventKind kind, absl::string_view message) {
  parts_.events->Add(EventOf(m, kind, message));
}

void Supervisor::TellBy(const std::string& name, v1::EventKind kind, const std::string& by) {
  const Module* m = Find(name);
  if (m == nullptr) return;
  Event event = EventOf(*m, kind, "");
  event.set_by(by);
  parts_.events->Add(std::move(event));
}

void Supervisor::TellOfExit(const Module& m) {
  const v1::ProcessExit& exit = m.last_process;
  Event event = EventOf(m, v1::EVENT_KIND_EXITED, m.last_exit);
  event.set_pid(exit.pid());
  *event.mutable_exit() = exit;
  event.set_traceback(m.traceback);
  if (!m.failure.empty()) {
    event.set_message(absl::StrCat(event.message(), ", ended by the manager: ", m.failure));
  }
  const bool meant = exit.signal() == 0 && m.failure.empty() &&
                     (exit.exit_status() == kExitNotConfigured ||
                      (exit.exit_status() == 0 && m.policy.restart != RestartPolicy::kAlways));
  event.set_crashed(!m.stopping && !meant && exit.exit_status() != kExitDoNotRestart);
  parts_.events->Add(std::move(event));
}

void Supervisor::TellOfRefusal(const Module* m, absl::string_view why) {
  if (m != nullptr) return Tell(*m, v1::EVENT_KIND_REFUSED, why);
  Event event;
  event.set_kind(v1::EVENT_KIND_REFUSED);
  event.set_message(std::string(why));
  event.set_by_hand(true);
  parts_.events->Add(std::move(event));
}

void Supervisor::TellTimedOut(const std::string& name, absl::string_view who) {
  Locked([&] {
    mu_.AssertHeld();
    const Module* m = Find(name);
    if (m != nullptr) Tell(*m, v1::EVENT_KIND_TIMED_OUT, absl::StrCat(who, " timed out"));
  });
}

v1::ModuleInfo Supervisor::Info(const Module& m) const {
  v1::ModuleInfo info;
  info.set_name(m.name);
  info.set_state(m.state);
  info.set_reason(m.reason);
  info.set_enabled(m.enabled);
  if (m.installed) {
    info.set_path(m.installed->directory);
    if (m.state == v1::MODULE_STATE_DISABLED) info.set_reason(m.installed->problem);
  }
  info.set_supervised(m.process != nullptr);
  if (m.process != nullptr) {
    info.set_pid(m.process->pid());
    const Process::Launch launch = m.process->launch();
    for (const Measure& measure : launch.isolation) {
      v1::IsolationMeasure& told = *info.add_isolation();
      told.set_name(measure.name);
      told.set_wanted(measure.wanted);
      told.set_applied(measure.applied);
      told.set_how(measure.how);
    }
  } else if (m.session != nullptr) {
    info.set_pid(m.session->registration().pid());
  }
  info.set_uri(m.uri);
  info.set_restarts(m.restarts);
  if (m.state == v1::MODULE_STATE_BACKOFF)
    *info.mutable_next_start() =
        event::ToProto(event::WallTime(m.next_start, event::Moment::Now()));
  info.set_last_exit(m.last_exit);
  if (m.last_process.has_time()) *info.mutable_last_process() = m.last_process;
  info.set_restart_policy(std::string(RestartPolicyName(m.policy.restart)));
  info.set_failures(static_cast<uint32_t>(m.failures));
  info.set_sdk(m.registration.sdk());
  info.set_version(m.registration.version());
  if (m.session != nullptr) {
    *info.mutable_attached() = event::ToProto(m.session->attached());
    info.set_in_flight(static_cast<uint32_t>(m.session->in_flight()));
    info.set_waiting(static_cast<uint32_t>(m.session->waiting()));
  }
  *info.mutable_commands() = metrics::ToProto(m.requests->commands.snapshot());
  *info.mutable_calls() = metrics::ToProto(m.requests->calls.snapshot());
  return info;
}

bool Supervisor::IsEnabled(absl::string_view name) const {
  const event::LentMutexLock lock(&mu_);
  const auto it = modules_.find(name);
  return it != modules_.end() && it->second.enabled;
}

std::vector<v1::ModuleInfo> Supervisor::List() const {
  const event::LentMutexLock lock(&mu_);
  std::vector<v1::ModuleInfo> result;
  result.reserve(modules_.size());
  for (const auto& [name, m] : modules_) result.push_back(Info(m));
  return result;
}

std::vector<v1::ModuleInfo> Supervisor::ListWithUsage() const {
  std::vector<v1::ModuleInfo> result;
  std::vector<std::shared_ptr<Process>> processes;
  {
    const event::LentMutexLock lock(&mu_);
    for (const auto& [name, m] : modules_) {
      result.push_back(Info(m));
      processes.push_back(m.process);
    }
  }
  // Without the lock, which nobody should wait for while files are read.
  for (size_t i = 0; i < result.size(); ++i) AddUsage(processes[i].get(), result[i]);
  return result;
}

absl::StatusOr<v1::DescribeModuleResponse> Supervisor::Describe(const std::string& name) const {
  v1::DescribeModuleResponse response;
  std::shared_ptr<Process> process;
  {
    const event::LentMutexLock lock(&mu_);
    auto it = modules_.find(name);
    if (it == modules_.end()) {
      return absl::NotFoundError(absl::StrCat("module '", name, "' is not known"));
    }
    const Module& m = it->second;
    *response.mutable_module() = Info(m);
    *response.mutable_commands() = m.registration.commands();
    *response.mutable_options() = m.registration.options();
    *response.mutable_notify_types() = m.registration.notify_types();
    for (const std::string& line : m.output) response.add_stderr_tail(line);
    process = m.process;
  }
  AddUsage(process.get(), *response.mutable_module());
  return response;
}

void Supervisor::ForgetReports(Module& m) {
  parts_.health->Set(m.name, {}).IgnoreError();  // no checks can't be wrong ones
  parts_.progress->Clear(m.name);
  m.uri.clear();
}

// Whether health tells of it, or did until its crash was long ago.
bool Supervisor::IsForHealth(const Module& m) {
  return m.state == v1::MODULE_STATE_BACKOFF || m.state == v1::MODULE_STATE_FAILED ||
         m.state == v1::MODULE_STATE_CANNOT_RUN || !m.failure.empty() || !m.failing.empty() ||
         m.last_crash.has_value();
}

void Supervisor::ReportHealthOf(const Module& m) {
  // Most changes are of those who are well and stay so: not all are looked at for each.
  if (IsForHealth(m) || m.in_health || m.name == kCrashModule) ReportHealth();
}

void Supervisor::ReportHealth() {
  std::vector<std::string> failed;
  std::vector<std::string> dependencies;
  std::vector<std::string> crashed;
  const event::Moment now = event::Moment::Now();
  absl::Duration until_forgotten = absl::InfiniteDuration();
  for (auto& [name, m] : modules_) {
    m.in_health = IsForHealth(m);
    if (m.state == v1::MODULE_STATE_BACKOFF || m.state == v1::MODULE_STATE_FAILED) {
      failed.push_back(absl::StrCat("Module '", name, "' has failed: ", m.reason));
    } else if (!m.failure.empty() && !m.stopping) {
      failed.push_back(absl::StrCat("Module '", name, "' has failed: ", m.failure));
    } else if (m.state == v1::MODULE_STATE_CANNOT_RUN) {
      dependencies.push_back(absl::StrCat("Module '", name, "' has failed dependency: ", m.reason));
    } else if (!m.failing.empty()) {
      // It is being started again, and may fail again: until it runs, nothing is well.
      failed.push_back(absl::StrCat("Module '", name, "' has failed: ", m.failing));
    }
    if (!m.last_crash.has_value()) continue;
    const absl::Duration age = now - *m.last_crash;
    if (age < options_.crash_report) {
      crashed.push_back(
          absl::StrCat("module ", name, " crashed at ",
                       absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", event::WallTime(*m.last_crash, now),
                                        absl::UTCTimeZone()),
                       m.last_exit.empty() ? "" : " with ", m.last_exit));
      until_forgotten = std::min(until_forgotten, options_.crash_report - age);
    }
  }
  std::vector<v1::HealthCheck> checks;
  if (!failed.empty()) {
    checks.push_back(
        Check("MGR_MODULE_ERROR", v1::SEVERITY_ERROR, failed, "mgr modules have failed"));
  }
  if (!dependencies.empty()) {
    checks.push_back(Check("MGR_MODULE_DEPENDENCY", v1::SEVERITY_WARNING, dependencies,
                           "mgr modules have failed dependencies"));
  }
  // Where module crash runs, it tells of crashes, and for as long as nobody archives them.
  const auto teller = modules_.find(kCrashModule);
  bool told = false;
  if (teller != modules_.end() && teller->second.state == v1::MODULE_STATE_RUNNING) {
    const auto& has = teller->second.registration.options();
    told =
        std::any_of(has.begin(), has.end(), [](const auto& o) { return o.name() == kCrashOption; });
  }
  if (!crashed.empty() && !told) {
    checks.push_back(Check("RECENT_MGR_MODULE_CRASH", v1::SEVERITY_WARNING, crashed,
                           "mgr modules have recently crashed"));
  }
  parts_.timers->Cancel(health_timer_);
  health_timer_ = parts_.timers->After(until_forgotten, [this] {
    Locked([&] {
      mu_.AssertHeld();
      ReportHealth();
    });
  });
  // With the lock, so that reports can't overtake each other.
  if (auto status = parts_.health->Set("manager", std::move(checks)); !status.ok()) {
    log::Get("module").error("{}", status.ToString());
  }
}

}  // namespace outpost::module
