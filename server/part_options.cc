#include "server/part_options.h"

#include <algorithm>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "outpost/version.h"
#include "server/cluster/ceph/ceph_source.h"
#include "server/cluster/report/report_source.h"
#include "server/cluster/sim/sim_source.h"
#include "server/host_address.h"

namespace outpost {

std::string Product() { return absl::StrCat("outpost ", kVersion); }

log::Settings LogSettings(const Settings& settings) {
  log::Settings result;
  result.file = settings.log_file;
  for (const std::string& word : settings.log_levels) {
    const std::vector<std::string> parts = absl::StrSplit(word, absl::MaxSplits('=', 1));
    if (parts.size() == 1) {
      result.level = parts[0];
    } else {
      result.levels[parts[0]] = parts[1];
    }
  }
  return result;
}

std::unique_ptr<cluster::Source> MakeSource(const Settings& settings, cluster::ClusterState* state,
                                            cluster::PerfCounters* counters) {
  if (settings.source == "ceph") {
    cluster::ceph::CephOptions options;
    options.conf_file = settings.ceph_conf;
    options.name = settings.ceph_name;
    options.keyring = settings.ceph_keyring;
    return std::make_unique<cluster::ceph::CephSource>(std::move(options), state, counters);
  }
  if (settings.source == "report") return std::make_unique<cluster::report::ReportSource>(state);
  cluster::sim::SimOptions options;
  options.osds = settings.sim_osds;
  options.seed = settings.sim_seed;
  options.speed = settings.sim_speed;
  options.script = settings.sim_script;
  return std::make_unique<cluster::sim::SimSource>(options, *state, *counters);
}

cluster::report::ReportOptions ReportOptionsOf(const Settings& settings,
                                               const std::string& manager_instance) {
  cluster::report::ReportOptions options;
  options.interval = absl::Seconds(settings.report_interval);
  options.lease = absl::Seconds(settings.report_lease);
  options.stale_time = absl::Seconds(settings.report_drop_after - settings.report_lease);
  options.min_priority = static_cast<uint32_t>(settings.report_min_priority);
  options.max_lag = absl::Seconds(settings.report_max_lag);
  options.max_interval = absl::Seconds(settings.report_max_interval);
  options.max_daemons = static_cast<size_t>(settings.report_max_daemons);
  const uint64_t largest = uint64_t{static_cast<unsigned>(settings.max_message_mib)} << 20;
  options.max_message_bytes = std::min(options.max_message_bytes, largest);
  options.max_structure_bytes = std::min(options.max_structure_bytes, largest - largest / 16);
  options.manager_instance = manager_instance;
  if (settings.source != "report") options.beside = settings.source;
  return options;
}

rpc::OpenStreams::Limits StreamLimitsOf(const Settings& settings) {
  return {.sessions = static_cast<size_t>(settings.max_sessions),
          .streams = static_cast<size_t>(settings.max_streams),
          .streams_per_peer = static_cast<size_t>(settings.max_streams_per_peer),
          .slow_reader = absl::Seconds(settings.slow_reader_timeout),
          .first_message = absl::Seconds(settings.first_message_timeout)};
}

module::SupervisorOptions SupervisorOptionsOf(const Settings& settings,
                                              const std::string& manager_instance,
                                              const std::string& address) {
  module::SupervisorOptions options;
  options.manager_id = settings.id;
  options.manager_instance = manager_instance;
  options.manager_version = Product();
  options.address = address;
  options.log_file = settings.log_file;
  options.manager_ip = HostAddress();
  options.host = HostName();
  options.run_directory = settings.run_dir;
  options.module_path = settings.module_path;
  options.python = {.interpreter = settings.python, .sdk_directory = settings.python_path};
  if (settings.source == "ceph") {  // for a module that connects to the cluster itself
    options.environment = {{"OUTPOST_CEPH_CONF", settings.ceph_conf},
                           {"OUTPOST_CEPH_NAME", settings.ceph_name}};
    if (!settings.ceph_keyring.empty()) {
      options.environment["OUTPOST_CEPH_KEYRING"] = settings.ceph_keyring;
    }
  }
  options.policy.ready_timeout = absl::Seconds(settings.ready_timeout);
  options.policy.shutdown_grace = absl::Seconds(settings.shutdown_grace);
  options.module_settings = settings.module_settings;
  const unsigned processors = std::max(1U, std::thread::hardware_concurrency());
  options.turns.at_once = settings.max_starting > 0 ? static_cast<size_t>(settings.max_starting)
                                                    : std::max(2U, processors) - 1;
  options.turns.per_second =
      settings.starts_per_second > 0 ? settings.starts_per_second : 2.0 * processors;
  options.registrations_per_second = settings.registrations_per_second;
  options.heartbeat_interval = absl::Seconds(settings.heartbeat_interval);
  return options;
}

}  // namespace outpost
