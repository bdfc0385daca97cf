// The structures that follow usage and the states of PGs.
#include <cstddef>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/cluster/sim/sim_structures.h"

namespace outpost::cluster::sim {
namespace {

// Ceph's object_stat_sum_t.
void WriteStatSum(const ObjectCounts& counts, const ClientIo& io, JsonWriter& out) {
  out.Object("stat_sum", [&] {
    out.Field("num_bytes", counts.bytes());
    out.Field("num_objects", counts.objects);
    out.Field("num_object_clones", 0);
    out.Field("num_object_copies", counts.copies);
    out.Field("num_objects_missing_on_primary", 0);
    out.Field("num_objects_missing", 0);
    out.Field("num_objects_degraded", counts.degraded);
    out.Field("num_objects_misplaced", counts.misplaced);
    out.Field("num_objects_unfound", 0);
    out.Field("num_objects_dirty", counts.objects);
    out.Field("num_whiteouts", 0);
    out.Field("num_read", io.reads);
    out.Field("num_read_kb", io.read_bytes >> 10);
    out.Field("num_write", io.writes);
    out.Field("num_write_kb", io.write_bytes >> 10);
    out.Field("num_objects_recovered", counts.recovered);
    out.Field("num_bytes_recovered", counts.recovered * kObjectBytes);
    for (const char* zero : {"num_scrub_errors",
                             "num_shallow_scrub_errors",
                             "num_deep_scrub_errors",
                             "num_keys_recovered",
                             "num_objects_omap",
                             "num_objects_hit_set_archive",
                             "num_bytes_hit_set_archive",
                             "num_flush",
                             "num_flush_kb",
                             "num_evict",
                             "num_evict_kb",
                             "num_promote",
                             "num_flush_mode_high",
                             "num_flush_mode_low",
                             "num_evict_mode_some",
                             "num_evict_mode_full",
                             "num_objects_pinned",
                             "num_legacy_snapsets",
                             "num_large_omap_objects",
                             "num_objects_manifest",
                             "num_omap_bytes",
                             "num_omap_keys",
                             "num_objects_repaired"}) {
      out.Field(zero, 0);
    }
  });
}

// Ceph's pool_stat_t, without its braces.
void WritePoolStat(const ObjectCounts& counts, const ClientIo& io, uint64_t up, uint64_t acting,
                   JsonWriter& out) {
  WriteStatSum(counts, io, out);
  out.Object("store_stats", [&] {
    for (const char* zero : {"total", "available", "internally_reserved", "allocated",
                             "data_stored", "data_compressed", "data_compressed_allocated",
                             "data_compressed_original", "omap_allocated", "internal_metadata"}) {
      out.Field(zero, 0);
    }
  });
  out.Field("log_size", 0);
  out.Field("ondisk_log_size", 0);
  out.Field("up", up);
  out.Field("acting", acting);
  out.Field("num_store_stats", 0);
}

struct PoolSums {
  ObjectCounts counts;
  ClientIo io;
  uint64_t up = 0;
  uint64_t acting = 0;

  void Add(const Pool& pool) {
    counts += CountPool(pool);
    io += pool.io;
    for (const Pg& pg : pool.pgs) {
      up += pg.up.size();
      acting += pg.acting.size();
    }
  }
};

using StateCounts = std::map<std::string, int>;

void WriteStateCounts(absl::string_view key, const StateCounts& counts, JsonWriter& out) {
  out.Object(key, [&] {
    for (const auto& [state, count] : counts) out.Field(state, count);
  });
}

// Evenly, and in sum all of it.
uint64_t Share(uint64_t total, const Pool& pool, const Pg& pg) {
  return total / pool.pgs.size() + (pg.seed < total % pool.pgs.size() ? 1 : 0);
}

void WritePg(const Cluster& cluster, const Pool& pool, const Pg& pg, absl::string_view now,
             JsonWriter& out) {
  const std::string changed = Stamp(pg.last_change);
  const std::string clean = Stamp(pg.last_clean);
  const std::string created = Stamp(pool.created);
  const bool is_clean = pg.state == "active+clean";
  const auto stamp = [&](const char* key, bool still) {
    out.Field(key, still ? now : absl::string_view(clean));
  };
  const uint64_t writes = Share(pool.io.writes, pool, pg);
  const std::string version = absl::StrCat(writes == 0 ? 0 : cluster.epoch, "'", writes);
  out.Object([&] {
    out.Field("reported_seq", cluster.stats_revision);
    out.Field("reported_epoch", cluster.epoch);
    out.Field("state", pg.state);
    out.Field("mapping_epoch", pg.mapping_epoch);
    out.Field("created", pg.created);
    out.Field("last_epoch_clean", pg.last_epoch_clean);
    out.Field("parent_split_bits", 0);
    out.Field("log_size", 0);
    out.Field("ondisk_log_size", 0);
    for (const char* no :
         {"stats_invalid", "dirty_stats_invalid", "omap_stats_invalid", "hitset_stats_invalid",
          "hitset_bytes_stats_invalid", "pin_stats_invalid", "manifest_stats_invalid"}) {
      out.Field(no, false);
    }
    out.Field("snaptrimq_len", 0);
    ClientIo io;
    io.reads = Share(pool.io.reads, pool, pg);
    io.read_bytes = Share(pool.io.read_bytes, pool, pg);
    io.writes = writes;
    io.write_bytes = Share(pool.io.write_bytes, pool, pg);
    WriteStatSum(CountPg(pool, pg), io, out);
    out.List("up", pg.up);
    out.List("acting", pg.acting);
    for (const char* list : {"avail_no_missing", "object_location_counts", "blocked_by"}) {
      out.Array(list, [] {});
    }
    out.Field("up_primary", pg.up.empty() ? -1 : pg.up.front());
    out.Field("acting_primary", pg.acting.empty() ? -1 : pg.acting.front());
    out.Array("purged_snaps", [] {});
    out.Field("pgid", PgId(pool, pg));
    out.Field("version", version);
    const bool served = !pg.acting.empty();
    const bool active = pg.acting.size() >= static_cast<size_t>(pool.min_size);
    stamp("last_fresh", served);
    out.Field("last_change", changed);
    stamp("last_active", active);
    stamp("last_peered", served);
    stamp("last_clean", is_clean);
    out.Field("last_became_active", changed);
    out.Field("last_became_peered", changed);
    stamp("last_unstale", served);
    stamp("last_undegraded", pg.acting.size() >= static_cast<size_t>(pool.size));
    stamp("last_fullsized", pg.acting.size() >= static_cast<size_t>(pool.size));
    out.Field("log_start", "0'0");
    out.Field("ondisk_log_start", "0'0");
    out.Field("parent", "0.0");
    out.Field("last_scrub", "0'0");
    out.Field("last_scrub_stamp", created);
    out.Field("last_deep_scrub", "0'0");
    out.Field("last_deep_scrub_stamp", created);
    out.Field("last_clean_scrub_stamp", created);
  });
}

// What an OSD says of itself, or all of them together.
struct OsdStat {
  int64_t up_from = 0;
  uint64_t seq = 0;
  uint64_t pgs = 0;
  uint64_t in = 0;
  uint64_t total = 0;
  uint64_t used = 0;
  std::vector<int> peers;
};

OsdStat StatOf(const Cluster& cluster, const Osd& osd, const OsdUsage& usage) {
  OsdStat stat;
  stat.up_from = osd.up_from;
  stat.seq = (static_cast<uint64_t>(osd.up_from) << 32) + cluster.stats_revision;
  stat.pgs = usage.pgs;
  stat.peers = PingPeers(cluster, osd);
  if (!osd.in) return stat;  // what it reported before counts no more
  stat.in = 1;
  stat.total = osd.total_bytes;
  stat.used = usage.used_bytes;
  return stat;
}

// Ceph's osd_stat_t, without its braces.
void WriteOsdStat(const OsdStat& stat, JsonWriter& out) {
  out.Field("up_from", stat.up_from);
  out.Field("seq", stat.seq);
  out.Field("num_pgs", stat.pgs);
  out.Field("num_osds", stat.in);
  out.Field("num_per_pool_osds", stat.in);
  out.Field("num_per_pool_omap_osds", stat.in);
  out.Field("kb", stat.total >> 10);
  out.Field("kb_used", stat.used >> 10);
  out.Field("kb_used_data", stat.used >> 10);
  out.Field("kb_used_omap", 0);
  out.Field("kb_used_meta", 0);
  out.Field("kb_avail", (stat.total - stat.used) >> 10);
  out.Object("statfs", [&] {
    out.Field("total", stat.total);
    out.Field("available", stat.total - stat.used);
    out.Field("internally_reserved", 0);
    out.Field("allocated", stat.used);
    out.Field("data_stored", stat.used);
    for (const char* zero : {"data_compressed", "data_compressed_allocated",
                             "data_compressed_original", "omap_allocated", "internal_metadata"}) {
      out.Field(zero, 0);
    }
  });
  out.List("hb_peers", stat.peers);
  out.Field("snap_trim_queue_len", 0);
  out.Field("num_snap_trimming", 0);
  out.Field("num_shards_repaired", 0);
  out.Object("op_queue_age_hist", [&] {
    out.Array("histogram", [] {});
    out.Field("upper_bound", 1);
  });
  out.Object("perf_stat", [&] {
    out.Field("commit_latency_ms", 0.0);
    out.Field("apply_latency_ms", 0.0);
    out.Field("commit_latency_ns", 0);
    out.Field("apply_latency_ns", 0);
  });
  out.Array("alerts", [] {});
}

// Members of an object, each.
void WriteAllPgs(const Cluster& cluster, JsonWriter& out) {
  const std::string now = Stamp(cluster.now);
  out.Array("pg_stats", [&] {
    for (const Pool& pool : cluster.pools) {
      for (const Pg& pg : pool.pgs) WritePg(cluster, pool, pg, now, out);
    }
  });
}

void WriteAllOsds(const Cluster& cluster, JsonWriter& out) {
  const std::vector<OsdUsage> usages = CountOsds(cluster);
  out.Array("osd_stats", [&] {
    for (const Osd& osd : cluster.osds) {
      out.Object([&] {
        out.Field("osd", osd.id);
        WriteOsdStat(StatOf(cluster, osd, usages[osd.id]), out);
      });
    }
  });
  out.Array("pool_statfs", [] {});
}

void WriteSumOfOsds(const Cluster& cluster, JsonWriter& out) {
  const std::vector<OsdUsage> usages = CountOsds(cluster);
  OsdStat sum;
  for (const Osd& osd : cluster.osds) {
    const OsdStat stat = StatOf(cluster, osd, usages[osd.id]);
    sum.pgs += stat.pgs;
    sum.in += stat.in;
    sum.total += stat.total;
    sum.used += stat.used;
  }
  out.Object("osd_stats_sum", [&] {
    WriteOsdStat(sum, out);
    out.Array("network_ping_times", [] {});
  });
}

void WriteAllPools(const Cluster& cluster, JsonWriter& out) {
  out.Array("pool_stats", [&] {
    for (const Pool& pool : cluster.pools) {
      PoolSums sums;
      sums.Add(pool);
      out.Object([&] {
        out.Field("poolid", pool.id);
        out.Field("num_pg", pool.pgs.size());
        WritePoolStat(sums.counts, sums.io, sums.up, sums.acting, out);
      });
    }
  });
}

void WriteSumOfPgs(const Cluster& cluster, JsonWriter& out) {
  PoolSums sums;
  for (const Pool& pool : cluster.pools) sums.Add(pool);
  out.Object("pg_stats_sum",
             [&] { WritePoolStat(sums.counts, sums.io, sums.up, sums.acting, out); });
}

// What the last step brought.
void WriteDelta(const Cluster& cluster, JsonWriter& out) {
  ClientIo io;
  ObjectCounts counts;
  for (const Pool& pool : cluster.pools) {
    io += pool.last_io;
    counts.recovered += pool.last_recovered;
  }
  out.Object("pg_stats_delta", [&] {
    WritePoolStat(counts, io, 0, 0, out);
    out.Field("stamp_delta", absl::StrFormat("%.6f", absl::ToDoubleSeconds(cluster.last_step)));
  });
}

}  // namespace

void WritePgSummary(const Cluster& cluster, JsonWriter& out) {
  std::vector<StateCounts> by_osd(cluster.osds.size());
  std::vector<StateCounts> by_pool;
  StateCounts all;
  for (const Pool& pool : cluster.pools) {
    StateCounts& of_pool = by_pool.emplace_back();
    for (const Pg& pg : pool.pgs) {
      ++all[pg.state];
      ++of_pool[pg.state];
      for (const int osd : pg.acting) ++by_osd[osd][pg.state];
    }
  }
  out.Object([&] {
    out.Object("by_osd", [&] {
      for (size_t osd = 0; osd < by_osd.size(); ++osd) {
        if (!by_osd[osd].empty()) WriteStateCounts(absl::StrCat(osd), by_osd[osd], out);
      }
    });
    out.Object("by_pool", [&] {
      for (size_t i = 0; i < by_pool.size(); ++i) {
        WriteStateCounts(absl::StrCat(cluster.pools[i].id), by_pool[i], out);
      }
    });
    WriteStateCounts("all", all, out);
    WriteSumOfPgs(cluster, out);
  });
}

void WritePgStats(const Cluster& cluster, JsonWriter& out) {
  out.Object([&] { WriteAllPgs(cluster, out); });
}

void WriteOsdStats(const Cluster& cluster, JsonWriter& out) {
  out.Reserve(1000 * cluster.osds.size());
  out.Object([&] { WriteAllOsds(cluster, out); });
}

void WritePoolStats(const Cluster& cluster, JsonWriter& out) {
  out.Object([&] { WriteAllPools(cluster, out); });
}

void WriteIoRate(const Cluster& cluster, JsonWriter& out) {
  out.Object([&] { WriteDelta(cluster, out); });
}

void WritePgDump(const Cluster& cluster, JsonWriter& out) {
  out.Reserve(1000 * cluster.osds.size());
  out.Object([&] {
    out.Field("version", cluster.stats_revision);
    out.Field("stamp", Stamp(cluster.now));
    out.Field("last_osdmap_epoch", 0);
    out.Field("last_pg_scan", 0);
    WriteSumOfPgs(cluster, out);
    WriteSumOfOsds(cluster, out);
    WriteDelta(cluster, out);
    WriteAllPgs(cluster, out);
    WriteAllPools(cluster, out);
    WriteAllOsds(cluster, out);
  });
}

}  // namespace outpost::cluster::sim
