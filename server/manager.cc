#include "server/manager.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "nlohmann/json.hpp"
#include "server/auth/audit_log.h"
#include "server/auth/entities.h"
#include "server/builtin/auth_commands.h"
#include "server/builtin/builtin_commands.h"
#include "server/builtin/completion_values.h"
#include "server/cluster/cluster_state.h"
#include "server/cluster/daemon_directory.h"
#include "server/cluster/daemon_health.h"
#include "server/cluster/perf_counters.h"
#include "server/cluster/report/reported_daemons.h"
#include "server/cluster/structure_parts.h"
#include "server/command/command_table.h"
#include "server/command/dispatcher.h"
#include "server/command/keyed_runs.h"
#include "server/config/config_registry.h"
#include "server/config/option_key.h"
#include "server/event/moment.h"
#include "server/event/timer_queue.h"
#include "server/health/health_registry.h"
#include "server/instance_lock.h"
#include "server/log/library_log.h"
#include "server/log/log.h"
#include "server/manager_events.h"
#include "server/manager_health.h"
#include "server/module/call_router.h"
#include "server/module/event_log.h"
#include "server/module/process.h"
#include "server/module/structure_watches.h"
#include "server/module/supervisor.h"
#include "server/notify/cluster_log.h"
#include "server/notify/notification_hub.h"
#include "server/part_options.h"
#include "server/progress/progress_registry.h"
#include "server/rpc/auth_service.h"
#include "server/rpc/cluster_service.h"
#include "server/rpc/commands_service.h"
#include "server/rpc/future_services.h"
#include "server/rpc/ingest_service.h"
#include "server/rpc/manager_service.h"
#include "server/rpc/module_host_service.h"
#include "server/rpc/notifications_service.h"
#include "server/rpc/open_streams.h"
#include "server/rpc/progress_service.h"
#include "server/rpc/remote_service.h"
#include "server/rpc/server.h"
#include "server/rpc/state_services.h"
#include "server/store/sqlite/sqlite_store.h"

namespace outpost {
namespace {

constexpr absl::Duration kServerStop = absl::Seconds(2);  // for calls in flight at the end

// A name for this start of the manager, unlike that of any other start.
std::string NewInstance() {
  absl::BitGen random;
  return absl::StrCat(absl::Hex(absl::ToUnixNanos(absl::Now())), "-",
                      absl::Hex(absl::Uniform<uint64_t>(random), absl::kZeroPad16));
}

// "quincy"; empty: the source has not said.
std::string ReleaseOf(const cluster::ClusterState& cluster) {
  const auto snapshot = cluster.Get("mon_map");
  if (!snapshot.ok()) return "";
  const auto map = nlohmann::json::parse((*snapshot)->json.begin(), (*snapshot)->json.end(),
                                         nullptr, /*allow_exceptions=*/false);
  if (!map.is_object()) return "";
  const auto release = map.find("min_mon_release_name");
  return release != map.end() && release->is_string() ? release->get<std::string>() : "";
}

// What the manager does while it runs: waits for signals.
void ServeUntilSignal(const sigset_t& signals, auth::AuditLog* audit) {
  while (true) {
    int signal = 0;
    sigwait(&signals, &signal);
    if (signal != SIGHUP) {
      log::Get("main").info("{}: stopping", sigabbrev_np(signal));
      return;
    }
    audit->Reopen();
    if (auto status = log::Reopen(); !status.ok()) {
      log::Get("main").error("{}", status.ToString());
    } else {
      log::Get("main").info("the log file was opened again");
    }
  }
}

}  // namespace

absl::Status RunManager(const Settings& settings, const sigset_t& signals) {
  if (auto status = log::Configure(LogSettings(settings)); !status.ok()) return status;
  log::CaptureLibraryLogs();
  for (const std::string& directory : {settings.data_dir, settings.run_dir}) {
    if (auto status = MakePrivateDirectory(directory); !status.ok()) return status;
  }
  // Others reach the socket through the directory, and see nothing else in it.
  if ((settings.socket_mode & 0066) != 0 && chmod(settings.run_dir.c_str(), 0711) != 0) {
    return absl::UnavailableError(absl::StrCat(settings.run_dir, ": ", strerrordesc_np(errno)));
  }
  const auto lock = InstanceLock::Take(settings.data_dir);
  if (!lock.ok()) return lock.status();
  const std::string socket = absl::StrCat(settings.run_dir, "/outpost.sock");
  if (auto status = ClearSocket(socket); !status.ok()) return status;

  const event::Moment started = event::Moment::Now();
  const std::string instance = NewInstance();
  event::TimerQueue timers;
  auto store = store::SqliteStore::Open(absl::StrCat(settings.data_dir, "/state.db"));
  if (!store.ok()) return store.status();
  auto config = config::ConfigRegistry::Create(**store, settings.id, settings.options);
  if (!config.ok()) return config.status();

  notify::NotificationHub hub;
  cluster::ClusterState cluster;
  progress::ProgressRegistry progress;
  module::EventLog events(store->get());
  log::LogHistory& log_history = log::History();
  const notify::ClusterLogForwarder cluster_log(&log_history, &hub);
  std::atomic<bool> cluster_keeps_log = false;
  health::HealthRegistry health(
      store->get(), &timers,
      {.changed =
           [&] {
             // The structure is the cluster's own part of it: its version
             // stays.
             const auto snapshot = cluster.Get("health");
             hub.PublishState("health", "", snapshot.ok() ? (*snapshot)->version : 0);
           },
       .event =
           [&](const v1::HealthEvent& event) {
             // What the cluster tells itself is not told twice.
             if (cluster_keeps_log && event.check().source() == "cluster") {
               return;
             }
             if (event.check().source() != "cluster") TellOfHealth(event, &events);
             notify::LogHealth(absl::StrCat("mgr.", settings.id), event);
           }});
  ManagerHealth own_health(&health);
  (*store)->OnWriting([&](const auto& writing) { own_health.OfStore(writing); });
  const absl::Cleanup stop_telling = [&store] { (*store)->OnWriting({}); };
  cluster::StructureParts structure_parts;
  module::StructureWatches watches;
  cluster.AddListener([&](const cluster::SnapshotPtr& snapshot) {
    // First: a module hears of a change before anything that comes of it.
    watches.Changed(snapshot->name, snapshot->version);
    structure_parts.Published(snapshot);
    if (snapshot->name == "health") {
      if (auto status = health.SetFromCluster(snapshot->json); !status.ok()) {
        log::Get("cluster").warn("{}", status.ToString());
      }
    }
    hub.PublishState(snapshot->name, snapshot->id, snapshot->version);
  });
  std::atomic<bool> stopping = false;
  cluster.AddConnectionListener([&](const cluster::Connection&) {
    // The source's own end is nobody's failure.
    if (!stopping) own_health.OfCluster(cluster.connection(), cluster.access());
  });
  cluster.AddRemovalListener([&](absl::string_view name, uint64_t version) {
    watches.Changed(name, version);
    structure_parts.Removed(name);
    hub.PublishState(name, "", version);
  });
  cluster::PerfCounters counters;
  std::atomic<uint64_t> schema_version = static_cast<uint64_t>(absl::ToUnixMicros(started.wall));
  counters.OnSchemaChanged([&](const std::string& type, const std::string& id) {
    hub.PublishState("perf_schema_update", absl::StrCat(type, ".", id), ++schema_version);
  });
  cluster::DaemonDirectory daemons(&cluster);
  cluster::DaemonHealth daemon_health;
  const auto source = MakeSource(settings, &cluster, &counters);
  cluster_keeps_log = source->keeps_log();
  source->OnLog(
      [](const std::string& who, v1::LogRecord line) { log::Write(who, std::move(line)); });
  cluster::report::ReportedDaemons reports(
      ReportOptionsOf(settings, instance),
      {.state = &cluster,
       .counters = &counters,
       .directory = &daemons,
       .health = &daemon_health,
       .checks = [&](auto checks) { own_health.OfReports(std::move(checks)); }},
      [] { return event::Moment::Now().steady; });
  rpc::OpenStreams streams(StreamLimitsOf(settings));
  const absl::Cleanup stop_timers = [&timers] { timers.Stop(); };

  command::CommandTable table;
  module::ProcessRunner processes(settings.launcher);
  module::SupervisorOptions options =
      SupervisorOptionsOf(settings, instance, absl::StrCat("unix:", socket));
  options.cluster_log = [&](const v1::LogRecord& line) { source->WriteLog(line); };
  options.cluster = [&cluster] {
    return module::ClusterIdentity{.id = cluster.cluster_id(), .release = ReleaseOf(cluster)};
  };
  module::Supervisor supervisor(std::move(options), {.store = store->get(),
                                                     .config = config->get(),
                                                     .commands = &table,
                                                     .health = &health,
                                                     .progress = &progress,
                                                     .events = &events,
                                                     .processes = &processes,
                                                     .timers = &timers});
  (*config)->OnChange([&](const std::string& module, const v1::OptionValue& value) {
    supervisor.SendConfigChanged(module, value);
    hub.PublishEvent({.type = "config",
                      .id = absl::StrCat("mgr/", module, "/", value.name()),
                      .payload_json = "",
                      .only_for = ""});
  });
  module::CallRouter router(&supervisor);
  command::Dispatcher dispatcher(&table, &router, source.get());
  const bool take_reports = settings.take_reports || settings.source == "report";
  const builtin::Subjects subjects = {.manager_id = settings.id,
                                      .version = Product(),
                                      .started = started,
                                      .modules = &supervisor,
                                      .config = config->get(),
                                      .health = &health,
                                      .progress = &progress,
                                      .log = &log_history,
                                      .events = &events,
                                      .cluster = &cluster,
                                      .structure_parts = &structure_parts,
                                      .counters = &counters,
                                      .reports = take_reports ? &reports : nullptr,
                                      .source = source.get(),
                                      .hub = &hub,
                                      .store = store->get()};
  builtin::AddStatusCommands(subjects, &dispatcher);
  builtin::AddHealthCommands(subjects, &dispatcher);
  builtin::AddProgressCommands(subjects, &dispatcher);
  builtin::AddLogCommands(subjects, &dispatcher);
  builtin::AddModuleCommands(subjects, &dispatcher);
  builtin::AddModuleEventCommands(subjects, &dispatcher);
  builtin::AddConfigCommands(subjects, &dispatcher);
  builtin::AddConfigReportCommands(subjects, &dispatcher);
  builtin::AddCounterCommands(subjects, &dispatcher);
  builtin::AddReportCommands(subjects, &dispatcher);
  builtin::AddKeyValueCommands(subjects, &dispatcher);
  builtin::AddClusterCommands(subjects, &dispatcher);
  auth::Entities entities(store->get());
  builtin::AddAuthCommands(
      &entities, source.get(), [&](absl::string_view name) { return supervisor.AskedCaps(name); },
      &dispatcher);
  auto audit = auth::AuditLog::Open(
      settings.audit_file, {},
      [&](uint64_t lost, const std::string& why) { own_health.OfAuditLog(lost, why); });
  if (!audit.ok()) return audit.status();
  builtin::AddAuditCommand(audit->get(), &dispatcher);
  if (auto status = dispatcher.PublishBuiltins(); !status.ok()) return status;
  source->OnCommandsChanged([&] { dispatcher.PublishClusterCommands(); });

  command::KeyedRuns keyed_runs(
      &dispatcher, store->get(),
      {.now = [&](const std::string& module) { return supervisor.InstanceOf(module); },
       .when_running =
           [&](const std::string& module, absl::Time deadline,
               absl::AnyInvocable<void(std::string)> then) {
             supervisor.WhenRunning(
                 module, deadline, [then = std::move(then)](auto session) mutable {
                   then(session.ok() ? (*session)->registration().instance() : "");
                 });
           }});
  const builtin::CompletionValues completion_values(subjects);
  rpc::ModuleHostService module_host(&supervisor, &hub, audit->get(), &timers,
                                     settings.relayed_tokens);
  rpc::CallersAtWork callers_at_work;
  rpc::CommandsService commands(
      {.dispatcher = &dispatcher,
       .keyed_runs = &keyed_runs,
       .table = &table,
       .supervisor = &supervisor,
       .source = source.get(),
       .hub = &hub,
       .audit = audit->get(),
       .at_work = &callers_at_work,
       .is_secret_option =
           [&](const std::string& text) {
             const auto key = config::OptionKey::Parse(text);
             if (!key.ok()) return false;
             v1::OptionValue value;
             value.set_name(key->option);
             value.set_value("x");
             return (*config)->Redacted(key->module, value).value() == config::kRedacted;
           },
       .known_values = [&](const auto&... of) { return completion_values.Of(of...); }});
  rpc::ClusterService cluster_service({.state = &cluster,
                                       .structure_parts = &structure_parts,
                                       .daemons = &daemons,
                                       .counters = &counters,
                                       .health = &daemon_health,
                                       .source = source.get(),
                                       .supervisor = &supervisor,
                                       .watches = &watches});
  rpc::NotificationsService notifications(&hub, &cluster);
  rpc::ConfigService config_service(config->get(), source.get());
  rpc::KeyValueService key_value(store->get());
  rpc::HealthService health_service(&health);
  rpc::RemoteService remote(&router, &callers_at_work);
  rpc::ManagerService manager({.manager_id = settings.id,
                               .instance = instance,
                               .version = Product(),
                               .started = started,
                               .supervisor = &supervisor,
                               .dispatcher = &dispatcher,
                               .cluster = &cluster,
                               .source = source.get(),
                               .store = store->get(),
                               .health = &health,
                               .log = &log_history,
                               .events = &events});
  rpc::ProgressService progress_service(&progress);
  rpc::IngestService ingest(take_reports ? &reports : nullptr, settings.source);
  rpc::AuthService auth_service(&entities, audit->get(), &callers_at_work);
  rpc::FutureOrchestratorService orchestrator;

  for (rpc::WithLimitedStreams* service : std::initializer_list<rpc::WithLimitedStreams*>{
           &module_host, &notifications, &config_service, &key_value, &manager, &ingest,
           &auth_service}) {
    service->LimitStreams(&streams);
  }

  if (auto status = source->Start(); !status.ok()) return status;
  dispatcher.PublishClusterCommands();
  if (take_reports) reports.Start(&timers);
  streams.Start(&timers);
  auto server = rpc::Server::Start(
      {.socket = {
           .path = socket,
           .mode = static_cast<mode_t>(settings.socket_mode),
           .users = {settings.local_users.begin(), settings.local_users.end()},
           .module_of = [&](pid_t session) { return supervisor.ModuleOfProcess(session); },
           .is_known = [&](const std::string& name) { return entities.CapsOf(name).has_value(); }},
       .plaintext_tcp = settings.plaintext_tcp,
       .max_message_bytes = settings.max_message_mib << 20,
       .max_calls_per_connection = settings.max_calls_per_connection,
       .dead_peer = absl::Seconds(settings.dead_peer_timeout),
       .streams = &streams,
       .tls = {.listen = settings.listen_tls,
               .directory = settings.tls_dir,
               .trust_domain = settings.trust_domain,
               .revoked = settings.tls_revoked}},
      {.supervisor = &supervisor, .entities = &entities, .audit = audit->get()},
      {{v1::ModuleHost::service_full_name(), &module_host},
       {v1::Commands::service_full_name(), &commands},
       {v1::Auth::service_full_name(), &auth_service},
       {v1::Cluster::service_full_name(), &cluster_service},
       {v1::Notifications::service_full_name(), &notifications},
       {v1::Config::service_full_name(), &config_service},
       {v1::KeyValue::service_full_name(), &key_value},
       {v1::Health::service_full_name(), &health_service},
       {v1::Remote::service_full_name(), &remote},
       {v1::Manager::service_full_name(), &manager},
       {v1::Progress::service_full_name(), &progress_service},
       {v1::Ingest::service_full_name(), &ingest},
       {v1::Orchestrator::service_full_name(), &orchestrator}});
  if (!server.ok()) {
    source->Stop();
    return server.status();
  }
  const std::vector<int>& ports = (*server)->plaintext_ports();
  if (!settings.listen_tls.empty()) {
    log::Get("main").info("serves by TLS on tcp ports {}",
                          absl::StrJoin((*server)->tls_ports(), ", "));
  }
  log::Get("main").info(
      "{} \"{}\" serves on unix:{}{}; source {}, modules in {}", Product(), settings.id, socket,
      ports.empty() ? "" : absl::StrCat(" and tcp ports ", absl::StrJoin(ports, ", ")),
      settings.source, absl::StrJoin(settings.module_path, ":"));
  TellOfManager(v1::EVENT_KIND_MANAGER_STARTED, Product(), &events);
  absl::Status status = supervisor.Start(settings.initial_modules);
  if (status.ok()) {
    (*server)->AcceptLocal();
    ServeUntilSignal(signals, audit->get());
  }
  TellOfManager(v1::EVENT_KIND_MANAGER_STOPPING, Product(), &events);

  stopping = true;
  (*server)->SetServing(false);
  supervisor.Stop();
  reports.Stop();
  structure_parts.Stop();  // ends the calls that wait for it
  (*server)->Shutdown(kServerStop);
  source->Stop();
  // These call the supervisor, which goes before they do.
  processes.Stop();
  timers.Stop();
  unlink(socket.c_str());
  log::Get("main").info("stopped");
  return status;
}

}  // namespace outpost
