// What modules use and were asked, as `module ls` tells it.
#ifndef OUTPOST_SERVER_BUILTIN_MODULE_USAGE_H_
#define OUTPOST_SERVER_BUILTIN_MODULE_USAGE_H_

#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "outpost/v1/manager.pb.h"

namespace outpost::builtin {

// Members for the JSON of a module: usage, waiting, commands, calls.
nlohmann::json UsageJson(const v1::ModuleInfo& module);

// A line a module.
std::string UsageTable(const std::vector<v1::ModuleInfo>& modules);

}  // namespace outpost::builtin

#endif  // OUTPOST_SERVER_BUILTIN_MODULE_USAGE_H_
