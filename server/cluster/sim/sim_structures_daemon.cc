// The structures about daemons: monitors, managers, OSDs' metadata, and the maps of
// what a simulated cluster has none of.
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "server/cluster/sim/sim_structures.h"

namespace outpost::cluster::sim {
namespace {

constexpr const char* kMonFeatures[] = {"kraken",   "luminous", "mimic",   "osdmap-prune",
                                        "nautilus", "octopus",  "pacific", "elector-pinging"};
constexpr const char* kFeatureBits = "0x3f01cfbdfffdffff";
constexpr const char* kRequiredFeatures = "2449958747317026820";

// Unlike an OSD's stamps, with a Z.
std::string MonStamp(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", time, absl::UTCTimeZone());
}

void WriteAddrVec(absl::string_view key, absl::string_view ip, int v2_port, int v1_port,
                  uint32_t nonce, JsonWriter& out) {
  out.Object(key, [&] {
    out.Array("addrvec", [&] {
      for (const int version : {2, 1}) {
        out.Object([&] {
          out.Field("type", version == 2 ? "v2" : "v1");
          out.Field("nonce", nonce);
          out.Field("addr", absl::StrCat(ip, ":", version == 2 ? v2_port : v1_port));
        });
      }
    });
  });
}

void WriteMonFeatures(absl::string_view key, JsonWriter& out) { out.List(key, kMonFeatures); }

void WriteFeatureMapEntry(absl::string_view type, size_t count, JsonWriter& out) {
  out.Array(type, [&] {
    out.Object([&] {
      out.Field("features", kFeatureBits);
      out.Field("release", "luminous");
      out.Field("num", count);
    });
  });
}

void WriteQuorum(const Cluster& cluster, JsonWriter& out) {
  out.Array("quorum", [&] {
    for (size_t rank = 0; rank < cluster.mons.size(); ++rank) out.Value(rank);
  });
}

// What every daemon tells of its host and its program.
void WriteSoftware(absl::string_view hostname, JsonWriter& out) {
  out.Field("arch", "x86_64");
  out.Field("ceph_release", "pacific");
  out.Field("ceph_version", kVersion);
  out.Field("ceph_version_short", kVersionShort);
  out.Field("cpu", "Simulated CPU");
  out.Field("distro", "debian");
  out.Field("distro_description", "Debian GNU/Linux 12 (bookworm)");
  out.Field("distro_version", "12");
  out.Field("hostname", hostname);
  out.Field("kernel_description", "#1 SMP PREEMPT_DYNAMIC");
  out.Field("kernel_version", "6.1.0");
  out.Field("mem_swap_kb", "0");
  out.Field("mem_total_kb", "67108864");
  out.Field("os", "Linux");
}

}  // namespace

void WriteMonMap(const Cluster& cluster, JsonWriter& out) {
  out.Object([&] {
    out.Field("epoch", 1);
    out.Field("fsid", cluster.fsid);
    out.Field("modified", MonStamp(cluster.created));
    out.Field("created", MonStamp(cluster.created));
    out.Field("min_mon_release", 16);
    out.Field("min_mon_release_name", "pacific");
    out.Field("election_strategy", 1);
    out.Field("disallowed_leaders: ", "");  // sic
    out.Field("stretch_mode", false);
    out.Field("tiebreaker_mon", "");
    out.Field("removed_ranks: ", "");  // sic
    out.Object("features", [&] {
      WriteMonFeatures("persistent", out);
      out.Array("optional", [] {});
    });
    out.Array("mons", [&] {
      for (size_t rank = 0; rank < cluster.mons.size(); ++rank) {
        const Mon& mon = cluster.mons[rank];
        const std::string address = absl::StrCat(mon.ip, ":6789/0");
        out.Object([&] {
          out.Field("rank", rank);
          out.Field("name", mon.name);
          WriteAddrVec("public_addrs", mon.ip, 3300, 6789, 0, out);
          out.Field("addr", address);
          out.Field("public_addr", address);
          out.Field("priority", 0);
          out.Field("weight", 0);
          out.Field("crush_location", "{}");
        });
      }
    });
  });
}

void WriteMonStatus(const Cluster& cluster, JsonWriter& out) {
  JsonWriter status(JsonWriter::Whole::kWithoutPoint);
  status.Object([&] {
    status.Field("name", cluster.mons.front().name);
    status.Field("rank", 0);
    status.Field("state", "leader");
    status.Field("election_epoch", 3);
    WriteQuorum(cluster, status);
    // As old as the map: the manager hears of it no more often than that.
    status.Field("quorum_age", absl::ToInt64Seconds(cluster.modified - cluster.created));
    status.Object("features", [&] {
      status.Field("required_con", kRequiredFeatures);
      WriteMonFeatures("required_mon", status);
      status.Field("quorum_con", absl::StrCat(kFeatures));
      WriteMonFeatures("quorum_mon", status);
    });
    for (const char* list : {"outside_quorum", "extra_probe_peers", "sync_provider"}) {
      status.Array(list, [] {});
    }
    status.Key("monmap");
    WriteMonMap(cluster, status);
    status.Object("feature_map", [&] {
      WriteFeatureMapEntry("mon", cluster.mons.size(), status);
      WriteFeatureMapEntry("osd", static_cast<size_t>(CountUp(cluster)), status);
      WriteFeatureMapEntry("mgr", 1, status);
    });
    status.Field("stretch_mode", false);
  });
  out.Object([&] { out.Field("json", status.Take()); });
}

void WriteMgrMap(const Cluster& cluster, JsonWriter& out) {
  const std::string& ip = cluster.hosts.front().ip;
  constexpr uint32_t kNonce = 1;
  out.Object([&] {
    out.Field("epoch", 1);
    out.Field("active_gid", 4100);
    out.Field("active_name", "x");
    WriteAddrVec("active_addrs", ip, 6800, 6801, kNonce, out);
    out.Field("active_addr", absl::StrCat(ip, ":6801/", kNonce));
    out.Field("active_change", Stamp(cluster.created));
    out.Field("active_mgr_features", kFeatures);
    out.Field("available", true);
    out.Array("standbys", [] {});
    out.Array("modules", [] {});
    out.Array("available_modules", [] {});
    out.Object("services", [] {});
    out.Object("always_on_modules", [] {});
    out.Field("last_failure_osd_epoch", 0);
    out.Array("active_clients", [] {});
  });
}

void WriteFsMap(const Cluster&, JsonWriter& out) {
  out.Object([&] {
    out.Field("epoch", 1);
    out.Field("default_fscid", -1);
    out.Object("compat", [&] {
      out.Object("compat", [] {});
      out.Object("ro_compat", [] {});
      out.Object("incompat", [&] {
        out.Field("feature_1", "base v0.20");
        out.Field("feature_2", "client writeable ranges");
        out.Field("feature_3", "default file layouts on dirs");
        out.Field("feature_4", "dir inode in separate object");
        out.Field("feature_5", "mds uses versioned encoding");
        out.Field("feature_6", "dirfrag is stored in omap");
        out.Field("feature_8", "no anchor table");
        out.Field("feature_9", "file layout v2");
        out.Field("feature_10", "snaprealm v2");
      });
    });
    out.Object("feature_flags", [&] {
      out.Field("enable_multiple", true);
      out.Field("ever_enabled_multiple", true);
    });
    out.Array("standbys", [] {});
    out.Array("filesystems", [] {});
  });
}

void WriteServiceMap(const Cluster& cluster, JsonWriter& out) {
  out.Object([&] {
    out.Field("epoch", 1);
    out.Field("modified", Stamp(cluster.created));
    out.Object("services", [] {});
  });
}

void WriteMonMetadata(const Cluster& cluster, JsonWriter& out) {
  out.Object([&] {
    for (size_t i = 0; i < cluster.mons.size(); ++i) {
      const Mon& mon = cluster.mons[i];
      out.Object(mon.name, [&] {
        out.Field("addrs", absl::StrCat("[v2:", mon.ip, ":3300/0,v1:", mon.ip, ":6789/0]"));
        WriteSoftware(cluster.hosts[i % cluster.hosts.size()].name, out);
      });
    }
  });
}

void WriteMgrMetadata(const Cluster& cluster, JsonWriter& out) {
  const Host& host = cluster.hosts.front();
  out.Object([&] {
    out.Object("x", [&] {
      out.Field("addr", host.ip);
      WriteSoftware(host.name, out);
    });
  });
}

void WriteMdsMetadata(const Cluster&, JsonWriter& out) {
  out.Object([] {});
}

void WriteOsdMetadata(const Cluster& cluster, JsonWriter& out) {
  out.Reserve(1500 * cluster.osds.size());
  out.Object([&] {
    for (const Osd& osd : cluster.osds) {
      out.Object(absl::StrCat(osd.id), [&] {
        WriteSoftware(cluster.hosts[osd.host].name, out);
        out.Field("back_addr", AddrVec(cluster, osd, Messenger::kCluster));
        out.Field("back_iface", "eth0");
        out.Field("bluestore_bdev_rotational", "1");
        out.Field("bluestore_bdev_size", absl::StrCat(osd.total_bytes));
        out.Field("bluestore_bdev_type", "hdd");
        out.Field("ceph_version_when_created", kVersion);
        out.Field("created_at", MonStamp(osd.created));
        out.Field("default_device_class", "hdd");
        const std::string disk = DiskName(cluster, osd);
        out.Field("device_ids", absl::StrCat(disk, "=", DeviceId(osd)));
        out.Field("device_paths", absl::StrCat(disk, "=", DevicePath(cluster, osd)));
        out.Field("devices", disk);
        out.Field("front_addr", AddrVec(cluster, osd, Messenger::kPublic));
        out.Field("front_iface", "eth0");
        out.Field("hb_back_addr", AddrVec(cluster, osd, Messenger::kHeartbeatBack));
        out.Field("hb_front_addr", AddrVec(cluster, osd, Messenger::kHeartbeatFront));
        out.Field("journal_rotational", "1");
        out.Field("network_numa_unknown_ifaces", "back_iface,front_iface");
        out.Field("osd_data", absl::StrCat("/var/lib/ceph/osd/ceph-", osd.id));
        out.Field("osd_objectstore", "bluestore");
        out.Field("osdspec_affinity", "");
        out.Field("rotational", "1");
      });
    }
  });
}

}  // namespace outpost::cluster::sim
