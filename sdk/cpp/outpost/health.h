// HealthCheck is one thing that a module finds wrong; see
// Module::SetHealthChecks.
#ifndef OUTPOST_SDK_CPP_OUTPOST_HEALTH_H_
#define OUTPOST_SDK_CPP_OUTPOST_HEALTH_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace outpost {

enum class Severity { kWarning, kError };

struct HealthCheck {
  std::string code = {};  // in capitals, unique: "HELLO_UNHEARD"
  Severity severity = Severity::kWarning;
  std::string summary = {};              // one line
  int64_t count = 1;                     // how many things are wrong
  std::vector<std::string> detail = {};  // a line each
};

// What is wrong with `checks`: INVALID_ARGUMENT names the check and the field. A
// code is made of capitals, digits and '_', and there once; a summary is one line.
absl::Status CheckHealthChecks(const std::vector<HealthCheck>& checks);

}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_HEALTH_H_
