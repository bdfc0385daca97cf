// The structures that ceph-mgr has from itself: its options and addresses, the disks and the
// ping times that daemons have told it.
#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/cluster/crush_text.h"
#include "server/cluster/sim/sim_daemon_options.h"
#include "server/cluster/sim/sim_structures.h"

namespace outpost::cluster::sim {
namespace {

// What a mgr's configuration file sets.
constexpr const char* kOptionsOfFiles[] = {"keyring", "log_file", "mgr_data", "mon_host"};

// Milliseconds between two OSDs: the same each time in a simulated minute.
double PingTime(int from, int to, int interface, int64_t minute) {
  uint64_t x = static_cast<uint64_t>(from) * 1000003 + static_cast<uint64_t>(to) * 8191 +
               static_cast<uint64_t>(interface) * 131 + static_cast<uint64_t>(minute) * 7;
  x = (x ^ (x >> 13)) * 0x9e3779b97f4a7c15u;
  return static_cast<double>(150 + (x >> 32) % 400) / 1000.0;
}

void WriteInterface(const Osd& osd, int peer, int interface, int64_t minute, JsonWriter& out) {
  struct Span {
    const char* name;
    int minutes;
    double average;
    double least;
    double most;
  };
  Span spans[] = {{"1min", 1, 0, 0, 0}, {"5min", 5, 0, 0, 0}, {"15min", 15, 0, 0, 0}};
  const double last = PingTime(osd.id, peer, interface, minute);
  double sum = 0;
  double least = last;
  double most = last;
  int minutes = 0;
  for (Span& span : spans) {
    for (; minutes < span.minutes; ++minutes) {
      const double time = PingTime(osd.id, peer, interface, minute - minutes);
      sum += time;
      least = std::min(least, time);
      most = std::max(most, time);
    }
    // Ceph tells them to the microsecond.
    span.average = static_cast<double>(static_cast<int64_t>(sum / minutes * 1000)) / 1000;
    span.least = least;
    span.most = most;
  }
  const auto write = [&](const char* key, double Span::*value) {
    out.Object(key, [&] {
      for (const Span& span : spans) out.Field(span.name, span.*value);
    });
  };
  out.Object([&] {
    out.Field("interface", interface == 0 ? "back" : "front");
    write("average", &Span::average);
    write("min", &Span::least);
    write("max", &Span::most);
    out.Field("last", last);
  });
}

}  // namespace

void WriteConfig(const Cluster& cluster, JsonWriter& out) {
  out.Object([&] {
    out.Field("name", "mgr.x");
    out.Field("cluster", "ceph");
    out.Field("fsid", cluster.fsid);
    for (const DaemonOption& option : DaemonOptions()) {
      absl::string_view value = option.value;
      for (const std::string& section : OptionSections("mgr.x")) {
        const auto set = cluster.options.find({section, std::string(option.name)});
        if (set == cluster.options.end()) continue;
        value = set->second;
        break;
      }
      out.Field(option.name, value);
    }
  });
}

void WriteModifiedConfigOptions(const Cluster& cluster, JsonWriter& out) {
  std::set<std::string> names(std::begin(kOptionsOfFiles), std::end(kOptionsOfFiles));
  for (const auto& [where, value] : cluster.options) names.insert(where.second);
  out.Object([&] { out.List("options", names); });
}

void WriteHaveLocalConfigMap(const Cluster&, JsonWriter& out) {
  out.Object([&] { out.Field("have_local_config_map", true); });
}

void WriteMgrIps(const Cluster& cluster, JsonWriter& out) {
  out.Object([&] { out.Array("ips", [&] { out.Value(cluster.hosts.front().ip); }); });
}

void WriteDevices(const Cluster& cluster, JsonWriter& out) {
  out.Reserve(160 * cluster.osds.size());
  out.Object([&] {
    out.Array("devices", [&] {
      for (const Osd& osd : cluster.osds) {
        out.Object([&] {
          out.Field("devid", DeviceId(osd));
          out.Array("location", [&] {
            out.Object([&] {
              out.Field("host", cluster.hosts[osd.host].name);
              out.Field("dev", DiskName(cluster, osd));
              out.Field("path", DevicePath(cluster, osd));
            });
          });
          out.Array("daemons", [&] { out.Value(absl::StrCat("osd.", osd.id)); });
        });
      }
    });
  });
}

int64_t PingMinute(const Cluster& cluster) {
  return absl::ToInt64Minutes(cluster.now - cluster.created);
}

void WriteOsdPingTimes(const Cluster& cluster, JsonWriter& out) {
  const int64_t minute = PingMinute(cluster);
  // As C's ctime() writes it.
  const std::string updated = absl::FormatTime(
      "%a %b %e %H:%M:%S %Y", cluster.created + absl::Minutes(minute), absl::UTCTimeZone());
  out.Reserve(6000 * cluster.osds.size());
  out.Object([&] {
    out.Array("osd_ping_times", [&] {
      for (const Osd& osd : cluster.osds) {
        out.Object([&] {
          out.Field("osd", osd.id);
          out.Array("network_ping_times", [&] {
            if (!osd.up) return;
            for (const int peer : PingPeers(cluster, osd)) {
              if (!cluster.osds[peer].up) continue;
              out.Object([&] {
                out.Field("osd", peer);
                out.Field("last update", updated);
                out.Array("interfaces", [&] {
                  for (const int interface : {0, 1}) {
                    WriteInterface(osd, peer, interface, minute, out);
                  }
                });
              });
            }
          });
        });
      }
    });
  });
}

void WriteOsdCrushMapText(const Cluster& cluster, JsonWriter& out) {
  JsonWriter crush;
  WriteOsdMapCrush(cluster, crush);
  const absl::StatusOr<std::string> text = CrushText(crush.Take());
  out.Value(text.ok() ? *text : "");
}

}  // namespace outpost::cluster::sim
