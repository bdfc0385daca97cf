#include "server/cluster/sim/sim_daemon_options.h"

namespace outpost::cluster::sim {
namespace {

constexpr DaemonOption kDaemonOptions[] = {
    {"auth_client_required", "cephx, none", "str"},
    {"auth_cluster_required", "cephx", "str"},
    {"auth_service_required", "cephx", "str"},
    {"bluestore_compression_algorithm", "snappy", "str"},
    {"bluestore_compression_mode", "none", "str"},
    {"cluster_network", "", "str"},
    {"debug_mgr", "2/5", "str"},
    {"debug_mon", "1/5", "str"},
    {"debug_osd", "1/5", "str"},
    {"log_to_file", "false", "bool"},
    {"mgr_data", "/var/lib/ceph/mgr/$cluster-$id", "str"},
    {"mgr_stats_period", "5", "int"},
    {"mgr_tick_period", "2", "secs"},
    {"mon_allow_pool_delete", "false", "bool"},
    {"mon_max_pg_per_osd", "250", "uint"},
    {"mon_osd_backfillfull_ratio", "0.900000", "float"},
    {"mon_osd_down_out_interval", "600", "int"},
    {"mon_osd_full_ratio", "0.950000", "float"},
    {"mon_osd_min_in_ratio", "0.750000", "float"},
    {"mon_osd_nearfull_ratio", "0.850000", "float"},
    {"mon_target_pg_per_osd", "100", "uint"},
    {"ms_bind_ipv4", "true", "bool"},
    {"ms_bind_ipv6", "false", "bool"},
    {"osd_heartbeat_grace", "20", "int"},
    {"osd_max_backfills", "1", "uint"},
    {"osd_max_pg_per_osd_hard_ratio", "3.000000", "float"},
    {"osd_memory_target", "4294967296", "size"},
    {"osd_pool_default_min_size", "0", "uint"},
    {"osd_pool_default_pg_autoscale_mode", "on", "str"},
    {"osd_pool_default_pg_num", "32", "uint"},
    {"osd_pool_default_size", "3", "uint"},
    {"osd_recovery_max_active", "0", "uint"},
    {"osd_scrub_begin_hour", "0", "int"},
    {"osd_scrub_end_hour", "0", "int"},
    {"public_network", "", "str"},
    {"rbd_default_features", "61", "str"},
    {"target_max_misplaced_ratio", "0.050000", "float"},
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
