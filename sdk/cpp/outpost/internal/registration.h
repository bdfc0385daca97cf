// What a module says of itself when it registers, and learns when it is configured.
//
// **Thread safety.** Pure functions.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_REGISTRATION_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_REGISTRATION_H_

#include <string>

#include "absl/status/status.h"
#include "outpost/command.h"
#include "outpost/internal/manager_connection.h"
#include "outpost/methods.h"
#include "outpost/module.h"
#include "outpost/options.h"
#include "outpost/v1/module_host.pb.h"

namespace outpost::internal {

// All but the name and the token, which the session knows.
v1::Register MakeRegistration(const ModuleInfo& info, const CommandSet& commands,
                              const OptionSet& options, const MethodSet& methods, bool has_serve,
                              const absl::Status& can_run);

Identity IdentityOf(const std::string& module, const v1::Configure& configure);

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_REGISTRATION_H_
