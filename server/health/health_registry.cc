#include "server/health/health_registry.h"

#include <google/protobuf/util/message_differencer.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace outpost::health {
namespace {

absl::Status Validate(absl::string_view source, const v1::HealthCheck& check) {
  const auto invalid = [&](absl::string_view what) {
    return absl::InvalidArgumentError(
        absl::StrCat("health check \"", check.code(), "\" of ", source, ": ", what));
  };
  if (check.code().empty()) return invalid("the code is empty");
  for (const char c : check.code()) {
    if (!absl::ascii_isupper(c) && !absl::ascii_isdigit(c) && c != '_') {
      return invalid("the code may have capitals, digits and '_' only");
    }
  }
  if (check.severity() != v1::SEVERITY_WARNING && check.severity() != v1::SEVERITY_ERROR) {
    return invalid("the severity must be SEVERITY_WARNING or SEVERITY_ERROR");
  }
  if (check.summary().empty()) return invalid("the summary is empty");
  if (check.count() < 0) return invalid("the count is negative");
  return absl::OkStatus();
}

bool Same(const std::map<std::string, v1::HealthCheck>& a,
          const std::map<std::string, v1::HealthCheck>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return google::protobuf::util::MessageDifferencer::Equals(x.second, y.second);
  });
}

}  // namespace

absl::string_view SeverityName(v1::Severity severity) {
  switch (severity) {
    case v1::SEVERITY_WARNING:
      return "HEALTH_WARN";
    case v1::SEVERITY_ERROR:
      return "HEALTH_ERR";
    default:
      return "HEALTH_OK";
  }
}

absl::Status HealthRegistry::Set(absl::string_view source, std::vector<v1::HealthCheck> checks) {
  std::map<std::string, v1::HealthCheck> next;
  for (auto& check : checks) {
    if (auto status = Validate(source, check); !status.ok()) return status;
    check.set_source(std::string(source));
    check.clear_muted();
    check.clear_since();
    const std::string code = check.code();
    if (!next.emplace(code, std::move(check)).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("health check \"", code, "\" of ", source, " is given twice"));
    }
  }
  {
    absl::MutexLock lock(&mu_);
    auto& present = checks_[std::string(source)];
    for (auto& [code, check] : next) {
      auto old = present.find(code);
      *check.mutable_since() = old == present.end()
                                   ? google::protobuf::util::TimeUtil::GetCurrentTime()
                                   : old->second.since();
    }
    if (Same(present, next)) return absl::OkStatus();
    present = std::move(next);
  }
  changed_();
  return absl::OkStatus();
}

absl::Status HealthRegistry::SetFromCluster(absl::string_view structure_json) {
  const auto malformed = [](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat("the cluster's health: ", what));
  };
  const auto outer = nlohmann::json::parse(structure_json.begin(), structure_json.end(), nullptr,
                                           /*allow_exceptions=*/false);
  if (!outer.is_object() || !outer.contains("json") || !outer["json"].is_string()) {
    return malformed("not an object with a text \"json\"");
  }
  const auto health =
      nlohmann::json::parse(outer["json"].get_ref<const std::string&>(), nullptr, false);
  if (!health.is_object()) return malformed("\"json\" does not hold an object");
  std::vector<v1::HealthCheck> checks;
  const auto found = health.find("checks");
  if (found != health.end() && found->is_object()) {
    for (const auto& [code, value] : found->items()) {
      v1::HealthCheck check;
      check.set_code(code);
      check.set_severity(value.value("severity", "") == "HEALTH_ERR" ? v1::SEVERITY_ERROR
                                                                     : v1::SEVERITY_WARNING);
      const auto summary = value.find("summary");
      if (summary != value.end() && summary->is_object()) {
        check.set_summary(summary->value("message", code));
        check.set_count(summary->value("count", int64_t{0}));
      }
      if (check.summary().empty()) check.set_summary(code);
      const auto detail = value.find("detail");
      if (detail != value.end() && detail->is_array()) {
        for (const auto& line : *detail) {
          if (line.is_object()) check.add_detail(line.value("message", ""));
        }
      }
      checks.push_back(std::move(check));
    }
  }
  return Set("cluster", std::move(checks));
}

Report HealthRegistry::Get() const {
  Report report;
  absl::MutexLock lock(&mu_);
  for (const auto& [source, checks] : checks_) {
    for (const auto& [code, check] : checks) {
      report.status = std::max(report.status, check.severity());
      report.checks.push_back(check);
    }
  }
  std::stable_sort(report.checks.begin(), report.checks.end(), [](const auto& a, const auto& b) {
    return a.severity() != b.severity() ? a.severity() > b.severity() : a.code() < b.code();
  });
  return report;
}

}  // namespace outpost::health
