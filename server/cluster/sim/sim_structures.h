// The structures of a simulated cluster as JSON, in the shape in which ceph-mgr
// 16.2 gives them to its modules.
#ifndef OUTPOST_SERVER_CLUSTER_SIM_SIM_STRUCTURES_H_
#define OUTPOST_SERVER_CLUSTER_SIM_SIM_STRUCTURES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "server/cluster/sim/json_writer.h"
#include "server/cluster/sim/sim_cluster.h"

namespace outpost::cluster::sim {

// One structure and when it must be rendered again.
struct Structure {
  const char* name;
  void (*write)(const Cluster&, JsonWriter&);
  // Grows when the text may have changed; a text whose revision is the same has not.
  uint64_t (*revision)(const Cluster&);
  // Whether it changes with each step of time: most of the work of a big cluster.
  bool figures() const;
  // Its own epoch, or empty.
  std::string (*id)(const Cluster&);
};

// All of them.
absl::Span<const Structure> Structures();

std::string Render(const Structure& structure, const Cluster& cluster);

// Each of them.
void WriteOsdMap(const Cluster& cluster, JsonWriter& out);
void WriteOsdMapTree(const Cluster& cluster, JsonWriter& out);
void WriteOsdMapCrush(const Cluster& cluster, JsonWriter& out);
void WriteMonMetadata(const Cluster& cluster, JsonWriter& out);
void WriteMgrMetadata(const Cluster& cluster, JsonWriter& out);
void WriteMdsMetadata(const Cluster& cluster, JsonWriter& out);
void WriteOsdMetadata(const Cluster& cluster, JsonWriter& out);
void WritePgSummary(const Cluster& cluster, JsonWriter& out);
void WritePgStats(const Cluster& cluster, JsonWriter& out);
void WriteOsdStats(const Cluster& cluster, JsonWriter& out);
void WritePoolStats(const Cluster& cluster, JsonWriter& out);
void WriteIoRate(const Cluster& cluster, JsonWriter& out);
void WritePgDump(const Cluster& cluster, JsonWriter& out);
void WritePgStatus(const Cluster& cluster, JsonWriter& out);
void WritePgReady(const Cluster& cluster, JsonWriter& out);
void WritePgProgress(const Cluster& cluster, JsonWriter& out);
void WriteActiveCleanPgs(const Cluster& cluster, JsonWriter& out);
void WriteOsdPoolStats(const Cluster& cluster, JsonWriter& out);
void WriteOsdPingTimes(const Cluster& cluster, JsonWriter& out);
void WriteOsdCrushMapText(const Cluster& cluster, JsonWriter& out);
void WriteConfig(const Cluster& cluster, JsonWriter& out);
void WriteModifiedConfigOptions(const Cluster& cluster, JsonWriter& out);
void WriteHaveLocalConfigMap(const Cluster& cluster, JsonWriter& out);
void WriteMgrIps(const Cluster& cluster, JsonWriter& out);
void WriteDevices(const Cluster& cluster, JsonWriter& out);
void WriteMonMap(const Cluster& cluster, JsonWriter& out);
void WriteMonStatus(const Cluster& cluster, JsonWriter& out);
void WriteMgrMap(const Cluster& cluster, JsonWriter& out);
void WriteFsMap(const Cluster& cluster, JsonWriter& out);
void WriteServiceMap(const Cluster& cluster, JsonWriter& out);

// The sums of the PGs that `status` and pg_status have: members of an object.
void WritePgMapSummary(const Cluster& cluster, JsonWriter& out);

// OSDs' ping times are new each simulated minute: which one it is.
int64_t PingMinute(const Cluster& cluster);

// How much of a pool's usage `df` tells.
enum class DfDetail { kLess, kAll };
void WriteDf(const Cluster& cluster, DfDetail detail, JsonWriter& out);

// A pool as osd_map has it.
void WritePool(const Pool& pool, JsonWriter& out);

// The items below a bucket of the CRUSH tree in the order in which Ceph shows them:
// hosts by name, OSDs by id.
std::vector<const Host*> HostsInOrder(const Cluster& cluster);

// CRUSH weights: TiB, and the 16.16 fixed-point numbers that Ceph keeps them in.
uint32_t CrushWeight(const Osd& osd);
double CrushWeightInTib(uint32_t weight);

// The four messengers of an OSD, in the order public, cluster, heartbeat front, heartbeat back.
enum class Messenger { kPublic = 0, kCluster = 1, kHeartbeatFront = 2, kHeartbeatBack = 3 };
// "[v2:10.1.0.1:6802/4711,v1:10.1.0.1:6803/4711]"
std::string AddrVec(const Cluster& cluster, const Osd& osd, Messenger messenger);

}  // namespace outpost::cluster::sim

#endif  // OUTPOST_SERVER_CLUSTER_SIM_SIM_STRUCTURES_H_
