// Which option a command line means: Ceph names it in two words, the daemons (WHO) and the
// option; for an option of a module the second is enough.
//
// **Thread safety.** Pure functions: any thread.
#ifndef OUTPOST_SERVER_BUILTIN_OPTION_TARGET_H_
#define OUTPOST_SERVER_BUILTIN_OPTION_TARGET_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/config/option_key.h"

namespace outpost::builtin {

// The descriptor of WHO. It refuses a "/", so that a key in its place is taken for the next
// parameter.
inline constexpr char kWho[] = "name=who,type=CephString,goodchars=[A-Za-z0-9_.:-],req=false";

// Whether `name` is the key of an option of a module; else it is one of the cluster's.
bool IsModuleOption(absl::string_view name);

// The manager that `who` names: "" for every one ("mgr", "global" or nothing), "x" for "mgr.x".
// INVALID_ARGUMENT: it is something else.
absl::StatusOr<std::string> ManagerOf(absl::string_view who);

// The option of a module that `who` and `name` mean: with "mgr.x", the one that is localized
// for x. INVALID_ARGUMENT: they do not fit together, or `name` is not a key.
absl::StatusOr<config::OptionKey> OptionTarget(absl::string_view who, absl::string_view name);

}  // namespace outpost::builtin

#endif  // OUTPOST_SERVER_BUILTIN_OPTION_TARGET_H_
