// How the health of everything is printed; the texts are Ceph's.
#ifndef OUTPOST_SERVER_BUILTIN_HEALTH_TEXT_H_
#define OUTPOST_SERVER_BUILTIN_HEALTH_TEXT_H_

#include <string>

#include "nlohmann/json.hpp"
#include "server/health/health_registry.h"

namespace outpost::builtin {

nlohmann::json HealthJson(const health::Report& report);

// "HEALTH_WARN 1 osds down; (muted: MON_CLOCK_SKEW(9m))"
std::string HealthLine(const health::Report& report);

// The line, and each check with its detail.
std::string HealthDetail(const health::Report& report);

// "(muted: MON_CLOCK_SKEW(9m))"; empty: no check that is raised is muted.
std::string MutedCodes(const health::Report& report);

}  // namespace outpost::builtin

#endif  // OUTPOST_SERVER_BUILTIN_HEALTH_TEXT_H_
