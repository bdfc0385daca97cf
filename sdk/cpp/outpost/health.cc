#include "outpost/health.h"

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace outpost {
namespace {

bool IsCode(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isupper(static_cast<unsigned char>(c)) ||
           absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '_';
  });
}

}  // namespace

absl::Status CheckHealthChecks(const std::vector<HealthCheck>& checks) {
  std::set<absl::string_view> codes;
  for (const HealthCheck& check : checks) {
    const auto wrong = [&check](const auto&... what) {
      return absl::InvalidArgumentError(absl::StrCat("health check ", check.code, ": ", what...));
    };
    if (!IsCode(check.code)) {
      return absl::InvalidArgumentError(
          absl::StrCat("health check \"", check.code,
                       "\": code: it is made of capitals, digits and '_', as OSD_DOWN"));
    }
    if (!codes.insert(check.code).second) return wrong("code: it is there twice");
    if (check.severity != Severity::kWarning && check.severity != Severity::kError) {
      return wrong("severity: ", static_cast<int>(check.severity), " is neither warning nor error");
    }
    if (check.summary.empty()) return wrong("summary: it is empty");
    if (check.summary.find('\n') != std::string::npos) {
      return wrong("summary: it has more than one line; put the others into detail");
    }
    if (check.count < 0) return wrong("count: ", check.count, " is below 0");
  }
  return absl::OkStatus();
}

}  // namespace outpost
