// Some of the manager's commands are Ceph's too: what they are not meant for is the cluster's.
#ifndef OUTPOST_SERVER_BUILTIN_PASS_ON_H_
#define OUTPOST_SERVER_BUILTIN_PASS_ON_H_

#include "absl/strings/string_view.h"
#include "server/cluster/source.h"
#include "server/command/dispatcher.h"

namespace outpost::builtin {

// Lets the cluster run its command `prefix` with the arguments of `call`; where it has none,
// the result is `otherwise`.
void PassOn(cluster::Source* source, absl::string_view prefix, command::BuiltinCall call,
            command::Result otherwise, command::ResultCallback done);

}  // namespace outpost::builtin

#endif  // OUTPOST_SERVER_BUILTIN_PASS_ON_H_
