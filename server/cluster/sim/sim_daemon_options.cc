#include "server/cluster/sim/sim_daemon_options.h"

namespace outpost::cluster::sim {
namespace {

constexpr DaemonOption kDaemonOptions[] = {
    {"auth_client_required", "cephx, none"},
    {"auth_cluster_required", "cephx"},
    {"auth_service_required", "cephx"},
    {"bluestore_compression_algorithm", "snappy"},
    {"bluestore_compression_mode", "none"},
    {"cluster_network", ""},
    {"debug_mgr", "2/5"},
    {"debug_mon", "1/5"},
    {"debug_osd", "1/5"},
    {"log_to_file", "false"},
    {"mgr_data", "/var/lib/ceph/mgr/$cluster-$id"},
    {"mgr_stats_period", "5"},
    {"mgr_tick_period", "2"},
    {"mon_allow_pool_delete", "false"},
    {"mon_max_pg_per_osd", "250"},
    {"mon_osd_backfillfull_ratio", "0.900000"},
    {"mon_osd_down_out_interval", "600"},
    {"mon_osd_full_ratio", "0.950000"},
    {"mon_osd_nearfull_ratio", "0.850000"},
    {"mon_target_pg_per_osd", "100"},
    {"ms_bind_ipv4", "true"},
    {"ms_bind_ipv6", "false"},
    {"osd_heartbeat_grace", "20"},
    {"osd_max_backfills", "1"},
    {"osd_max_pg_per_osd_hard_ratio", "3.000000"},
    {"osd_memory_target", "4294967296"},
    {"osd_pool_default_min_size", "0"},
    {"osd_pool_default_pg_autoscale_mode", "on"},
    {"osd_pool_default_pg_num", "32"},
    {"osd_pool_default_size", "3"},
    {"osd_recovery_max_active", "0"},
    {"osd_scrub_begin_hour", "0"},
    {"osd_scrub_end_hour", "0"},
    {"public_network", ""},
    {"rbd_default_features", "61"},
    {"target_max_misplaced_ratio", "0.050000"},
};

}  // namespace

absl::Span<const DaemonOption> DaemonOptions() { return kDaemonOptions; }

const DaemonOption* FindDaemonOption(absl::string_view name) {
  for (const DaemonOption& option : kDaemonOptions) {
    if (option.name == name) return &option;
  }
  return nullptr;
}

std::vector<std::string> OptionSections(absl::string_view who) {
  if (who == "global") return {"global"};
  const absl::string_view type = who.substr(0, who.find('.'));
  for (const absl::string_view known : {"mon", "mgr", "osd", "mds", "client"}) {
    if (type != known) continue;
    if (who == type) return {std::string(type), "global"};
    if (who.size() == type.size() + 1) break;  // "osd."
    return {std::string(who), std::string(type), "global"};
  }
  return {};
}

}  // namespace outpost::cluster::sim
