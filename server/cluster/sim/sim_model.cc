#include "server/cluster/sim/sim_model.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "server/cluster/sim/sim_placement.h"

namespace outpost::cluster::sim {
namespace {

constexpr uint64_t kOsdBytes = uint64_t{1} << 40;
constexpr uint64_t kOsdObjects = kOsdBytes / kObjectBytes;
constexpr double kInitialUsage = 0.3;                           // of the raw capacity
constexpr double kReadsPerOsd = 12;                             // a second
constexpr double kWritesPerOsd = 6;                             // a second
constexpr uint64_t kReadBytes = 64u << 10;                      // an operation
constexpr uint64_t kWriteBytes = 16u << 10;                     // an operation
constexpr absl::Duration kDownOutInterval = absl::Minutes(10);  // mon_osd_down_out_interval
constexpr uint32_t kNonces = 4096;                              // the first one of a daemon

bool Contains(const std::vector<int>& list, int value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

int DefaultHosts(int osds) { return osds <= 3 ? osds : std::max(3, (osds + 9) / 10); }

int MinSize(int size) { return size - size / 2; }

}  // namespace

int DefaultPoolSize(const Cluster& cluster) {
  return std::min(3, static_cast<int>(cluster.osds.size()));
}

Model::Model(const SimOptions& options)
    : random_(options.seed), failures_per_hour_(options.failures_per_hour) {
  cluster_.fsid = RandomUuid();
  cluster_.created = options.start;
  cluster_.now = options.start;
  BuildHosts(options.hosts > 0 ? options.hosts : DefaultHosts(options.osds));
  BuildOsds(options);
  BuildPools(options);
  cluster_.modified = cluster_.now;
  cluster_.last_up_change = cluster_.now;
  cluster_.last_in_change = cluster_.now;
  cluster_.stats_revision = 1;
}

// The library's distributions differ between implementations; its engines do not.
double Model::Random() { return static_cast<double>(random_() >> 11) * 0x1p-53; }

absl::Duration Model::RandomDuration(double least, double most) {
  return absl::Microseconds(static_cast<int64_t>((least + (most - least) * Random()) * 1e6));
}

std::string Model::RandomUuid() {
  const uint64_t a = random_();
  const uint64_t b = random_();
  return absl::StrFormat("%08x-%04x-4%03x-%04x-%012x", a >> 32, (a >> 16) & 0xffff, a & 0xfff,
                         0x8000 | ((b >> 48) & 0x3fff), b & 0xffffffffffffu);
}

void Model::BuildHosts(int hosts) {
  for (int i = 0; i < hosts; ++i) {
    Host host;
    host.name = absl::StrCat("host", i + 1);
    host.ip = absl::StrCat("10.", 1 + i / 62500, ".", i / 250 % 250, ".", 1 + i % 250);
    host.bucket = -3 - 2 * i;
    cluster_.hosts.push_back(std::move(host));
  }
  for (int i = 0; i < std::min(3, hosts); ++i) {
    cluster_.mons.push_back({std::string(1, static_cast<char>('a' + i)), cluster_.hosts[i].ip});
  }
}

void Model::BuildOsds(const SimOptions& options) {
  const auto hosts = static_cast<int64_t>(cluster_.hosts.size());
  for (int i = 0; i < options.osds; ++i) {
    Osd osd;
    osd.id = i;
    osd.host = static_cast<int>(i * hosts / options.osds);
    osd.uuid = RandomUuid();
    osd.nonce = kNonces + static_cast<uint32_t>(random_() % kNonces);
    osd.up_from = 5 + i;
    osd.total_bytes = kOsdBytes;
    osd.created = cluster_.created;
    cluster_.hosts[osd.host].osds.push_back(i);
    cluster_.osds.push_back(std::move(osd));
  }
  cluster_.epoch = 5 + options.osds;
  for (Osd& osd : cluster_.osds) osd.up_thru = cluster_.epoch;
  cluster_.spread_over_hosts = hosts >= DefaultPoolSize(cluster_);
}

void Model::BuildPools(const SimOptions& options) {
  static constexpr const char* kFirstNames[] = {"rbd", "volumes"};
  const auto osds = static_cast<double>(options.osds);
  for (int i = 0; i < options.pools; ++i) {
    CreatePool(i < 2 ? kFirstNames[i] : absl::StrCat("pool", i + 1), options.pg_num,
               DefaultPoolSize(cluster_));
    Pool& pool = cluster_.pools.back();
    const double share = 1.0 / options.pools;
    pool.application = "rbd";
    pool.objects = static_cast<uint64_t>(osds * static_cast<double>(kOsdObjects) * kInitialUsage *
                                         share / pool.size);
    pool.wanted_objects = pool.objects;
    pool.read_rate = osds * kReadsPerOsd * share * (0.5 + Random());
    pool.write_rate = osds * kWritesPerOsd * share * (0.5 + Random());
    for (Pg& pg : pool.pgs) UpdateState(pool, pg);
  }
}

void Model::Advance(absl::Duration step) {
  if (step <= absl::ZeroDuration()) return;
  cluster_.now += step;
  cluster_.last_step = step;
  StepClients(step);
  bool changed = StepDaemons(step);
  if (changed) PlaceAll();
  changed = StepRecovery(step) || changed;
  changed = StepFullness() || changed;
  if (changed) NewEpoch();
  ++cluster_.stats_revision;
}

void Model::SetFlags(uint32_t flags) {
  if ((cluster_.flags & flags) == flags) return;
  cluster_.flags |= flags;
  NewEpoch();
}

void Model::ClearFlags(uint32_t flags) {
  if ((cluster_.flags & flags) == 0) return;
  cluster_.flags &= ~flags;
  NewEpoch();
}

void Model::MarkOut(const std::vector<int>& osds) {
  bool changed = false;
  for (const int id : osds) {
    Osd& osd = cluster_.osds[id];
    changed = changed || osd.in;
    osd.in = false;
    osd.auto_out = false;
  }
  if (!changed) return;
  cluster_.last_in_change = cluster_.now;
  PlaceAll();
  NewEpoch();
}

void Model::MarkIn(const std::vector<int>& osds) {
  bool changed = false;
  for (const int id : osds) {
    Osd& osd = cluster_.osds[id];
    changed = changed || !osd.in;
    osd.in = true;
    osd.auto_out = false;
  }
  if (!changed) return;
  cluster_.last_in_change = cluster_.now;
  PlaceAll();
  NewEpoch();
}

void Model::MarkDown(const std::vector<int>& osds) {
  bool changed = false;
  for (const int id : osds) {
    if (!cluster_.osds[id].up) continue;
    changed = true;
    // Its daemon lives, and says so as soon as it learns what is thought of it.
    TakeDown(cluster_.osds[id], RandomDuration(1, 3));
  }
  if (!changed) return;
  PlaceAll();
  NewEpoch();
}

void Model::FailOsds(const std::vector<int>& osds, absl::Duration time) {
  if ((cluster_.flags & kNoDown) != 0) return;
  bool changed = false;
  for (const int id : osds) {
    if (!cluster_.osds[id].up) continue;
    changed = true;
    TakeDown(cluster_.osds[id], time);
  }
  if (!changed) return;
  PlaceAll();
  NewEpoch();
}

void Model::StartOsds(const std::vector<int>& osds) {
  for (const int id : osds) {
    if (!cluster_.osds[id].up) cluster_.osds[id].boots_at = cluster_.now;
  }
}

void Model::FillPool(absl::string_view name, double share, absl::Duration time) {
  for (Pool& pool : cluster_.pools) {
    if (pool.name != name) continue;
    // Of the raw capacity that others do not use, less what Ceph keeps free, as MaxAvailable.
    const Capacity capacity = CountCapacity(cluster_);
    const auto copies = static_cast<double>(CountPool(pool).copies) * kObjectBytes;
    const double room = std::max(0.0, static_cast<double>(capacity.available_bytes()) + copies);
    const double used = kFullRatio * share * room / (1 - (1 - kFullRatio) * share);
    pool.fill_to = static_cast<uint64_t>(used / static_cast<double>(kObjectBytes) / pool.size);
    const double objects = static_cast<double>(pool.fill_to) - static_cast<double>(pool.objects);
    pool.filling = objects / std::max(1.0, absl::ToDoubleSeconds(time));
  }
}

void Model::StepFilling(Pool& pool, absl::Duration step) {
  if (pool.filling == 0) return;
  const double left = static_cast<double>(pool.fill_to) - static_cast<double>(pool.objects);
  const double made = pool.filling * absl::ToDoubleSeconds(step);
  if (std::abs(made) >= std::abs(left)) {
    pool.objects = pool.fill_to;
    pool.filling = 0;
  } else {
    pool.objects = static_cast<uint64_t>(static_cast<int64_t>(pool.objects) + std::llround(made));
  }
  pool.wanted_objects = pool.objects;
}

void Model::CreatePool(absl::string_view name, int pg_num, int size) {
  Pool pool;
  pool.id = ++cluster_.last_pool_id;
  pool.name = std::string(name);
  pool.size = size;
  pool.min_size = MinSize(size);
  pool.created = cluster_.now;
  pool.last_change = cluster_.epoch + 1;
  pool.pgs.resize(static_cast<size_t>(pg_num));
  for (size_t i = 0; i < pool.pgs.size(); ++i) {
    Pg& pg = pool.pgs[i];
    pg.seed = static_cast<uint32_t>(i);
    pg.created = cluster_.epoch + 1;
  }
  cluster_.pools.push_back(std::move(pool));
  PlaceAll();
  NewEpoch();
  ++cluster_.stats_revision;
}

void Model::RemovePool(int64_t id) {
  const auto removed = std::remove_if(cluster_.pools.begin(), cluster_.pools.end(),
                                      [id](const Pool& pool) { return pool.id == id; });
  if (removed == cluster_.pools.end()) return;
  cluster_.pools.erase(removed, cluster_.pools.end());
  NewEpoch();
  ++cluster_.stats_revision;
}

void Model::TakeDown(Osd& osd, absl::Duration for_how_long) {
  osd.up = false;
  osd.down_at = cluster_.epoch + 1;
  osd.last_clean_begin = osd.up_from;
  osd.last_clean_end = cluster_.epoch;
  osd.down_since = cluster_.now;
  osd.boots_at = cluster_.now + for_how_long;
  cluster_.last_up_change = cluster_.now;
}

bool Model::StepDaemons(absl::Duration step) {
  bool changed = false;
  for (Osd& osd : cluster_.osds) {
    if (osd.up) continue;
    if (cluster_.now >= osd.boots_at && (cluster_.flags & kNoUp) == 0) {
      osd.up = true;
      osd.up_from = cluster_.epoch + 1;
      osd.nonce += 1;
      cluster_.last_up_change = cluster_.now;
      changed = true;
      if (osd.auto_out && (cluster_.flags & kNoIn) == 0) {
        osd.in = true;
        osd.auto_out = false;
        cluster_.last_in_change = cluster_.now;
      }
    } else if (osd.in && (cluster_.flags & kNoOut) == 0 &&
               cluster_.now - osd.down_since >= kDownOutInterval) {
      osd.in = false;
      osd.auto_out = true;
      cluster_.last_in_change = cluster_.now;
      changed = true;
    }
  }
  // At most one failure a step, and always as many draws, so that what comes next
  // does not depend on which flags are set.
  const double expected = failures_per_hour_ * absl::ToDoubleHours(step);
  const bool fails = Random() < 1 - std::exp(-expected);
  Osd& unlucky = cluster_.osds[random_() % cluster_.osds.size()];
  const absl::Duration for_how_long = RandomDuration(30, 1200);
  if (fails && unlucky.up && (cluster_.flags & kNoDown) == 0) {
    TakeDown(unlucky, for_how_long);
    changed = true;
  }
  return changed;
}

void Model::StepClients(absl::Duration step) {
  const double seconds = absl::ToDoubleSeconds(step);
  for (Pool& pool : cluster_.pools) {
    pool.last_io = ClientIo{};
    StepFilling(pool, step);
    if (pool.application.empty()) continue;
    // A random walk, which a pull to the middle keeps from running away.
    const auto osds = static_cast<double>(cluster_.osds.size());
    const double middle = osds * kWritesPerOsd / static_cast<double>(cluster_.pools.size());
    pool.write_rate += 0.1 * (middle - pool.write_rate) + 0.2 * middle * (Random() - 0.5);
    pool.read_rate += 0.1 * (2 * middle - pool.read_rate) + 0.4 * middle * (Random() - 0.5);
    const double drift = Random();
    if ((cluster_.flags & kPauseRd) == 0) {
      pool.last_io.reads = static_cast<uint64_t>(pool.read_rate * seconds);
      pool.last_io.read_bytes = pool.last_io.reads * kReadBytes;
    }
    if ((cluster_.flags & kPauseWr) == 0 && pool.fullness != Fullness::kFull) {
      pool.last_io.writes = static_cast<uint64_t>(pool.write_rate * seconds);
      pool.last_io.write_bytes = pool.last_io.writes * kWriteBytes;
    }
    pool.io += pool.last_io;
    // One write in twenty makes an object or removes one; near a quarter more (or
    // less) than wanted it nearly always removes (or makes) one.
    const auto wanted = static_cast<double>(std::max<uint64_t>(pool.wanted_objects, 1));
    const double excess = (static_cast<double>(pool.objects) - wanted) / (0.25 * wanted);
    const double change = 0.05 * static_cast<double>(pool.last_io.writes) *
                          std::clamp(2 * drift - 1 - excess, -1.0, 1.0);
    pool.objects = static_cast<uint64_t>(
        std::max<int64_t>(0, static_cast<int64_t>(pool.objects) + std::llround(change)));
  }
}

bool Model::StepFullness() {
  bool changed = false;
  Fullness fullest = Fullness::kNone;
  const std::vector<OsdUsage> usages = CountOsds(cluster_);
  for (Osd& osd : cluster_.osds) {
    // One that is down does not say.
    if (osd.up) {
      const Fullness fullness =
          FullnessOf(static_cast<double>(usages[static_cast<size_t>(osd.id)].used_bytes) /
                     static_cast<double>(osd.total_bytes));
      changed = changed || osd.fullness != fullness;
      osd.fullness = fullness;
    }
    if (osd.in) fullest = std::max(fullest, osd.fullness);
  }
  for (Pool& pool : cluster_.pools) {
    if (pool.fullness == fullest) continue;
    pool.fullness = fullest;
    pool.last_change = cluster_.epoch + 1;
    changed = true;
  }
  return changed;
}

bool Model::MayCopy(const Pool& pool, const Pg& pg) const {
  if ((cluster_.flags & (kNoBackfill | kNoRecover)) != 0) return false;
  const bool degraded = pg.acting.size() < static_cast<size_t>(pool.size);
  return degraded || (cluster_.flags & kNoRebalance) == 0;
}

bool Model::StepRecovery(absl::Duration step) {
  const double seconds = absl::ToDoubleSeconds(step);
  bool changed = false;
  for (Pool& pool : cluster_.pools) {
    pool.last_recovered = 0;
    for (Pg& pg : pool.pgs) {
      if (pg.acting.empty() || !IsRemapped(pg) || !MayCopy(pool, pg)) continue;
      const uint64_t to_make = CopiesToMake(pool, pg);
      // A hundred objects a second, and a big PG in about five minutes.
      const double objects = static_cast<double>(CountPg(pool, pg).objects);
      pg.copied += static_cast<uint64_t>(std::max(100.0, objects / 300) * seconds);
      const uint64_t left = CopiesToMake(pool, pg);
      pg.recovered += to_make - left;
      pool.last_recovered += to_make - left;
      if (left > 0) continue;
      pg.holders = pg.up;
      pg.acting = pg.up;
      pg.copied = 0;
      UpdateState(pool, pg);
      changed = true;
    }
  }
  return changed;
}

void Model::PlaceAll() {
  const auto is_down = [this](int osd) { return !cluster_.osds[osd].up; };
  for (Pool& pool : cluster_.pools) {
    for (Pg& pg : pool.pgs) {
      std::vector<int> up = Place(cluster_, pool, pg);
      std::erase_if(up, is_down);
      if (pg.holders.empty()) pg.holders = up;  // a new PG has nothing to copy
      std::vector<int> acting;
      for (const int osd : up) {
        if (Contains(pg.holders, osd)) acting.push_back(osd);
      }
      for (const int osd : pg.holders) {
        const bool full = acting.size() >= static_cast<size_t>(pool.size);
        if (!full && !is_down(osd) && !Contains(acting, osd)) acting.push_back(osd);
      }
      if (up != pg.up) pg.copied = 0;
      if (up != pg.up || acting != pg.acting) pg.mapping_epoch = cluster_.epoch + 1;
      pg.up = std::move(up);
      pg.acting = std::move(acting);
      UpdateState(pool, pg);
    }
  }
}

void Model::UpdateState(const Pool& pool, Pg& pg) {
  const auto size = static_cast<size_t>(pool.size);
  std::vector<std::string> words;
  if (pg.acting.empty()) {
    // Nobody who has the data is up: either nobody at all, or those who should
    // serve it wait for those who have it.
    words = pg.up.empty() ? std::vector<std::string>{"stale", "undersized", "degraded", "peered"}
                          : std::vector<std::string>{"down"};
  } else {
    const bool active = pg.acting.size() >= static_cast<size_t>(pool.min_size);
    const bool undersized = pg.acting.size() < size;
    const bool remapped = IsRemapped(pg);
    if (active) words.emplace_back("active");
    if (!undersized && !remapped) words.emplace_back("clean");
    if (undersized) words.emplace_back("undersized");
    if (undersized && CountPg(pool, pg).objects > 0) words.emplace_back("degraded");
    if (remapped) {
      words.emplace_back("remapped");
      words.emplace_back(MayCopy(pool, pg) ? "backfilling" : "backfill_wait");
    }
    if (!active) words.emplace_back("peered");
    if (!undersized && !remapped) {
      // What else has a copy may go.
      pg.holders = pg.acting;
      pg.last_epoch_clean = cluster_.epoch + 1;
    }
  }
  std::string state = absl::StrJoin(words, "+");
  if (state == pg.state) return;
  pg.state = std::move(state);
  pg.last_change = cluster_.now;
  if (absl::string_view(pg.state) == "active+clean") pg.last_clean = cluster_.now;
}

void Model::NewEpoch() {
  ++cluster_.epoch;
  cluster_.modified = cluster_.now;
  for (Pool& pool : cluster_.pools) {
    for (Pg& pg : pool.pgs) UpdateState(pool, pg);  // a flag may let it copy, or forbid it
  }
}

}  // namespace outpost::cluster::sim
