// Cluster is the state of a simulated Ceph cluster as plain data: what the
// monitors and OSDs of a real one would know. Model changes it; the structures,
// the health checks and the commands are rendered from it.
//
// **Thread safety.** None of its own: one thread, or const.
//
// **Invariants** (kept by Model).
// 1. osds[i].id == i; the OSDs of a host have consecutive ids.
// 2. epoch grows with each change of flags, OSD states, pools or acting sets,
//    and stats_revision with each change of usage or counters.
// 3. A PG's acting set is the part of its holders that is up.
// 4. OSDs are as full as their usage says, and pools as the fullest OSD: here, all have all.
#ifndef OUTPOST_SERVER_CLUSTER_SIM_SIM_CLUSTER_H_
#define OUTPOST_SERVER_CLUSTER_SIM_SIM_CLUSTER_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace outpost::cluster::sim {

// Ceph's OSD map flags (CEPH_OSDMAP_*).
enum Flag : uint32_t {
  kPauseRd = 1u << 2,
  kPauseWr = 1u << 3,
  kNoUp = 1u << 5,
  kNoDown = 1u << 6,
  kNoOut = 1u << 7,
  kNoIn = 1u << 8,
  kNoBackfill = 1u << 9,
  kNoRecover = 1u << 10,
  kNoScrub = 1u << 11,
  kNoDeepScrub = 1u << 12,
  kNoTierAgent = 1u << 13,
  kNoRebalance = 1u << 14,
  kSortBitwise = 1u << 15,
  kRecoveryDeletes = 1u << 19,
  kPurgedSnapdirs = 1u << 20,
  kNoSnapTrim = 1u << 21,
  kPglogHardlimit = 1u << 22,
};
// Those that are always set in a cluster of this release, and no cause for worry.
inline constexpr uint32_t kUsualFlags =
    kSortBitwise | kRecoveryDeletes | kPurgedSnapdirs | kPglogHardlimit;

// The names of the flags in `flags`, in the order in which Ceph shows them.
std::vector<std::string> FlagNames(uint32_t flags);
// What `osd set <key>` sets; 0: there is no such key. "pause" is two flags.
uint32_t FlagsOfKey(absl::string_view key);

// How full an OSD or a pool is, in the words of Ceph's maps.
enum class Fullness { kNone, kNearFull, kBackfillFull, kFull };
Fullness FullnessOf(double ratio);
// "nearfull"; empty: kNone.
absl::string_view FullnessName(Fullness fullness);

struct Host {
  std::string name;
  std::string ip;
  int bucket = 0;  // its id in the CRUSH map; the id of its shadow is one less
  std::vector<int> osds;
};

struct Osd {
  int id = 0;
  int host = 0;  // index into Cluster::hosts
  std::string uuid;
  bool up = true;
  bool in = true;
  bool auto_out = false;  // out because it was down for long, not by command
  Fullness fullness = Fullness::kNone;
  uint32_t nonce = 0;   // of its addresses: new with each start
  int64_t up_from = 0;  // epochs
  int64_t up_thru = 0;
  int64_t down_at = 0;
  int64_t last_clean_begin = 0;
  int64_t last_clean_end = 0;
  uint64_t total_bytes = 0;
  absl::Time created;
  absl::Time down_since;  // while it is down
  absl::Time boots_at;    // while it is down: when its daemon comes back
};

struct Pg {
  uint32_t seed = 0;         // the number behind the dot of its id
  std::vector<int> up;       // where CRUSH wants it, as far as those are up
  std::vector<int> acting;   // who serves it; the first is the primary
  std::vector<int> holders;  // who has all of it, up or not
  uint64_t copied = 0;       // objects copied so far to those of `up` that lack it
  uint64_t recovered = 0;    // objects ever copied
  std::string state;         // "active+clean"
  int64_t created = 0;       // epochs
  int64_t mapping_epoch = 0;
  int64_t last_epoch_clean = 0;
  absl::Time last_change;
  absl::Time last_clean;
};

// Reads and writes of clients.
struct ClientIo {
  uint64_t reads = 0;
  uint64_t read_bytes = 0;
  uint64_t writes = 0;
  uint64_t write_bytes = 0;

  ClientIo& operator+=(const ClientIo& other);
};

struct Pool {
  int64_t id = 0;
  std::string name;
  int size = 3;
  int min_size = 2;
  std::string application;  // empty: none is enabled
  absl::Time created;
  int64_t last_change = 0;  // epoch
  Fullness fullness = Fullness::kNone;
  uint64_t objects = 0;
  uint64_t wanted_objects = 0;  // around which `objects` drifts
  double filling = 0;           // how many of `objects` clients add each second, up to:
  uint64_t fill_to = 0;
  double read_rate = 0;  // operations a second
  double write_rate = 0;
  ClientIo io;                  // since the pool was created
  ClientIo last_io;             // during the last step
  uint64_t last_recovered = 0;  // objects copied during the last step
  std::vector<Pg> pgs;
};

struct Mon {
  std::string name;
  std::string ip;
};

struct Cluster {
  std::string fsid;
  absl::Time created;
  absl::Time now;
  absl::Time modified;  // of the OSD map
  absl::Time last_up_change;
  absl::Time last_in_change;
  int64_t epoch = 0;
  uint64_t stats_revision = 0;
  absl::Duration last_step;  // how long the last step of the clock was
  uint32_t flags = kUsualFlags;
  bool spread_over_hosts = true;  // replicas on different hosts; else on different OSDs
  int64_t last_pool_id = 0;
  std::vector<Host> hosts;
  std::vector<Osd> osds;
  std::vector<Pool> pools;  // by id
  std::vector<Mon> mons;
  // What was set for daemons ("osd.3", "osd", "global"), by whom and option.
  std::map<std::pair<std::string, std::string>, std::string> options;
  uint64_t options_revision = 0;  // grows with each change of them
};

inline constexpr uint64_t kObjectBytes = 4u << 20;
// Ceph keeps the last twentieth of an OSD free, and warns before.
inline constexpr double kFullRatio = 0.95;
inline constexpr double kBackfillFullRatio = 0.9;
inline constexpr double kNearFullRatio = 0.85;
inline constexpr absl::string_view kVersion =
    "ceph version 16.2.15 (618f440892089921c3e944a991122ddc44e60516) pacific (stable)";
inline constexpr absl::string_view kVersionShort = "16.2.15";
inline constexpr uint64_t kFeatures = 4540138314316775423u;

// Counts of objects. The sums of PGs, pools and OSDs agree with each other.
struct ObjectCounts {
  uint64_t objects = 0;
  uint64_t copies = 0;     // as many as there should be
  uint64_t degraded = 0;   // copies that are missing
  uint64_t misplaced = 0;  // copies that are in the wrong place
  uint64_t recovered = 0;  // copies that were ever made
  uint64_t bytes() const { return objects * kObjectBytes; }

  ObjectCounts& operator+=(const ObjectCounts& other);
};
ObjectCounts CountPg(const Pool& pool, const Pg& pg);
ObjectCounts CountPool(const Pool& pool);

// How many copies of a PG's objects must still be made.
uint64_t CopiesToMake(const Pool& pool, const Pg& pg);

// The words of an OSD in the map, and the flags of a pool, in Ceph's order.
std::vector<std::string> StateNames(const Osd& osd);
std::vector<std::string> FlagNames(const Pool& pool);
uint32_t FlagsOf(const Pool& pool);

// "2.1f"
std::string PgId(const Pool& pool, const Pg& pg);

struct OsdUsage {
  uint64_t pgs = 0;
  uint64_t used_bytes = 0;
};
// By OSD id. An OSD that is out counts for nothing.
std::vector<OsdUsage> CountOsds(const Cluster& cluster);

struct Capacity {
  uint64_t osds = 0;  // that are in
  uint64_t total_bytes = 0;
  uint64_t used_bytes = 0;
  uint64_t available_bytes() const { return total_bytes - used_bytes; }
};
Capacity CountCapacity(const Cluster& cluster);

// How much a pool could still store, in the clients' bytes.
uint64_t MaxAvailable(const Capacity& capacity, const Pool& pool);

int CountUp(const Cluster& cluster);
int CountIn(const Cluster& cluster);
// PGs that are not (only) where CRUSH wants them.
int CountRemapped(const Cluster& cluster);
bool IsRemapped(const Pg& pg);

// nullptr where there is none.
const Pool* FindPool(const Cluster& cluster, absl::string_view name);

// The OSDs that an OSD pings: its neighbours, as far as there are some.
std::vector<int> PingPeers(const Cluster& cluster, const Osd& osd);

// "sda": the disk of an OSD, on its host; and the name that the world over only it has.
std::string DiskName(const Cluster& cluster, const Osd& osd);
std::string DeviceId(const Osd& osd);
std::string DevicePath(const Cluster& cluster, const Osd& osd);

// "2026-01-01T00:00:00.000000+0000", as Ceph writes times.
std::string Stamp(absl::Time time);

}  // namespace outpost::cluster::sim

#endif  // OUTPOST_SERVER_CLUSTER_SIM_SIM_CLUSTER_H_
