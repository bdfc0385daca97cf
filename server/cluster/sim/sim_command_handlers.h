// The commands of a simulated cluster's monitors, one function each.
//
// **Thread safety.** One thread, that of the model.
#ifndef OUTPOST_SERVER_CLUSTER_SIM_SIM_COMMAND_HANDLERS_H_
#define OUTPOST_SERVER_CLUSTER_SIM_SIM_COMMAND_HANDLERS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/cluster/sim/sim_arguments.h"
#include "server/cluster/sim/sim_model.h"
#include "server/command/command.h"

namespace outpost::cluster::sim {

// A failure: -error (an errno), with words; -EINVAL with those of `status`.
command::Result Fail(int error, absl::string_view text);
command::Result Invalid(const absl::Status& status);

// That change the cluster.
command::Result OsdSet(Model& model, const Arguments& arguments);
command::Result OsdUnset(Model& model, const Arguments& arguments);
command::Result OsdOut(Model& model, const Arguments& arguments);
command::Result OsdIn(Model& model, const Arguments& arguments);
command::Result OsdDown(Model& model, const Arguments& arguments);
command::Result PoolCreate(Model& model, const Arguments& arguments);
command::Result PoolRemove(Model& model, const Arguments& arguments);
command::Result ConfigSet(Model& model, const Arguments& arguments);
command::Result ConfigRemove(Model& model, const Arguments& arguments);

// That report.
command::Result ConfigGet(Model& model, const Arguments& arguments);
command::Result ConfigHelp(Model& model, const Arguments& arguments);
command::Result PoolList(Model& model, const Arguments& arguments);
command::Result OsdDump(Model& model, const Arguments& arguments);
command::Result OsdTree(Model& model, const Arguments& arguments);
command::Result OsdStat(Model& model, const Arguments& arguments);
command::Result OsdList(Model& model, const Arguments& arguments);
command::Result Health(Model& model, const Arguments& arguments);
command::Result Df(Model& model, const Arguments& arguments);
command::Result Status(Model& model, const Arguments& arguments);
command::Result Fsid(Model& model, const Arguments& arguments);
command::Result Version(Model& model, const Arguments& arguments);

}  // namespace outpost::cluster::sim

#endif  // OUTPOST_SERVER_CLUSTER_SIM_SIM_COMMAND_HANDLERS_H_
