#include "server/cluster/sim/sim_cluster.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace outpost::cluster::sim {
namespace {

// An OSD's own needs: its journal and its map of objects.
constexpr uint64_t kOsdOverheadBytes = 64u << 20;
constexpr int kPingPeers = 10;

struct NamedFlag {
  uint32_t flag;
  const char* name;
};
// In the order in which Ceph shows them.
constexpr NamedFlag kFlags[] = {
    {kPauseRd, "pauserd"},
    {kPauseWr, "pausewr"},
    {kNoUp, "noup"},
    {kNoDown, "nodown"},
    {kNoOut, "noout"},
    {kNoIn, "noin"},
    {kNoBackfill, "nobackfill"},
    {kNoRebalance, "norebalance"},
    {kNoRecover, "norecover"},
    {kNoScrub, "noscrub"},
    {kNoDeepScrub, "nodeep-scrub"},
    {kNoTierAgent, "notieragent"},
    {kNoSnapTrim, "nosnaptrim"},
    {kSortBitwise, "sortbitwise"},
    {kRecoveryDeletes, "recovery_deletes"},
    {kPurgedSnapdirs, "purged_snapdirs"},
    {kPglogHardlimit, "pglog_hardlimit"},
};

bool Contains(const std::vector<int>& list, int value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

uint64_t ObjectsIn(const Pool& pool, const Pg& pg) {
  return pool.objects / pool.pgs.size() + (pg.seed < pool.objects % pool.pgs.size() ? 1 : 0);
}

}  // namespace

std::vector<std::string> FlagNames(uint32_t flags) {
  std::vector<std::string> names;
  for (const NamedFlag& named : kFlags) {
    if ((flags & named.flag) != 0) names.emplace_back(named.name);
  }
  return names;
}

uint32_t FlagsOfKey(absl::string_view key) {
  if (key == "pause") return kPauseRd | kPauseWr;
  for (const NamedFlag& named : kFlags) {
    if (key == named.name && (named.flag & (kUsualFlags | kPauseRd | kPauseWr)) == 0) {
      return named.flag;
    }
  }
  return 0;
}

ClientIo& ClientIo::operator+=(const ClientIo& other) {
  reads += other.reads;
  read_bytes += other.read_bytes;
  writes += other.writes;
  write_bytes += other.write_bytes;
  return *this;
}

ObjectCounts& ObjectCounts::operator+=(const ObjectCounts& other) {
  objects += other.objects;
  copies += other.copies;
  degraded += other.degraded;
  misplaced += other.misplaced;
  recovered += other.recovered;
  return *this;
}

uint64_t CopiesToMake(const Pool& pool, const Pg& pg) {
  const auto lacking = std::count_if(pg.up.begin(), pg.up.end(),
                                     [&pg](int osd) { return !Contains(pg.holders, osd); });
  const uint64_t copies = ObjectsIn(pool, pg) * static_cast<uint64_t>(lacking);
  return copies - std::min(copies, pg.copied);
}

ObjectCounts CountPg(const Pool& pool, const Pg& pg) {
  ObjectCounts counts;
  const auto size = static_cast<uint64_t>(pool.size);
  counts.objects = ObjectsIn(pool, pg);
  counts.copies = counts.objects * size;
  counts.recovered = pg.recovered;
  if (pg.acting.size() < size) {
    const uint64_t missing = counts.objects * (size - pg.acting.size());
    counts.degraded = missing - std::min(missing, pg.copied);
  } else {
    counts.misplaced = CopiesToMake(pool, pg);
  }
  return counts;
}

ObjectCounts CountPool(const Pool& pool) {
  ObjectCounts counts;
  for (const Pg& pg : pool.pgs) counts += CountPg(pool, pg);
  return counts;
}

std::string PgId(const Pool& pool, const Pg& pg) {
  return absl::StrFormat("%d.%x", pool.id, pg.seed);
}

Fullness FullnessOf(double ratio) {
  return ratio >= kFullRatio           ? Fullness::kFull
         : ratio >= kBackfillFullRatio ? Fullness::kBackfillFull
         : ratio >= kNearFullRatio     ? Fullness::kNearFull
                                       : Fullness::kNone;
}

absl::string_view FullnessName(Fullness fullness) {
  static constexpr absl::string_view kNames[] = {"", "nearfull", "backfillfull", "full"};
  return kNames[static_cast<size_t>(fullness)];
}

std::vector<std::string> StateNames(const Osd& osd) {
  std::vector<std::string> names = {"exists"};
  if (osd.auto_out) names.emplace_back("autoout");
  if (osd.up) names.emplace_back("up");
  if (osd.fullness != Fullness::kNone) names.emplace_back(FullnessName(osd.fullness));
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> FlagNames(const Pool& pool) {
  std::vector<std::string> names = {"hashpspool"};
  if (pool.fullness != Fullness::kNone) names.emplace_back(FullnessName(pool.fullness));
  return names;
}

uint32_t FlagsOf(const Pool& pool) {
  static constexpr uint32_t kFlags[] = {0, 1u << 11, 1u << 12, 1u << 1};
  return 1u | kFlags[static_cast<size_t>(pool.fullness)];
}

std::vector<OsdUsage> CountOsds(const Cluster& cluster) {
  std::vector<OsdUsage> usages(cluster.osds.size());
  for (const Osd& osd : cluster.osds) {
    if (osd.in) usages[osd.id].used_bytes = kOsdOverheadBytes;
  }
  for (const Pool& pool : cluster.pools) {
    for (const Pg& pg : pool.pgs) {
      for (const int osd : pg.acting) ++usages[osd].pgs;
      for (const int osd : pg.holders) {
        if (!cluster.osds[osd].in) continue;
        usages[osd].used_bytes += ObjectsIn(pool, pg) * kObjectBytes;
      }
    }
  }
  for (const Osd& osd : cluster.osds) {
    usages[osd.id].used_bytes = std::min(usages[osd.id].used_bytes, osd.total_bytes);
  }
  return usages;
}

Capacity CountCapacity(const Cluster& cluster) {
  Capacity capacity;
  const std::vector<OsdUsage> usages = CountOsds(cluster);
  for (const Osd& osd : cluster.osds) {
    if (!osd.in) continue;
    ++capacity.osds;
    capacity.total_bytes += osd.total_bytes;
    capacity.used_bytes += usages[osd.id].used_bytes;
  }
  return capacity;
}

uint64_t MaxAvailable(const Capacity& capacity, const Pool& pool) {
  return static_cast<uint64_t>(static_cast<double>(capacity.available_bytes()) * kFullRatio) /
         static_cast<uint64_t>(pool.size);
}

int CountUp(const Cluster& cluster) {
  return static_cast<int>(std::count_if(cluster.osds.begin(), cluster.osds.end(),
                                        [](const Osd& osd) { return osd.up; }));
}

int CountIn(const Cluster& cluster) {
  return static_cast<int>(std::count_if(cluster.osds.begin(), cluster.osds.end(),
                                        [](const Osd& osd) { return osd.in; }));
}

bool IsRemapped(const Pg& pg) {
  return !pg.acting.empty() &&
         !std::is_permutation(pg.acting.begin(), pg.acting.end(), pg.up.begin(), pg.up.end());
}

int CountRemapped(const Cluster& cluster) {
  int remapped = 0;
  for (const Pool& pool : cluster.pools) {
    remapped += static_cast<int>(std::count_if(pool.pgs.begin(), pool.pgs.end(), IsRemapped));
  }
  return remapped;
}

const Pool* FindPool(const Cluster& cluster, absl::string_view name) {
  for (const Pool& pool : cluster.pools) {
    if (absl::string_view(pool.name) == name) return &pool;
  }
  return nullptr;
}

std::vector<int> PingPeers(const Cluster& cluster, const Osd& osd) {
  std::vector<int> peers;
  const auto count = static_cast<int>(cluster.osds.size());
  for (int i = 1; i <= std::min(count - 1, kPingPeers); ++i) peers.push_back((osd.id + i) % count);
  return peers;
}

std::string DiskName(const Cluster& cluster, const Osd& osd) {
  // Ceph's hosts name their disks sda … sdz, sdaa …
  std::string letters;
  for (int n = osd.id - cluster.hosts[osd.host].osds.front(); n >= 0; n = n / 26 - 1) {
    letters.insert(letters.begin(), static_cast<char>('a' + n % 26));
  }
  return absl::StrCat("sd", letters);
}

std::string DeviceId(const Osd& osd) { return absl::StrCat("SIM_DISK_", osd.id); }

std::string DevicePath(const Cluster& cluster, const Osd& osd) {
  const int slot = osd.id - cluster.hosts[osd.host].osds.front();
  return absl::StrCat("/dev/disk/by-path/pci-0000:00:17.0-ata-", slot + 1);
}

std::string Stamp(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6S+0000", time, absl::UTCTimeZone());
}

}  // namespace outpost::cluster::sim
