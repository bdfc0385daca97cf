// The commands that the manager itself provides: status, health …, progress …,
// log …, module …, config …, config-key …, get, structures, tell, counter, perf, report …,
// version.
#ifndef OUTPOST_SERVER_BUILTIN_BUILTIN_COMMANDS_H_
#define OUTPOST_SERVER_BUILTIN_BUILTIN_COMMANDS_H_

#include <string>

#include "absl/time/time.h"
#include "server/cluster/cluster_state.h"
#include "server/cluster/perf_counters.h"
#include "server/cluster/report/reported_daemons.h"
#include "server/cluster/source.h"
#include "server/cluster/structure_parts.h"
#include "server/command/dispatcher.h"
#include "server/config/config_registry.h"
#include "server/event/moment.h"
#include "server/health/health_registry.h"
#include "server/log/log_history.h"
#include "server/module/event_log.h"
#include "server/module/supervisor.h"
#include "server/notify/notification_hub.h"
#include "server/progress/progress_registry.h"
#include "server/store/state_store.h"

namespace outpost::builtin {

// What the commands speak of; all outlive the dispatcher.
struct Subjects {
  std::string manager_id;
  std::string version;  // "outpost 0.1.0"
  event::Moment started;
  module::Supervisor* modules;
  config::ConfigRegistry* config;
  health::HealthRegistry* health;
  progress::ProgressRegistry* progress;
  log::LogHistory* log;
  const module::EventLog* events;
  cluster::ClusterState* cluster;
  cluster::StructureParts* structure_parts;
  const cluster::PerfCounters* counters;
  cluster::report::ReportedDaemons* reports;  // null: the manager takes none
  cluster::Source* source;
  const notify::NotificationHub* hub;
  store::StateStore* store;
};

void AddStatusCommands(const Subjects& subjects, command::Dispatcher* dispatcher);
void AddHealthCommands(const Subjects& subjects, command::Dispatcher* dispatcher);
void AddProgressCommands(const Subjects& subjects, command::Dispatcher* dispatcher);
void AddLogCommands(const Subjects& subjects, command::Dispatcher* dispatcher);
void AddModuleCommands(const Subjects& subjects, command::Dispatcher* dispatcher);
void AddModuleEventCommands(const Subjects& subjects, command::Dispatcher* dispatcher);
void AddConfigCommands(const Subjects& subjects, command::Dispatcher* dispatcher);
void AddConfigReportCommands(const Subjects& subjects, command::Dispatcher* dispatcher);
void AddCounterCommands(const Subjects& subjects, command::Dispatcher* dispatcher);
void AddKeyValueCommands(const Subjects& subjects, command::Dispatcher* dispatcher);
void AddReportCommands(const Subjects& subjects, command::Dispatcher* dispatcher);
void AddClusterCommands(const Subjects& subjects, command::Dispatcher* dispatcher);

}  // namespace outpost::builtin

#endif  // OUTPOST_SERVER_BUILTIN_BUILTIN_COMMANDS_H_
