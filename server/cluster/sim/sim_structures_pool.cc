// Pools: as the OSD map has them, and what they use.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/cluster/sim/sim_structures.h"

namespace outpost::cluster::sim {
namespace {

void WriteCapacity(const Capacity& capacity, JsonWriter& out) {
  out.Field("total_bytes", capacity.total_bytes);
  out.Field("total_avail_bytes", capacity.available_bytes());
  out.Field("total_used_bytes", capacity.used_bytes);
  out.Field("total_used_raw_bytes", capacity.used_bytes);
  out.Field("total_used_raw_ratio", capacity.total_bytes == 0
                                        ? 0.0
                                        : static_cast<double>(capacity.used_bytes) /
                                              static_cast<double>(capacity.total_bytes));
}

void WritePoolUsage(const Capacity& capacity, const Pool& pool, DfDetail detail, JsonWriter& out) {
  const ObjectCounts counts = CountPool(pool);
  const uint64_t stored = counts.bytes();
  const uint64_t used = (counts.copies - counts.degraded) * kObjectBytes;
  const uint64_t available = MaxAvailable(capacity, pool);
  const auto size = static_cast<uint64_t>(pool.size);
  const auto used_or_available = static_cast<double>(used + available * size);
  const double ratio = used == 0 ? 0.0 : static_cast<double>(used) / used_or_available;
  const bool all = detail == DfDetail::kAll;
  out.Object("stats", [&] {
    out.Field("stored", stored);
    if (all) {
      out.Field("stored_data", stored);
      out.Field("stored_omap", 0);
    }
    out.Field("objects", counts.objects);
    out.Field("kb_used", used >> 10);
    out.Field("bytes_used", used);
    if (all) {
      out.Field("data_bytes_used", used);
      out.Field("omap_bytes_used", 0);
    }
    out.Field("percent_used", ratio);
    out.Field("max_avail", available);
    if (!all) return;
    out.Field("quota_objects", 0);
    out.Field("quota_bytes", 0);
    out.Field("dirty", 0);
    out.Field("rd", pool.io.reads);
    out.Field("rd_bytes", pool.io.read_bytes);
    out.Field("wr", pool.io.writes);
    out.Field("wr_bytes", pool.io.write_bytes);
    out.Field("compress_bytes_used", 0);
    out.Field("compress_under_bytes", 0);
    out.Field("stored_raw", stored * size);
    out.Field("avail_raw", available * size);
  });
}

}  // namespace

void WriteDf(const Cluster& cluster, DfDetail detail, JsonWriter& out) {
  const Capacity capacity = CountCapacity(cluster);
  out.Object([&] {
    out.Object("stats", [&] {
      WriteCapacity(capacity, out);
      for (const char* osds : {"num_osds", "num_per_pool_osds", "num_per_pool_omap_osds"}) {
        out.Field(osds, capacity.osds);
      }
    });
    out.Object("stats_by_class", [&] { out.Object("hdd", [&] { WriteCapacity(capacity, out); }); });
    out.Array("pools", [&] {
      for (const Pool& pool : cluster.pools) {
        out.Object([&] {
          out.Field("name", pool.name);
          out.Field("id", pool.id);
          WritePoolUsage(capacity, pool, detail, out);
        });
      }
    });
  });
}

void WritePool(const Pool& pool, JsonWriter& out) {
  out.Object([&] {
    out.Field("pool", pool.id);
    out.Field("pool_name", pool.name);
    out.Field("create_time", Stamp(pool.created));
    out.Field("flags", FlagsOf(pool));
    out.Field("flags_names", absl::StrJoin(FlagNames(pool), ","));
    out.Field("type", 1);
    out.Field("size", pool.size);
    out.Field("min_size", pool.min_size);
    out.Field("crush_rule", 0);
    out.Field("peering_crush_bucket_count", 0);
    out.Field("peering_crush_bucket_target", 0);
    out.Field("peering_crush_bucket_barrier", 0);
    out.Field("peering_crush_bucket_mandatory_member", 2147483647);
    out.Field("object_hash", 2);
    out.Field("pg_autoscale_mode", "off");
    for (const char* number : {"pg_num", "pg_placement_num", "pg_placement_num_target",
                               "pg_num_target", "pg_num_pending"}) {
      out.Field(number, pool.pgs.size());
    }
    out.Object("last_pg_merge_meta", [&] {
      out.Field("source_pgid", "0.0");
      out.Field("ready_epoch", 0);
      out.Field("last_epoch_started", 0);
      out.Field("last_epoch_clean", 0);
      out.Field("source_version", "0'0");
      out.Field("target_version", "0'0");
    });
    out.Field("last_change", absl::StrCat(pool.last_change));
    for (const char* epoch : {"last_force_op_resend", "last_force_op_resend_prenautilus",
                              "last_force_op_resend_preluminous"}) {
      out.Field(epoch, "0");
    }
    out.Field("auid", 0);
    out.Field("snap_mode", "selfmanaged");
    out.Field("snap_seq", 0);
    out.Field("snap_epoch", 0);
    out.Array("pool_snaps", [] {});
    out.Field("removed_snaps", "[]");
    out.Field("quota_max_bytes", 0);
    out.Field("quota_max_objects", 0);
    out.Array("tiers", [] {});
    for (const char* tier : {"tier_of", "read_tier", "write_tier"}) out.Field(tier, -1);
    out.Field("cache_mode", "none");
    out.Field("target_max_bytes", 0);
    out.Field("target_max_objects", 0);
    out.Field("cache_target_dirty_ratio_micro", 400000);
    out.Field("cache_target_dirty_high_ratio_micro", 600000);
    out.Field("cache_target_full_ratio_micro", 800000);
    out.Field("cache_min_flush_age", 0);
    out.Field("cache_min_evict_age", 0);
    out.Field("erasure_code_profile", "");
    out.Object("hit_set_params", [&] { out.Field("type", "none"); });
    out.Field("hit_set_period", 0);
    out.Field("hit_set_count", 0);
    out.Field("use_gmt_hitset", true);
    out.Field("min_read_recency_for_promote", 0);
    out.Field("min_write_recency_for_promote", 0);
    out.Field("hit_set_grade_decay_rate", 0);
    out.Field("hit_set_search_last_n", 0);
    out.Array("grade_table", [] {});
    out.Field("stripe_width", 0);
    out.Field("expected_num_objects", 0);
    out.Field("fast_read", false);
    out.Object("options", [] {});
    out.Object("application_metadata", [&] {
      if (!pool.application.empty()) out.Object(pool.application, [] {});
    });
  });
}

}  // namespace outpost::cluster::sim
