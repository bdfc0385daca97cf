#include "server/cluster/sim/sim_structures.h"

#include "absl/strings/str_cat.h"
#include "server/cluster/sim/sim_health.h"

namespace outpost::cluster::sim {
namespace {

void WriteDfStructure(const Cluster& cluster, JsonWriter& out) {
  WriteDf(cluster, DfDetail::kAll, out);
}

// ceph-mgr passes on what the monitors sent: JSON in JSON.
void WriteHealthStructure(const Cluster& cluster, JsonWriter& out) {
  JsonWriter health(JsonWriter::Whole::kWithoutPoint);
  WriteHealth(cluster, /*with_detail=*/true, health);
  out.Object([&] { out.Field("json", health.Take()); });
}

uint64_t Never(const Cluster&) { return 1; }
uint64_t WithTheMap(const Cluster& cluster) { return static_cast<uint64_t>(cluster.epoch); }
// Both only grow, so their sum is new when one of them is.
uint64_t WithUsage(const Cluster& cluster) { return WithTheMap(cluster) + cluster.stats_revision; }

uint64_t WithPings(const Cluster& cluster) {
  return WithTheMap(cluster) + static_cast<uint64_t>(PingMinute(cluster));
}
uint64_t WithOptions(const Cluster& cluster) { return 1 + cluster.options_revision; }

std::string NoEpoch(const Cluster&) { return ""; }
std::string FirstEpoch(const Cluster&) { return "1"; }
std::string OsdMapEpoch(const Cluster& cluster) { return absl::StrCat(cluster.epoch); }

}  // namespace

absl::Span<const Structure> Structures() {
  static constexpr Structure kStructures[] = {
      {"active_clean_pgs", WriteActiveCleanPgs, WithTheMap, NoEpoch},
      {"config", WriteConfig, WithOptions, NoEpoch},
      {"devices", WriteDevices, Never, NoEpoch},
      {"df", WriteDfStructure, WithUsage, NoEpoch},
      {"fs_map", WriteFsMap, Never, FirstEpoch},
      {"have_local_config_map", WriteHaveLocalConfigMap, Never, NoEpoch},
      {"health", WriteHealthStructure, WithUsage, NoEpoch},
      {"io_rate", WriteIoRate, WithUsage, NoEpoch},
      {"mds_metadata", WriteMdsMetadata, Never, NoEpoch},
      {"mgr_ips", WriteMgrIps, Never, NoEpoch},
      {"mgr_map", WriteMgrMap, Never, FirstEpoch},
      {"mgr_metadata", WriteMgrMetadata, Never, NoEpoch},
      {"modified_config_options", WriteModifiedConfigOptions, WithOptions, NoEpoch},
      {"mon_map", WriteMonMap, Never, FirstEpoch},
      {"mon_metadata", WriteMonMetadata, Never, NoEpoch},
      {"mon_status", WriteMonStatus, WithTheMap, NoEpoch},
      {"osd_crush_map_text", WriteOsdCrushMapText, Never, NoEpoch},
      {"osd_map", WriteOsdMap, WithTheMap, OsdMapEpoch},
      {"osd_map_crush", WriteOsdMapCrush, Never, NoEpoch},
      {"osd_map_tree", WriteOsdMapTree, WithTheMap, NoEpoch},
      {"osd_metadata", WriteOsdMetadata, WithTheMap, NoEpoch},
      {"osd_ping_times", WriteOsdPingTimes, WithPings, NoEpoch},
      {"osd_pool_stats", WriteOsdPoolStats, WithUsage, NoEpoch},
      {"osd_stats", WriteOsdStats, WithUsage, NoEpoch},
      {"osdmap_crush_map_text", WriteOsdCrushMapText, Never, NoEpoch},
      {"pg_dump", WritePgDump, WithUsage, NoEpoch},
      {"pg_progress", WritePgProgress, WithUsage, NoEpoch},
      {"pg_ready", WritePgReady, Never, NoEpoch},
      {"pg_stats", WritePgStats, WithUsage, NoEpoch},
      {"pg_status", WritePgStatus, WithUsage, NoEpoch},
      {"pg_summary", WritePgSummary, WithUsage, NoEpoch},
      {"pool_stats", WritePoolStats, WithUsage, NoEpoch},
      {"service_map", WriteServiceMap, Never, NoEpoch},
  };
  return kStructures;
}

bool Structure::figures() const { return revision == WithUsage || revision == WithPings; }

std::string Render(const Structure& structure, const Cluster& cluster) {
  JsonWriter out;
  structure.write(cluster, out);
  return out.Take();
}

}  // namespace outpost::cluster::sim
