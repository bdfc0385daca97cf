// The structures that follow the OSD map.
#include <algorithm>
#include <cstddef>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/cluster/sim/sim_structures.h"

namespace outpost::cluster::sim {
namespace {

constexpr int kRootBucket = -1;
constexpr int kFirstPort = 6802;
constexpr int kPortsPerOsd = 8;
constexpr int kPorts = 56000;

std::string Endpoint(const Cluster& cluster, const Osd& osd, Messenger messenger, int version) {
  const Host& host = cluster.hosts[osd.host];
  const int position = osd.id - host.osds.front();  // a host's OSDs have consecutive ids
  const int port = kFirstPort + kPortsPerOsd * position % kPorts + 2 * static_cast<int>(messenger) +
                   (version == 1 ? 1 : 0);
  return absl::StrCat(host.ip, ":", port);
}

void WriteAddrVec(const Cluster& cluster, const Osd& osd, absl::string_view key,
                  Messenger messenger, JsonWriter& out) {
  out.Object(key, [&] {
    out.Array("addrvec", [&] {
      for (const int version : {2, 1}) {
        out.Object([&] {
          out.Field("type", version == 2 ? "v2" : "v1");
          out.Field("nonce", osd.nonce);
          out.Field("addr", Endpoint(cluster, osd, messenger, version));
        });
      }
    });
  });
}

void WriteAddr(const Cluster& cluster, const Osd& osd, absl::string_view key, Messenger messenger,
               JsonWriter& out) {
  out.Field(key, absl::StrCat(Endpoint(cluster, osd, messenger, 1), "/", osd.nonce));
}

void WriteOsd(const Cluster& cluster, const Osd& osd, JsonWriter& out) {
  out.Object([&] {
    out.Field("osd", osd.id);
    out.Field("up", osd.up ? 1 : 0);
    out.Field("in", osd.in ? 1 : 0);
    out.Field("weight", osd.in ? 1.0 : 0.0);
    out.Field("primary_affinity", 1.0);
    out.Field("last_clean_begin", osd.last_clean_begin);
    out.Field("last_clean_end", osd.last_clean_end);
    out.Field("up_from", osd.up_from);
    out.Field("up_thru", osd.up_thru);
    out.Field("down_at", osd.down_at);
    out.Field("lost_at", 0);
    WriteAddrVec(cluster, osd, "public_addrs", Messenger::kPublic, out);
    WriteAddrVec(cluster, osd, "cluster_addrs", Messenger::kCluster, out);
    WriteAddrVec(cluster, osd, "heartbeat_back_addrs", Messenger::kHeartbeatBack, out);
    WriteAddrVec(cluster, osd, "heartbeat_front_addrs", Messenger::kHeartbeatFront, out);
    out.List("state", StateNames(osd));
    out.Field("uuid", osd.uuid);
    WriteAddr(cluster, osd, "public_addr", Messenger::kPublic, out);
    WriteAddr(cluster, osd, "cluster_addr", Messenger::kCluster, out);
    WriteAddr(cluster, osd, "heartbeat_back_addr", Messenger::kHeartbeatBack, out);
    WriteAddr(cluster, osd, "heartbeat_front_addr", Messenger::kHeartbeatFront, out);
  });
}

void WriteOsdXinfo(const Osd& osd, JsonWriter& out) {
  out.Object([&] {
    out.Field("osd", osd.id);
    out.Field("laggy_probability", 0.0);
    out.Field("laggy_interval", 0);
    out.Field("features", kFeatures);
    out.Field("old_weight", 0);
    out.Field("dead_epoch", 0);
    out.Field("down_stamp", osd.up ? "0.000000" : Stamp(osd.down_since));
    out.Field("last_purged_snaps_scrub", Stamp(osd.created));
  });
}

void WriteFlags(const Cluster& cluster, JsonWriter& out) {
  std::vector<std::string> names = FlagNames(cluster.flags);
  out.Field("flags", absl::StrJoin(names, ","));
  out.Field("flags_num", cluster.flags);
  std::sort(names.begin(), names.end());
  out.List("flags_set", names);
}

// A PG that is served by others than those it belongs to is in the map.
void WritePgTemp(const Cluster& cluster, JsonWriter& out) {
  out.Array("pg_temp", [&] {
    for (const Pool& pool : cluster.pools) {
      for (const Pg& pg : pool.pgs) {
        if (!IsRemapped(pg)) continue;
        out.Object([&] {
          out.Field("pgid", PgId(pool, pg));
          out.List("osds", pg.acting);
        });
      }
    }
  });
}

void WriteTreeNode(const Osd& osd, JsonWriter& out) {
  out.Object([&] {
    out.Field("id", osd.id);
    out.Field("device_class", "hdd");
    out.Field("name", absl::StrCat("osd.", osd.id));
    out.Field("type", "osd");
    out.Field("type_id", 0);
    out.Field("crush_weight", CrushWeightInTib(CrushWeight(osd)));
    out.Field("depth", 2);
    out.Object("pool_weights", [] {});
    out.Field("exists", 1);
    out.Field("status", osd.up ? "up" : "down");
    out.Field("reweight", osd.in ? 1.0 : 0.0);
    out.Field("primary_affinity", 1.0);
  });
}

uint32_t CrushWeight(const Cluster& cluster, const Host& host) {
  uint32_t weight = 0;
  for (const int osd : host.osds) weight += CrushWeight(cluster.osds[osd]);
  return weight;
}

// A bucket, or its shadow for the device class.
template <typename Items>
void WriteBucket(int id, absl::string_view name, int type_id, absl::string_view type,
                 uint32_t weight, Items items, JsonWriter& out) {
  out.Object([&] {
    out.Field("id", id);
    out.Field("name", name);
    out.Field("type_id", type_id);
    out.Field("type_name", type);
    out.Field("weight", weight);
    out.Field("alg", "straw2");
    out.Field("hash", "rjenkins1");
    out.Array("items", items);
  });
}

void WriteBucketItem(int id, uint32_t weight, size_t position, JsonWriter& out) {
  out.Object([&] {
    out.Field("id", id);
    out.Field("weight", weight);
    out.Field("pos", position);
  });
}

void WriteBuckets(const Cluster& cluster, JsonWriter& out) {
  uint32_t total = 0;
  for (const Host& host : cluster.hosts) total += CrushWeight(cluster, host);
  out.Array("buckets", [&] {
    for (const int shadow : {0, 1}) {
      const absl::string_view suffix = shadow == 0 ? "" : "~hdd";
      const auto items = [&] {
        for (size_t i = 0; i < cluster.hosts.size(); ++i) {
          const Host& host = cluster.hosts[i];
          WriteBucketItem(host.bucket - shadow, CrushWeight(cluster, host), i, out);
        }
      };
      WriteBucket(kRootBucket - shadow, absl::StrCat("default", suffix), 11, "root", total, items,
                  out);
    }
    for (const Host& host : cluster.hosts) {
      for (const int shadow : {0, 1}) {
        const absl::string_view suffix = shadow == 0 ? "" : "~hdd";
        const auto items = [&] {
          for (size_t i = 0; i < host.osds.size(); ++i) {
            const Osd& osd = cluster.osds[host.osds[i]];
            WriteBucketItem(osd.id, CrushWeight(osd), i, out);
          }
        };
        WriteBucket(host.bucket - shadow, absl::StrCat(host.name, suffix), 1, "host",
                    CrushWeight(cluster, host), items, out);
      }
    }
  });
}

void WriteRules(const Cluster& cluster, JsonWriter& out) {
  out.Array("rules", [&] {
    out.Object([&] {
      out.Field("rule_id", 0);
      out.Field("rule_name", "replicated_rule");
      out.Field("ruleset", 0);
      out.Field("type", 1);
      out.Field("min_size", 1);
      out.Field("max_size", 10);
      out.Array("steps", [&] {
        out.Object([&] {
          out.Field("op", "take");
          out.Field("item", kRootBucket);
          out.Field("item_name", "default");
        });
        out.Object([&] {
          out.Field("op", cluster.spread_over_hosts ? "chooseleaf_firstn" : "choose_firstn");
          out.Field("num", 0);
          out.Field("type", cluster.spread_over_hosts ? "host" : "osd");
        });
        out.Object([&] { out.Field("op", "emit"); });
      });
    });
  });
}

void WriteTunables(JsonWriter& out) {
  out.Object("tunables", [&] {
    out.Field("choose_local_tries", 0);
    out.Field("choose_local_fallback_tries", 0);
    out.Field("choose_total_tries", 50);
    out.Field("chooseleaf_descend_once", 1);
    out.Field("chooseleaf_vary_r", 1);
    out.Field("chooseleaf_stable", 1);
    out.Field("straw_calc_version", 1);
    out.Field("allowed_bucket_algs", 54);
    out.Field("profile", "jewel");
    out.Field("optimal_tunables", 1);
    out.Field("legacy_tunables", 0);
    out.Field("minimum_required_version", "jewel");
    out.Field("require_feature_tunables", 1);
    out.Field("require_feature_tunables2", 1);
    out.Field("has_v2_rules", 0);
    out.Field("require_feature_tunables3", 1);
    out.Field("has_v3_rules", 0);
    out.Field("has_v4_buckets", 1);
    out.Field("require_feature_tunables5", 1);
    out.Field("has_v5_rules", 0);
  });
}

}  // namespace

std::vector<const Host*> HostsInOrder(const Cluster& cluster) {
  std::vector<const Host*> hosts;
  for (const Host& host : cluster.hosts) hosts.push_back(&host);
  std::sort(hosts.begin(), hosts.end(),
            [](const Host* a, const Host* b) { return a->name < b->name; });
  return hosts;
}

uint32_t CrushWeight(const Osd& osd) { return static_cast<uint32_t>(osd.total_bytes >> 24); }

double CrushWeightInTib(uint32_t weight) { return weight / 65536.0; }

std::string AddrVec(const Cluster& cluster, const Osd& osd, Messenger messenger) {
  return absl::StrCat("[v2:", Endpoint(cluster, osd, messenger, 2), "/", osd.nonce,
                      ",v1:", Endpoint(cluster, osd, messenger, 1), "/", osd.nonce, "]");
}

void WriteOsdMap(const Cluster& cluster, JsonWriter& out) {
  out.Reserve(8192 + 1300 * cluster.osds.size());
  out.Object([&] {
    out.Field("epoch", cluster.epoch);
    WriteFlags(cluster, out);
    out.Field("crush_version", cluster.osds.size() + 1);
    out.Field("full_ratio", static_cast<double>(0.95F));
    out.Field("backfillfull_ratio", static_cast<double>(0.9F));
    out.Field("nearfull_ratio", static_cast<double>(0.85F));
    out.Field("cluster_snapshot", "");
    out.Field("pool_max", cluster.last_pool_id);
    out.Field("max_osd", cluster.osds.size());
    out.Field("require_min_compat_client", "luminous");
    out.Field("min_compat_client", "jewel");
    out.Field("require_osd_release", "pacific");
    out.Array("pools", [&] {
      for (const Pool& pool : cluster.pools) WritePool(pool, out);
    });
    out.Array("osds", [&] {
      for (const Osd& osd : cluster.osds) WriteOsd(cluster, osd, out);
    });
    out.Array("osd_xinfo", [&] {
      for (const Osd& osd : cluster.osds) WriteOsdXinfo(osd, out);
    });
    out.Array("pg_upmap", [] {});
    out.Array("pg_upmap_items", [] {});
    WritePgTemp(cluster, out);
    out.Array("primary_temp", [] {});
    out.Object("blocklist", [] {});
    out.Object("range_blocklist", [] {});
    out.Object("erasure_code_profiles", [&] {
      out.Object("default", [&] {
        out.Field("k", "2");
        out.Field("m", "2");
        out.Field("plugin", "jerasure");
        out.Field("technique", "reed_sol_van");
      });
    });
    for (const char* list : {"removed_snaps_queue", "new_removed_snaps", "new_purged_snaps"}) {
      out.Array(list, [] {});
    }
    out.Object("crush_node_flags", [] {});
    out.Object("device_class_flags", [] {});
    out.Object("stretch_mode", [&] {
      out.Field("stretch_mode_enabled", false);
      for (const char* number : {"stretch_bucket_count", "degraded_stretch_mode",
                                 "recovering_stretch_mode", "stretch_mode_bucket"}) {
        out.Field(number, 0);
      }
    });
    out.Field("fsid", cluster.fsid);
    out.Field("created", Stamp(cluster.created));
    out.Field("modified", Stamp(cluster.modified));
    out.Field("last_up_change", Stamp(cluster.last_up_change));
    out.Field("last_in_change", Stamp(cluster.last_in_change));
  });
}

void WriteOsdMapTree(const Cluster& cluster, JsonWriter& out) {
  const std::vector<const Host*> hosts = HostsInOrder(cluster);
  out.Object([&] {
    out.Array("nodes", [&] {
      out.Object([&] {
        out.Field("id", kRootBucket);
        out.Field("name", "default");
        out.Field("type", "root");
        out.Field("type_id", 11);
        // Ceph lists children in the reverse order of the nodes.
        out.Array("children", [&] {
          for (auto host = hosts.rbegin(); host != hosts.rend(); ++host) {
            out.Value((*host)->bucket);
          }
        });
      });
      for (const Host* host : hosts) {
        out.Object([&] {
          out.Field("id", host->bucket);
          out.Field("name", host->name);
          out.Field("type", "host");
          out.Field("type_id", 1);
          out.Object("pool_weights", [] {});
          out.Array("children", [&] {
            for (auto osd = host->osds.rbegin(); osd != host->osds.rend(); ++osd) out.Value(*osd);
          });
        });
        for (const int osd : host->osds) WriteTreeNode(cluster.osds[osd], out);
      }
    });
    out.Array("stray", [] {});
  });
}

void WriteOsdMapCrush(const Cluster& cluster, JsonWriter& out) {
  static constexpr const char* kTypes[] = {"osd", "host", "chassis",    "rack", "row",    "pdu",
                                           "pod", "room", "datacenter", "zone", "region", "root"};
  out.Object([&] {
    out.Array("devices", [&] {
      for (const Osd& osd : cluster.osds) {
        out.Object([&] {
          out.Field("id", osd.id);
          out.Field("name", absl::StrCat("osd.", osd.id));
          out.Field("class", "hdd");
        });
      }
    });
    out.Array("types", [&] {
      for (size_t i = 0; i < std::size(kTypes); ++i) {
        out.Object([&] {
          out.Field("type_id", i);
          out.Field("name", kTypes[i]);
        });
      }
    });
    WriteBuckets(cluster, out);
    WriteRules(cluster, out);
    WriteTunables(out);
    out.Object("choose_args", [] {});
  });
}

}  // namespace outpost::cluster::sim
