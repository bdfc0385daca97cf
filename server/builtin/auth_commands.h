// The commands auth ls, get, add, caps, rm: who may do what; and audit: who did what.
#ifndef OUTPOST_SERVER_BUILTIN_AUTH_COMMANDS_H_
#define OUTPOST_SERVER_BUILTIN_AUTH_COMMANDS_H_

#include <functional>
#include <optional>

#include "absl/strings/string_view.h"
#include "server/auth/audit_log.h"
#include "server/auth/caps.h"
#include "server/auth/entities.h"
#include "server/cluster/source.h"
#include "server/command/dispatcher.h"

namespace outpost::builtin {

// What the manifest of a module asks for; nullopt: everything.
using AskedCaps = std::function<std::optional<auth::Caps>(absl::string_view module)>;

// All outlive the dispatcher. Names of the cluster's own form (client.admin) are passed on
// to it.
void AddAuthCommands(auth::Entities* entities, cluster::Source* source, AskedCaps asked,
                     command::Dispatcher* dispatcher);

// `audit` outlives the dispatcher.
void AddAuditCommand(const auth::AuditLog* audit, command::Dispatcher* dispatcher);

}  // namespace outpost::builtin

#endif  // OUTPOST_SERVER_BUILTIN_AUTH_COMMANDS_H_
