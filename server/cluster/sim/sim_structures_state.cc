// The structures about the states of PGs, and how fast clients and recovery are.
#include <cstddef>
#include <map>

#include "absl/strings/str_cat.h"
#include "server/cluster/sim/sim_structures.h"

namespace outpost::cluster::sim {
namespace {

using StateCounts = std::map<std::string, uint64_t>;

void WriteStateCounts(absl::string_view key, const StateCounts& counts, JsonWriter& out) {
  out.Array(key, [&] {
    for (const auto& entry : counts) {
      out.Object([&] {
        out.Field("state_name", entry.first);
        out.Field("count", entry.second);
      });
    }
  });
}

void WriteShare(const char* name, uint64_t part, uint64_t total, JsonWriter& out) {
  if (part == 0) return;
  out.Field(absl::StrCat(name, "_objects"), part);
  out.Field(absl::StrCat(name, "_total"), total);
  out.Field(absl::StrCat(name, "_ratio"), static_cast<double>(part) / static_cast<double>(total));
}

// What must still be copied.
void WriteRecovery(const ObjectCounts& counts, JsonWriter& out) {
  WriteShare("degraded", counts.degraded, counts.copies, out);
  WriteShare("misplaced", counts.misplaced, counts.copies, out);
}

uint64_t PerSecond(const Cluster& cluster, uint64_t count) {
  const double seconds = absl::ToDoubleSeconds(cluster.last_step);
  return seconds <= 0 ? 0 : static_cast<uint64_t>(static_cast<double>(count) / seconds);
}

// How fast it is copied.
void WriteRecoveryRate(const Cluster& cluster, uint64_t recovered, JsonWriter& out) {
  if (recovered == 0) return;
  out.Field("recovering_objects_per_sec", PerSecond(cluster, recovered));
  out.Field("recovering_bytes_per_sec", PerSecond(cluster, recovered * kObjectBytes));
  out.Field("recovering_keys_per_sec", 0);
  out.Field("num_objects_recovered", recovered);
  out.Field("num_bytes_recovered", recovered * kObjectBytes);
  out.Field("num_keys_recovered", 0);
}

void WriteClientRate(const Cluster& cluster, const ClientIo& io, JsonWriter& out) {
  if (cluster.last_step <= absl::ZeroDuration()) return;
  const auto write = [&](absl::string_view key, uint64_t count) {
    if (count > 0) out.Field(key, PerSecond(cluster, count));
  };
  write("read_bytes_sec", io.read_bytes);
  write("write_bytes_sec", io.write_bytes);
  write("read_op_per_sec", io.reads);
  write("write_op_per_sec", io.writes);
}

bool IsActive(const Pg& pg) { return pg.state.find("active") != std::string::npos; }

}  // namespace

void WritePgMapSummary(const Cluster& cluster, JsonWriter& out) {
  StateCounts states;
  ObjectCounts counts;
  ClientIo io;
  uint64_t recovered = 0;
  uint64_t pgs = 0;
  uint64_t inactive = 0;
  for (const Pool& pool : cluster.pools) {
    counts += CountPool(pool);
    io += pool.last_io;
    recovered += pool.last_recovered;
    pgs += pool.pgs.size();
    for (const Pg& pg : pool.pgs) {
      ++states[pg.state];
      if (!IsActive(pg)) ++inactive;
    }
  }
  const Capacity capacity = CountCapacity(cluster);
  WriteStateCounts("pgs_by_state", states, out);
  out.Field("num_pgs", pgs);
  out.Field("num_pools", cluster.pools.size());
  out.Field("num_objects", counts.objects);
  out.Field("data_bytes", counts.bytes());
  out.Field("bytes_used", capacity.used_bytes);
  out.Field("bytes_avail", capacity.available_bytes());
  out.Field("bytes_total", capacity.total_bytes);
  if (inactive > 0) {
    out.Field("inactive_pgs_ratio", static_cast<double>(inactive) / static_cast<double>(pgs));
  }
  WriteRecovery(counts, out);
  WriteRecoveryRate(cluster, recovered, out);
  WriteClientRate(cluster, io, out);
}

void WritePgStatus(const Cluster& cluster, JsonWriter& out) {
  out.Object([&] {
    out.Array("pgs_by_pool_state", [&] {
      for (const Pool& pool : cluster.pools) {
        StateCounts states;
        for (const Pg& pg : pool.pgs) ++states[pg.state];
        out.Object([&] {
          out.Field("pool_id", pool.id);
          WriteStateCounts("pg_state_counts", states, out);
        });
      }
    });
    WritePgMapSummary(cluster, out);
  });
}

void WritePgReady(const Cluster&, JsonWriter& out) {
  out.Object([&] { out.Field("pg_ready", true); });
}

void WritePgProgress(const Cluster& cluster, JsonWriter& out) {
  out.Object([&] {
    out.Object("pgs", [&] {
      for (const Pool& pool : cluster.pools) {
        for (const Pg& pg : pool.pgs) {
          const ObjectCounts counts = CountPg(pool, pg);
          out.Object(PgId(pool, pg), [&] {
            out.Field("num_bytes_recovered", counts.recovered * kObjectBytes);
            out.Field("num_bytes", counts.bytes());
            out.Field("reported_epoch", cluster.epoch);
            out.Field("state", pg.state);
          });
        }
      }
    });
    out.Field("pg_ready", true);
  });
}

void WriteActiveCleanPgs(const Cluster& cluster, JsonWriter& out) {
  size_t total = 0;
  out.Object([&] {
    out.Array("pg_stats", [&] {
      for (const Pool& pool : cluster.pools) {
        total += pool.pgs.size();
        for (const Pg& pg : pool.pgs) {
          if (!IsActive(pg) || pg.state.find("clean") == std::string::npos) continue;
          out.Object([&] {
            out.Field("pgid", PgId(pool, pg));
            out.Field("state", pg.state);
            out.Field("reported_epoch", cluster.epoch);
          });
        }
      }
    });
    out.Field("total_num_pgs", total);
  });
}

void WriteOsdPoolStats(const Cluster& cluster, JsonWriter& out) {
  out.Object([&] {
    out.Array("pool_stats", [&] {
      for (const Pool& pool : cluster.pools) {
        out.Object([&] {
          out.Field("pool_name", pool.name);
          out.Field("pool_id", pool.id);
          out.Object("recovery", [&] { WriteRecovery(CountPool(pool), out); });
          out.Object("recovery_rate",
                     [&] { WriteRecoveryRate(cluster, pool.last_recovered, out); });
          out.Object("client_io_rate", [&] { WriteClientRate(cluster, pool.last_io, out); });
        });
      }
    });
  });
}

}  // namespace outpost::cluster::sim
