#include "server/cluster/sim/sim_health.h"

#include <algorithm>
#include <cstddef>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"

namespace outpost::cluster::sim {
namespace {

constexpr size_t kMaxDetail = 50;  // mon_health_max_detail
constexpr size_t kNamed = 10;      // daemons in one line, as Ceph's manager has it
constexpr absl::Duration kSlow = absl::Seconds(30);     // osd_op_complaint_time
constexpr absl::Duration kAgeStep = absl::Seconds(10);  // so that not every second is news

void CheckFlags(const Cluster& cluster, std::vector<HealthCheck>& checks) {
  const std::string flags = absl::StrJoin(FlagNames(cluster.flags & ~kUsualFlags), ",");
  if (flags.empty()) return;
  // Ceph counts the letters.
  checks.push_back({"OSDMAP_FLAGS",
                    absl::StrCat(flags, " flag(s) set"),
                    static_cast<int64_t>(flags.size()),
                    {}});
}

void CheckOsds(const Cluster& cluster, std::vector<HealthCheck>& checks) {
  HealthCheck osds_down{"OSD_DOWN", "", 0, {}};
  HealthCheck hosts_down{"OSD_HOST_DOWN", "", 0, {}};
  int64_t osds_on_them = 0;
  for (const Host& host : cluster.hosts) {
    int64_t in = 0;
    int64_t down = 0;
    for (const int id : host.osds) {
      const Osd& osd = cluster.osds[id];
      if (!osd.in) continue;
      ++in;
      if (osd.up) continue;
      ++down;
      osds_down.detail.push_back(
          absl::StrCat("osd.", id, " (root=default,host=", host.name, ") is down"));
    }
    osds_down.count += down;
    if (in == 0 || down < in) continue;
    ++hosts_down.count;
    osds_on_them += in;
    hosts_down.detail.push_back(
        absl::StrCat("host ", host.name, " (root=default) (", in, " osds) is down"));
  }
  if (osds_down.count == 0) return;
  osds_down.summary = absl::StrCat(osds_down.count, " osds down");
  checks.push_back(std::move(osds_down));
  if (hosts_down.count == 0) return;
  hosts_down.summary =
      absl::StrCat(hosts_down.count, hosts_down.count == 1 ? " host (" : " hosts (", osds_on_them,
                   " osds) down");
  checks.push_back(std::move(hosts_down));
  if (osds_on_them < CountIn(cluster)) return;
  checks.push_back({"OSD_ROOT_DOWN",
                    absl::StrCat("1 root (", osds_on_them, " osds) down"),
                    1,
                    {absl::StrCat("root default (", osds_on_them, " osds) is down")}});
}

// OSDs and pools that are full, or nearly, as the map says.
void CheckSpace(const Cluster& cluster, std::vector<HealthCheck>& checks) {
  struct Kind {
    Fullness fullness;
    const char* osds;
    const char* of_osds;  // behind the number
    const char* of_osd;   // behind its name
    const char* pools;
    const char* of_pool;
  };
  static constexpr Kind kKinds[] = {
      {Fullness::kFull, "OSD_FULL", "full", "full", "POOL_FULL", "full (no space)"},
      {Fullness::kBackfillFull, "OSD_BACKFILLFULL", "backfillfull", "backfill full",
       "POOL_BACKFILLFULL", "backfillfull"},
      {Fullness::kNearFull, "OSD_NEARFULL", "nearfull", "near full", "POOL_NEARFULL", "nearfull"},
  };
  const auto add = [&](HealthCheck check, absl::string_view what) {
    if (check.detail.empty()) return;
    check.count = static_cast<int64_t>(check.detail.size());
    check.summary = absl::StrCat(check.count, " ", what);
    check.detail.resize(std::min(check.detail.size(), kMaxDetail));
    checks.push_back(std::move(check));
  };
  for (const Kind& kind : kKinds) {
    HealthCheck osds{kind.osds, "", 0, {}, kind.fullness == Fullness::kFull};
    for (const Osd& osd : cluster.osds) {
      if (!osd.in || osd.fullness != kind.fullness) continue;
      osds.detail.push_back(absl::StrCat("osd.", osd.id, " is ", kind.of_osd));
    }
    add(std::move(osds), absl::StrCat(kind.of_osds, " osd(s)"));
    HealthCheck pools{kind.pools, "", 0, {}};
    for (const Pool& pool : cluster.pools) {
      if (pool.fullness != kind.fullness) continue;
      pools.detail.push_back(absl::StrCat("pool '", pool.name, "' is ", kind.of_pool));
    }
    add(std::move(pools), absl::StrCat("pool(s) ", kind.of_osds));
  }
}

// A check of PGs in the making: how many of them have which word in their state.
class PgCheck {
 public:
  PgCheck(const char* code, const std::vector<const char*>& words) : check_{code, "", 0, {}} {
    for (const char* word : words) words_.emplace_back(word, 0);
  }

  // `words` are those of `words_` that fit.
  void Add(const Pool& pool, const Pg& pg, const std::vector<absl::string_view>& words) {
    if (words.empty()) return;
    for (auto& [word, count] : words_) {
      if (std::find(words.begin(), words.end(), word) != words.end()) ++count;
    }
    ++check_.count;
    if (check_.detail.size() >= kMaxDetail) return;
    check_.detail.push_back(absl::StrCat("pg ", PgId(pool, pg), " is ", pg.state, ", acting [",
                                         absl::StrJoin(pg.acting, ","), "]"));
  }

  void Finish(absl::string_view title, std::vector<std::string> parts,
              std::vector<HealthCheck>& checks) {
    if (check_.count == 0) return;
    for (const auto& [word, count] : words_) {
      if (count > 0) parts.push_back(absl::StrCat(count, count == 1 ? " pg " : " pgs ", word));
    }
    check_.summary = absl::StrCat(title, ": ", absl::StrJoin(parts, ", "));
    checks.push_back(std::move(check_));
  }

 private:
  HealthCheck check_;
  std::vector<std::pair<absl::string_view, int64_t>> words_;
};

void CheckPgs(const Cluster& cluster, std::vector<HealthCheck>& checks) {
  PgCheck availability("PG_AVAILABILITY", {"inactive", "down", "stale"});
  PgCheck degraded("PG_DEGRADED", {"degraded", "undersized"});
  ObjectCounts counts;
  for (const Pool& pool : cluster.pools) {
    counts += CountPool(pool);
    for (const Pg& pg : pool.pgs) {
      std::vector<absl::string_view> unavailable;
      std::vector<absl::string_view> lacking;
      const std::vector<absl::string_view> words = absl::StrSplit(pg.state, '+');
      if (std::find(words.begin(), words.end(), "active") == words.end()) {
        unavailable.push_back("inactive");
      }
      for (const absl::string_view word : words) {
        if (word == "down" || word == "stale") unavailable.push_back(word);
        if (word == "degraded" || word == "undersized") lacking.push_back(word);
      }
      availability.Add(pool, pg, unavailable);
      degraded.Add(pool, pg, lacking);
    }
  }
  availability.Finish("Reduced data availability", {}, checks);
  std::vector<std::string> objects;
  if (counts.degraded > 0) {
    objects.push_back(absl::StrFormat(
        "%d/%d objects degraded (%.3f%%)", counts.degraded, counts.copies,
        100.0 * static_cast<double>(counts.degraded) / static_cast<double>(counts.copies)));
  }
  degraded.Finish("Degraded data redundancy", std::move(objects), checks);
}

// What clients asked of PGs that serve nobody waits at their primaries: one operation a PG.
void CheckSlowOps(const Cluster& cluster, std::vector<HealthCheck>& checks) {
  int64_t waiting = 0;
  absl::Time oldest = cluster.now;
  std::set<int> primaries;
  for (const Pool& pool : cluster.pools) {
    for (const Pg& pg : pool.pgs) {
      if (pg.acting.empty() || absl::StrContains(pg.state, "active")) continue;
      if (cluster.now - pg.last_change < kSlow) continue;
      ++waiting;
      oldest = std::min(oldest, pg.last_change);
      primaries.insert(pg.acting.front());
    }
  }
  if (waiting == 0) return;
  std::vector<std::string> names;
  for (const int osd : primaries) {
    if (names.size() < kNamed) names.push_back(absl::StrCat("osd.", osd));
  }
  const std::string who =
      primaries.size() == 1
          ? absl::StrCat(names[0], " has slow ops")
          : absl::StrCat("daemons [", absl::StrJoin(names, ","), "]",
                         names.size() < primaries.size() ? "..." : "", " have slow ops.");
  checks.push_back({"SLOW_OPS",
                    absl::StrCat(waiting, " slow ops, oldest one blocked for ",
                                 absl::ToInt64Seconds(absl::Floor(cluster.now - oldest, kAgeStep)),
                                 " sec, ", who),
                    waiting,
                    {}});
}

}  // namespace

std::vector<HealthCheck> HealthChecks(const Cluster& cluster) {
  std::vector<HealthCheck> checks;
  CheckFlags(cluster, checks);
  CheckOsds(cluster, checks);
  CheckPgs(cluster, checks);
  CheckSlowOps(cluster, checks);
  CheckSpace(cluster, checks);
  std::sort(checks.begin(), checks.end(),
            [](const HealthCheck& a, const HealthCheck& b) { return a.code < b.code; });
  return checks;
}

std::string HealthStatus(const std::vector<HealthCheck>& checks) {
  if (checks.empty()) return "HEALTH_OK";
  const bool error = std::any_of(checks.begin(), checks.end(),
                                 [](const HealthCheck& check) { return check.is_error; });
  return error ? "HEALTH_ERR" : "HEALTH_WARN";
}

void WriteHealth(const Cluster& cluster, bool with_detail, JsonWriter& out) {
  const std::vector<HealthCheck> checks = HealthChecks(cluster);
  out.Object([&] {
    out.Field("status", HealthStatus(checks));
    out.Object("checks", [&] {
      for (const HealthCheck& check : checks) {
        out.Object(check.code, [&] {
          out.Field("severity", check.is_error ? "HEALTH_ERR" : "HEALTH_WARN");
          out.Object("summary", [&] {
            out.Field("message", check.summary);
            out.Field("count", check.count);
          });
          if (with_detail) {
            out.Array("detail", [&] {
              for (const std::string& line : check.detail) {
                out.Object([&] { out.Field("message", line); });
              }
            });
          }
          out.Field("muted", false);
        });
      }
    });
    out.Array("mutes", [] {});
  });
}

}  // namespace outpost::cluster::sim
