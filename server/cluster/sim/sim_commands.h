// What the monitors and OSDs of a simulated cluster obey, with Ceph's texts and
// errnos.
//
// **Thread safety.** One thread, that of the model.
#ifndef OUTPOST_SERVER_CLUSTER_SIM_SIM_COMMANDS_H_
#define OUTPOST_SERVER_CLUSTER_SIM_SIM_COMMANDS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "server/cluster/sim/sim_model.h"
#include "server/command/command.h"

namespace outpost::cluster::sim {

// The monitors' commands, by prefix.
std::vector<command::Declaration> MonCommands();

// Runs one command on the daemon that is addressed, at once. What does not fit is
// -EINVAL: a text that is no JSON object, an unknown prefix, an argument of a wrong
// type or value, an unknown service type. -ENOENT: there is no such daemon.
// "format" may be "json" or "json-pretty"; else the output is plain text.
command::Result RunCommand(Model& model, absl::string_view service_type,
                           absl::string_view service_id, absl::string_view command_json);

}  // namespace outpost::cluster::sim

#endif  // OUTPOST_SERVER_CLUSTER_SIM_SIM_COMMANDS_H_
