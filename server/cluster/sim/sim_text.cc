#include "server/cluster/sim/sim_text.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "server/cluster/sim/sim_health.h"
#include "server/cluster/sim/sim_structures.h"

namespace outpost::cluster::sim {
namespace {

// With as many of two decimals as fit seven letters.
std::string Scaled(uint64_t value, uint64_t base, const std::vector<const char*>& units) {
  uint64_t unit = 1;
  size_t i = 0;
  while (i + 1 < units.size() && value / unit >= base) {
    unit *= base;
    ++i;
  }
  if (value % unit == 0) return absl::StrCat(value / unit, units[i]);
  const double scaled = static_cast<double>(value) / static_cast<double>(unit);
  std::string text;
  for (int decimals = 2; decimals >= 0; --decimals) {
    text = absl::StrFormat("%.*f%s", decimals, scaled, units[i]);
    if (text.size() <= 7) break;
  }
  return text;
}

std::string PercentText(double ratio) {
  if (ratio * 100 < 0.005) return "0";
  return absl::StrFormat("%.2f", ratio * 100);
}

// A table as Ceph prints it: two spaces between columns, each column left- or
// right-justified as its first letter says ("<ID", ">SIZE").
std::string Table(const std::vector<std::string>& columns, bool justify_headings,
                  const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  widths.reserve(columns.size());
  for (const std::string& column : columns) widths.push_back(column.size() - 1);
  for (const std::vector<std::string>& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  const auto append = [&](absl::string_view cell, size_t i, bool right) {
    const std::string padding(widths[i] - cell.size(), ' ');
    absl::StrAppend(&text, i == 0 ? "" : "  ", right ? padding : "", cell, right ? "" : padding);
  };
  for (size_t i = 0; i < columns.size(); ++i) {
    append(columns[i].substr(1), i, justify_headings && columns[i][0] == '>');
  }
  text += '\n';
  for (const std::vector<std::string>& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) append(row[i], i, columns[i][0] == '>');
    text += '\n';
  }
  return text;
}

std::string UpAndIn(const Cluster& cluster) {
  return absl::StrCat(cluster.osds.size(), " osds: ", CountUp(cluster), " up (since ",
                      AgeText(cluster.now - cluster.last_up_change), "), ", CountIn(cluster),
                      " in (since ", AgeText(cluster.now - cluster.last_in_change), ")");
}

std::string UnusualFlags(const Cluster& cluster) {
  return absl::StrJoin(FlagNames(cluster.flags & ~kUsualFlags), ",");
}

std::string PgLines(const Cluster& cluster) {
  std::map<std::string, uint64_t> states;
  for (const Pool& pool : cluster.pools) {
    for (const Pg& pg : pool.pgs) ++states[pg.state];
  }
  std::vector<std::pair<uint64_t, std::string>> by_count;
  by_count.reserve(states.size());
  for (const auto& [state, count] : states) by_count.emplace_back(count, state);
  std::stable_sort(by_count.begin(), by_count.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::string text;
  const size_t width = by_count.empty() ? 0 : absl::StrCat(by_count.front().first).size();
  for (const auto& [count, state] : by_count) {
    const std::string number = absl::StrCat(count);
    absl::StrAppend(&text, text.empty() ? "" : "             ", number,
                    std::string(width - number.size() + 1, ' '), state, "\n");
  }
  return text.empty() ? "\n" : text;
}

std::string ClientLine(const Cluster& cluster) {
  ClientIo io;
  for (const Pool& pool : cluster.pools) io += pool.last_io;
  const double seconds = absl::ToDoubleSeconds(cluster.last_step);
  if (seconds <= 0 || (io.reads == 0 && io.writes == 0)) return "";
  const auto rate = [seconds](uint64_t value) {
    return static_cast<uint64_t>(static_cast<double>(value) / seconds);
  };
  return absl::StrCat("  io:\n    client:   ", BytesText(rate(io.read_bytes)), "/s rd, ",
                      BytesText(rate(io.write_bytes)), "/s wr, ", CountText(rate(io.reads)),
                      " op/s rd, ", CountText(rate(io.writes)), " op/s wr\n \n");
}

}  // namespace

std::string BytesText(uint64_t bytes) {
  return Scaled(bytes, 1024, {" B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB"});
}

std::string CountText(uint64_t count) {
  return Scaled(count, 1000, {"", "k", "M", "G", "T", "P", "E"});
}

std::string AgeText(absl::Duration age) {
  const int64_t seconds = absl::ToInt64Seconds(age);
  if (seconds < 120) return absl::StrCat(seconds, "s");
  const int64_t minutes = seconds / 60;
  if (minutes < 120) return absl::StrCat(minutes, "m");
  const int64_t hours = minutes / 60;
  if (hours < 48) return absl::StrCat(hours, "h");
  const int64_t days = hours / 24;
  if (days < 14) return absl::StrCat(days, "d");
  if (days / 7 < 12) return absl::StrCat(days / 7, "w");
  if (days / 30 < 24) return absl::StrCat(days / 30, "M");
  return absl::StrCat(days / 365, "y");
}

std::string StatusText(const Cluster& cluster) {
  const std::vector<HealthCheck> checks = HealthChecks(cluster);
  std::string health = HealthStatus(checks);
  for (const HealthCheck& check : checks) absl::StrAppend(&health, "\n            ", check.summary);
  std::vector<std::string> mons;
  for (const Mon& mon : cluster.mons) mons.push_back(mon.name);
  const absl::Duration age = cluster.now - cluster.created;
  const int remapped = CountRemapped(cluster);
  const std::string flags = UnusualFlags(cluster);
  const Capacity capacity = CountCapacity(cluster);
  ObjectCounts counts;
  size_t pgs = 0;
  for (const Pool& pool : cluster.pools) {
    counts += CountPool(pool);
    pgs += pool.pgs.size();
  }
  return absl::StrCat(
      "  cluster:\n    id:     ", cluster.fsid, "\n    health: ", health, "\n \n",  //
      "  services:\n    mon: ", mons.size(), " daemons, quorum ", absl::StrJoin(mons, ","),
      " (age ", AgeText(age), ")\n    mgr: x(active, since ", AgeText(age),
      ")\n    osd: ", UpAndIn(cluster),
      remapped == 0 ? "" : absl::StrCat("; ", remapped, " remapped pgs"),
      flags.empty() ? "" : absl::StrCat("\n         flags ", flags), "\n \n",  //
      "  data:\n    pools:   ", cluster.pools.size(), " pools, ", pgs,
      " pgs\n    objects: ", CountText(counts.objects), " objects, ", BytesText(counts.bytes()),
      "\n    usage:   ", BytesText(capacity.used_bytes), " used, ",
      BytesText(capacity.available_bytes()), " / ", BytesText(capacity.total_bytes),
      " avail\n    pgs:     ", PgLines(cluster), " \n", ClientLine(cluster));
}

std::string HealthText(const Cluster& cluster, bool with_detail) {
  std::vector<HealthCheck> checks = HealthChecks(cluster);
  std::stable_partition(checks.begin(), checks.end(),
                        [](const HealthCheck& check) { return check.is_error; });
  std::string text = HealthStatus(checks);
  const char* separator = " ";
  for (const HealthCheck& check : checks) {
    absl::StrAppend(&text, separator, check.summary);
    separator = "; ";
  }
  text += '\n';
  if (!with_detail) return text;
  for (const HealthCheck& check : checks) {
    absl::StrAppend(&text, check.is_error ? "[ERR] " : "[WRN] ", check.code, ": ", check.summary,
                    "\n");
    for (const std::string& line : check.detail) absl::StrAppend(&text, "    ", line, "\n");
  }
  return text;
}

std::string DfText(const Cluster& cluster) {
  const Capacity capacity = CountCapacity(cluster);
  const auto ratio = [](uint64_t part, uint64_t whole) {
    return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
  };
  std::vector<std::vector<std::string>> storage;
  for (const char* device_class : {"hdd", "TOTAL"}) {
    storage.push_back({device_class, BytesText(capacity.total_bytes),
                       BytesText(capacity.available_bytes()), BytesText(capacity.used_bytes),
                       BytesText(capacity.used_bytes),
                       PercentText(ratio(capacity.used_bytes, capacity.total_bytes))});
  }
  std::vector<std::vector<std::string>> pools;
  for (const Pool& pool : cluster.pools) {
    const ObjectCounts counts = CountPool(pool);
    const uint64_t used = (counts.copies - counts.degraded) * kObjectBytes;
    const uint64_t available = MaxAvailable(capacity, pool);
    pools.push_back({pool.name, absl::StrCat(pool.id), absl::StrCat(pool.pgs.size()),
                     BytesText(counts.bytes()), CountText(counts.objects), BytesText(used),
                     PercentText(ratio(used, used + available * static_cast<uint64_t>(pool.size))),
                     BytesText(available)});
  }
  return absl::StrCat(
      "--- RAW STORAGE ---\n",
      Table({"<CLASS", ">SIZE", ">AVAIL", ">USED", ">RAW USED", ">%RAW USED"}, true, storage),
      " \n--- POOLS ---\n",
      Table({"<POOL", ">ID", ">PGS", ">STORED", ">OBJECTS", ">USED", ">%USED", ">MAX AVAIL"}, true,
            pools));
}

std::string OsdDumpText(const Cluster& cluster) {
  std::string text = absl::StrCat("epoch ", cluster.epoch, "\nfsid ", cluster.fsid, "\ncreated ",
                                  Stamp(cluster.created), "\nmodified ", Stamp(cluster.modified),
                                  "\nflags ", absl::StrJoin(FlagNames(cluster.flags), ","),
                                  "\ncrush_version ", cluster.osds.size() + 1,
                                  "\nfull_ratio 0.95\nbackfillfull_ratio 0.9\nnearfull_ratio 0.85\n"
                                  "require_min_compat_client luminous\nmin_compat_client jewel\n"
                                  "require_osd_release pacific\nstretch_mode_enabled false\n");
  for (const Pool& pool : cluster.pools) absl::StrAppend(&text, PoolText(pool), "\n");
  absl::StrAppend(&text, "max_osd ", cluster.osds.size(), "\n");
  for (const Osd& osd : cluster.osds) {
    absl::StrAppend(&text, "osd.", osd.id, osd.up ? " up   " : " down ", osd.in ? "in  " : "out ",
                    "weight ", osd.in ? 1 : 0, " up_from ", osd.up_from, " up_thru ", osd.up_thru,
                    " down_at ", osd.down_at, " last_clean_interval [", osd.last_clean_begin, ",",
                    osd.last_clean_end, ") ");
    absl::StrAppend(&text, AddrVec(cluster, osd, Messenger::kPublic), " ",
                    AddrVec(cluster, osd, Messenger::kCluster), " ",
                    absl::StrJoin(StateNames(osd), ","), " ", osd.uuid, "\n");
  }
  return text;
}

std::string OsdTreeText(const Cluster& cluster) {
  const auto weight = [](double tib) { return absl::StrFormat("%.5f", tib); };
  std::vector<std::vector<std::string>> rows;
  double total = 0;
  rows.push_back({"-1", "", "", "root default", "", "", ""});
  for (const Host* host : HostsInOrder(cluster)) {
    double of_host = 0;
    const size_t host_row = rows.size();
    rows.push_back(
        {absl::StrCat(host->bucket), "", "", absl::StrCat("    host ", host->name), "", "", ""});
    for (const int id : host->osds) {
      const Osd& osd = cluster.osds[id];
      const double tib = CrushWeightInTib(CrushWeight(osd));
      of_host += tib;
      rows.push_back({absl::StrCat(id), "hdd", weight(tib), absl::StrCat("        osd.", id),
                      osd.up ? "up" : "down", osd.in ? "1.00000" : "0", "1.00000"});
    }
    rows[host_row][2] = weight(of_host);
    total += of_host;
  }
  rows[0][2] = weight(total);
  return Table({">ID", ">CLASS", ">WEIGHT", "<TYPE NAME", ">STATUS", ">REWEIGHT", ">PRI-AFF"},
               false, rows);
}

std::string OsdStatText(const Cluster& cluster) {
  const int remapped = CountRemapped(cluster);
  const std::string flags = UnusualFlags(cluster);
  return absl::StrCat(UpAndIn(cluster), "; epoch: e", cluster.epoch,
                      remapped == 0 ? "" : absl::StrCat("; ", remapped, " remapped pgs"), "\n",
                      flags.empty() ? "" : absl::StrCat("flags ", flags, "\n"));
}

std::string PoolText(const Pool& pool) {
  return absl::StrCat(
      "pool ", pool.id, " '", pool.name, "' replicated size ", pool.size, " min_size ",
      pool.min_size, " crush_rule 0 object_hash rjenkins pg_num ", pool.pgs.size(), " pgp_num ",
      pool.pgs.size(), " autoscale_mode off last_change ", pool.last_change, " flags ",
      absl::StrJoin(FlagNames(pool), ","), " stripe_width 0",
      pool.application.empty() ? "" : absl::StrCat(" application ", pool.application));
}

}  // namespace outpost::cluster::sim
