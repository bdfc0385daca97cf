// Supervisor: what it tells people.

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/event/proto_time.h"
#include "server/log/log.h"
#include "server/module/supervisor.h"

namespace outpost::module {
namespace {

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

}  // namespace

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
    info.set_rss_bytes(m.process->ResidentBytes());
  } else if (m.session != nullptr) {
    info.set_pid(m.session->registration().pid());
  }
  info.set_uri(m.uri);
  info.set_restarts(m.restarts);
  if (m.state == v1::MODULE_STATE_BACKOFF)
    *info.mutable_next_start() = event::ToProto(m.next_start);
  info.set_last_exit(m.last_exit);
  info.set_sdk(m.registration.sdk());
  info.set_version(m.registration.version());
  if (m.session != nullptr) {
    *info.mutable_attached() = event::ToProto(m.session->attached());
    info.set_in_flight(static_cast<uint32_t>(m.session->in_flight()));
  }
  return info;
}

std::vector<v1::ModuleInfo> Supervisor::List() const {
  absl::MutexLock lock(&mu_);
  std::vector<v1::ModuleInfo> result;
  result.reserve(modules_.size());
  for (const auto& [name, m] : modules_) result.push_back(Info(m));
  return result;
}

absl::StatusOr<v1::DescribeModuleResponse> Supervisor::Describe(const std::string& name) const {
  absl::MutexLock lock(&mu_);
  auto it = modules_.find(name);
  if (it == modules_.end()) {
    return absl::NotFoundError(absl::StrCat("module '", name, "' is not known"));
  }
  const Module& m = it->second;
  v1::DescribeModuleResponse response;
  *response.mutable_module() = Info(m);
  *response.mutable_commands() = m.registration.commands();
  *response.mutable_options() = m.registration.options();
  *response.mutable_notify_types() = m.registration.notify_types();
  for (const std::string& line : m.output) response.add_stderr_tail(line);
  return response;
}

void Supervisor::ForgetReports(Module& m) {
  parts_.health->Set(m.name, {}).IgnoreError();  // no checks can't be wrong ones
  parts_.progress->Clear(m.name);
  m.uri.clear();
}

void Supervisor::ReportHealth() {
  std::vector<std::string> failed;
  std::vector<std::string> dependencies;
  std::vector<std::string> crashed;
  const absl::Time now = absl::Now();
  absl::Duration until_forgotten = absl::InfiniteDuration();
  for (const auto& [name, m] : modules_) {
    if (m.state == v1::MODULE_STATE_BACKOFF || m.state == v1::MODULE_STATE_FAILED) {
      failed.push_back(absl::StrCat("Module '", name, "' has failed: ", m.reason));
    } else if (!m.failure.empty() && !m.stopping) {
      failed.push_back(absl::StrCat("Module '", name, "' has failed: ", m.failure));
    } else if (m.state == v1::MODULE_STATE_CANNOT_RUN) {
      dependencies.push_back(absl::StrCat("Module '", name, "' has failed dependency: ", m.reason));
    }
    const absl::Duration age = now - m.last_crash;
    if (age < options_.crash_report) {
      crashed.push_back(
          absl::StrCat("module ", name, " crashed at ",
                       absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", m.last_crash, absl::UTCTimeZone()),
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
  if (!crashed.empty()) {
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
