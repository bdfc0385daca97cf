// HealthCheck is one thing that a module finds wrong; see
// Module::SetHealthChecks.
#ifndef OUTPOST_SDK_CPP_OUTPOST_HEALTH_H_
#define OUTPOST_SDK_CPP_OUTPOST_HEALTH_H_

#include <cstdint>
#include <string>
#include <vector>

namespace outpost {

enum class Severity { kWarning, kError };

struct HealthCheck {
  std::string code = {};  // in capitals, unique: "HELLO_UNHEARD"
  Severity severity = Severity::kWarning;
  std::string summary = {};              // one line
  int64_t count = 1;                     // how many things are wrong
  std::vector<std::string> detail = {};  // a line each
};

}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_HEALTH_H_
