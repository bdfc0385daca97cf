#include "server/cluster/sim/sim_counters.h"

#include <cmath>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace outpost::cluster::sim {
namespace {

constexpr double kReadLatency = 0.002;   // seconds
constexpr double kWriteLatency = 0.008;  // seconds

constexpr uint32_t kBytes = 0;  // Ceph's units
constexpr uint32_t kNone = 1;

v1::CounterSchema Counter(const char* path, uint32_t type, uint32_t unit, uint32_t priority,
                          const char* nick, const char* description) {
  v1::CounterSchema counter;
  counter.set_path(path);
  counter.set_type(type);
  counter.set_unit(unit);
  counter.set_priority(priority);
  counter.set_nick(nick);
  counter.set_description(description);
  return counter;
}

// The counters of an OSD that a simulated one can have, ordered by path. Sample
// gives their values in this order.
const PerfCounters::Schema& OsdSchema() {
  constexpr uint32_t kGrows = kU64 | kCounter;
  constexpr uint32_t kLatency = kTime | kLongRunAvg;
  static const auto* const schema = new PerfCounters::Schema(
      std::make_shared<const std::vector<v1::CounterSchema>>(std::vector<v1::CounterSchema>{
          Counter("osd.numpg", kU64, kNone, 8, "pgs", "Placement groups"),
          Counter("osd.op", kGrows, kNone, 10, "ops", "Client operations"),
          Counter("osd.op_in_bytes", kGrows, kBytes, 8, "wr", "Bytes that clients wrote"),
          Counter("osd.op_latency", kLatency, kNone, 9, "l", "Latency of client operations"),
          Counter("osd.op_out_bytes", kGrows, kBytes, 8, "rd", "Bytes that clients read"),
          Counter("osd.op_r", kGrows, kNone, 5, "", "Client reads"),
          Counter("osd.op_r_latency", kLatency, kNone, 5, "", "Latency of client reads"),
          Counter("osd.op_w", kGrows, kNone, 5, "", "Client writes"),
          Counter("osd.op_w_latency", kLatency, kNone, 5, "", "Latency of client writes"),
          Counter("osd.stat_bytes", kU64, kBytes, 8, "size", "Size of the store"),
      }));
  return *schema;
}

}  // namespace

void SimCounters::Sample(const Cluster& cluster, const event::Moment& now) {
  osds_.resize(cluster.osds.size());
  for (size_t i = 0; i < osds_.size(); ++i) {
    const bool restarted = osds_[i].up_from != cluster.osds[i].up_from;
    if (restarted) osds_[i] = {.up_from = cluster.osds[i].up_from};
    osds_[i].pgs = 0;
  }
  for (const Pool& pool : cluster.pools) {
    const double share = pool.pgs.empty() ? 0 : 1.0 / static_cast<double>(pool.pgs.size());
    for (const Pg& pg : pool.pgs) {
      for (const int osd : pg.acting) ++osds_[static_cast<size_t>(osd)].pgs;
      if (pg.acting.empty()) continue;
      Osd& primary = osds_[static_cast<size_t>(pg.acting.front())];
      primary.reads += share * static_cast<double>(pool.last_io.reads);
      primary.writes += share * static_cast<double>(pool.last_io.writes);
      primary.read_bytes += share * static_cast<double>(pool.last_io.read_bytes);
      primary.write_bytes += share * static_cast<double>(pool.last_io.write_bytes);
    }
  }
  for (const auto& osd : cluster.osds) {
    const std::string id = absl::StrCat(osd.id);
    if (!osd.up) continue;
    counters_.SetSchema("osd", id, OsdSchema());
    const Osd& counted = osds_[static_cast<size_t>(osd.id)];
    const double reads = std::floor(counted.reads);
    const double writes = std::floor(counted.writes);
    const double read_time = reads * kReadLatency;
    const double write_time = writes * kWriteLatency;
    const auto count = [](double n) { return static_cast<uint64_t>(n); };
    counters_.Record("osd", id, now,
                     {
                         {static_cast<double>(counted.pgs), 0},
                         {reads + writes, 0},
                         {std::floor(counted.write_bytes), 0},
                         {read_time + write_time, count(reads + writes)},
                         {std::floor(counted.read_bytes), 0},
                         {reads, 0},
                         {read_time, count(reads)},
                         {writes, 0},
                         {write_time, count(writes)},
                         {static_cast<double>(osd.total_bytes), 0},
                     });
  }
}

}  // namespace outpost::cluster::sim
