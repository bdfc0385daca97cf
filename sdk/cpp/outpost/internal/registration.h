// What a module says of itself when it registers.
//
// **Thread safety.** A pure function.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_REGISTRATION_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_REGISTRATION_H_

#include "absl/status/status.h"
#include "outpost/command.h"
#include "outpost/methods.h"
#include "outpost/module.h"
#include "outpost/options.h"
#include "outpost/v1/module_host.pb.h"

namespace outpost::internal {

// All but the name and the token, which the session knows.
v1::Register MakeRegistration(const ModuleInfo& info, const CommandSet& commands,
                              const OptionSet& options, const MethodSet& methods, bool has_serve,
                              const absl::Status& can_run);

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_REGISTRATION_H_
