// What the settings mean for each part of the manager.
#ifndef OUTPOST_SERVER_PART_OPTIONS_H_
#define OUTPOST_SERVER_PART_OPTIONS_H_

#include <memory>
#include <string>

#include "server/cluster/cluster_state.h"
#include "server/cluster/perf_counters.h"
#include "server/cluster/report/reported_daemons.h"
#include "server/cluster/source.h"
#include "server/log/log.h"
#include "server/module/supervisor.h"
#include "server/rpc/open_streams.h"
#include "server/settings.h"

namespace outpost {

// "outpost 0.1.0"
std::string Product();

log::Settings LogSettings(const Settings& settings);

// `state` and `counters` outlive the source.
std::unique_ptr<cluster::Source> MakeSource(const Settings& settings, cluster::ClusterState* state,
                                            cluster::PerfCounters* counters);

// `manager_instance`: the name of this start of the manager.
cluster::report::ReportOptions ReportOptionsOf(const Settings& settings,
                                               const std::string& manager_instance);

rpc::OpenStreams::Limits StreamLimitsOf(const Settings& settings);

// All but what asks the manager: the hooks. `address`: where modules reach the manager.
module::SupervisorOptions SupervisorOptionsOf(const Settings& settings,
                                              const std::string& manager_instance,
                                              const std::string& address);

}  // namespace outpost

#endif  // OUTPOST_SERVER_PART_OPTIONS_H_
