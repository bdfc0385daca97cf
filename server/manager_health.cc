#include "server/manager_health.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "server/log/log.h"

namespace outpost {
namespace {

v1::HealthCheck Check(const char* code, v1::Severity severity, std::string summary,
                      uint64_t count = 1) {
  v1::HealthCheck check;
  check.set_code(code);
  check.set_severity(severity);
  check.set_summary(std::move(summary));
  check.set_count(static_cast<int64_t>(count));
  return check;
}

}  // namespace

void ManagerHealth::OfStore(const store::SqliteStore::Writing& writing) {
  std::vector<v1::HealthCheck> checks;
  const bool damaged = absl::IsDataLoss(writing.status);
  if (!writing.status.ok()) {
    checks.push_back(Check(damaged ? "MGR_STORE_DAMAGED" : "MGR_STORE_WRITE_FAILED",
                           v1::SEVERITY_ERROR,
                           absl::StrCat("writes are refused: ", writing.status.message())));
  }
  if (!writing.repaired.empty() && !damaged) {
    checks.push_back(Check("MGR_STORE_DAMAGED", v1::SEVERITY_WARNING, writing.repaired));
  }
  Set("the store", std::move(checks));
}

void ManagerHealth::OfCluster(const cluster::Connection& connection,
                              const cluster::Access& access) {
  std::vector<v1::HealthCheck> checks;
  if (!connection.connected) {
    checks.push_back(Check("CLUSTER_NOT_CONNECTED", v1::SEVERITY_WARNING,
                           absl::StrCat("the cluster can't be reached: ", connection.reason)));
  }
  if (!access.denied.empty()) {
    checks.push_back(Check("CLUSTER_ACCESS_DENIED", v1::SEVERITY_WARNING,
                           absl::StrCat(access.client, " may not read all of the cluster: ",
                                        absl::StrJoin(access.denied, "; ")),
                           access.denied.size()));
    for (const std::string& denied : access.denied) checks.back().add_detail(denied);
  }
  Set("the connection", std::move(checks));
}

void ManagerHealth::OfReports(std::vector<v1::HealthCheck> checks) {
  Set("the reports", std::move(checks));
}

void ManagerHealth::OfAuditLog(uint64_t lost, const std::string& why) {
  std::vector<v1::HealthCheck> checks;
  if (lost > 0) {
    checks.push_back(Check("AUDIT_LOG_FAILED", v1::SEVERITY_WARNING,
                           absl::StrCat(lost, " lines of the audit log are lost"), lost));
    checks.back().add_detail(why);
  }
  Set("the audit log", std::move(checks));
}

void ManagerHealth::Set(const std::string& source, std::vector<v1::HealthCheck> checks) {
  if (auto set = health_->Set(source, std::move(checks)); !set.ok()) {
    log::Get("health").error("{}: {}", source, set.ToString());
  }
}

}  // namespace outpost
