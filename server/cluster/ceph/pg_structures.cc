#include "server/cluster/ceph/pg_structures.h"

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/cluster/ceph/ceph_json.h"

namespace outpost::cluster::ceph {
namespace {

using StateCounts = std::map<std::string, uint64_t>;

Json CountsObject(const StateCounts& counts) {
  Json object = Json::object();
  for (const auto& [state, count] : counts) object[state] = count;
  return object;
}

Json CountsObject(const std::map<int64_t, StateCounts>& by_id) {
  Json object = Json::object();
  for (const auto& [id, counts] : by_id) object[absl::StrCat(id)] = CountsObject(counts);
  return object;
}

struct PgCounts {
  std::map<int64_t, StateCounts> by_osd;
  std::map<int64_t, StateCounts> by_pool;
  StateCounts all;
};

// Counts as ceph-mgr does: a group in the state of its name for each OSD that acts.
absl::StatusOr<PgCounts> CountPgs(const Json& pgs) {
  PgCounts counts;
  for (const Json& pg : pgs) {
    std::string id;
    std::string state;
    const Json* acting = Find(pg, {"acting"});
    if (!ReadText(pg, {"pgid"}, &id) || !ReadText(pg, {"state"}, &state) || acting == nullptr ||
        !acting->is_array()) {
      return Malformed("pg dump", "a placement group without pgid, state or acting");
    }
    int64_t pool = 0;
    if (!absl::SimpleAtoi(id.substr(0, id.find('.')), &pool)) {
      return Malformed("pg dump", absl::StrCat("pgid \"", id, "\" is not <pool>.<seed>"));
    }
    ++counts.by_pool[pool][state];
    ++counts.all[state];
    for (const Json& osd : *acting) {
      if (osd.is_number_integer()) ++counts.by_osd[osd.get<int64_t>()][state];
    }
  }
  return counts;
}

Json PoolStates(const std::map<int64_t, StateCounts>& by_pool) {
  Json pools = Json::array();
  for (const auto& [pool, counts] : by_pool) {
    Json states = Json::array();
    for (const auto& [state, count] : counts) {
      states.push_back({{"state_name", state}, {"count", count}});
    }
    pools.push_back({{"pool_id", pool}, {"pg_state_counts", std::move(states)}});
  }
  return pools;
}

bool HasWord(absl::string_view state, absl::string_view word) {
  for (const absl::string_view one : absl::StrSplit(state, '+')) {
    if (one == word) return true;
  }
  return false;
}

// A member, or null where there is none.
Json Member(const Json& object, std::initializer_list<const char*> path) {
  const Json* const found = Find(object, path);
  return found == nullptr ? Json() : *found;
}

std::string PgProgress(const Json& pgs, bool ready) {
  Json progress = Json::object();
  for (const Json& pg : pgs) {
    progress[pg["pgid"].get<std::string>()] = {
        {"num_bytes_recovered", Member(pg, {"stat_sum", "num_bytes_recovered"})},
        {"num_bytes", Member(pg, {"stat_sum", "num_bytes"})},
        {"reported_epoch", Member(pg, {"reported_epoch"})},
        {"state", pg["state"]}};
  }
  return Dump({{"pgs", std::move(progress)}, {"pg_ready", ready}});
}

std::string ActiveCleanPgs(const Json& pgs) {
  Json clean = Json::array();
  for (const Json& pg : pgs) {
    const std::string& state = pg["state"].get_ref<const std::string&>();
    if (!HasWord(state, "active") || !HasWord(state, "clean")) continue;
    clean.push_back({{"pgid", pg["pgid"]},
                     {"state", state},
                     {"reported_epoch", Member(pg, {"reported_epoch"})}});
  }
  return Dump({{"pg_stats", std::move(clean)}, {"total_num_pgs", pgs.size()}});
}

// Takes the ping times out of the OSDs.
std::string TakePingTimes(Json& osds) {
  Json times = Json::array();
  for (Json& osd : osds) {
    times.push_back({{"osd", Member(osd, {"osd"})},
                     {"network_ping_times", Member(osd, {"network_ping_times"})}});
    osd.erase("network_ping_times");
  }
  return Dump({{"osd_ping_times", std::move(times)}});
}

}  // namespace

absl::StatusOr<PgStructures> MakePgStructures(absl::string_view pg_dump, absl::string_view pgmap) {
  absl::StatusOr<Json> dump = Parse("pg dump", pg_dump);
  if (!dump.ok()) return dump.status();
  const absl::StatusOr<Json> status = Parse("pgmap", pgmap);
  if (!status.ok()) return status.status();
  const Json* const ready = Find(*dump, {"pg_ready"});
  const Json* const sum = Find(*dump, {"pg_map", "pg_stats_sum"});
  const Json* const delta = Find(*dump, {"pg_map", "pg_stats_delta"});
  const Json* const pgs = Find(*dump, {"pg_map", "pg_stats"});
  const Json* const osds = Find(*dump, {"pg_map", "osd_stats"});
  const Json* const pools = Find(*dump, {"pg_map", "pool_stats"});
  const Json* const statfs = Find(*dump, {"pg_map", "pool_statfs"});
  if (ready == nullptr || !ready->is_boolean() || sum == nullptr || delta == nullptr ||
      pgs == nullptr || !pgs->is_array() || osds == nullptr || !osds->is_array() ||
      pools == nullptr || statfs == nullptr || !status->is_object()) {
    return Malformed("pg dump", "pg_ready, a sum, or one of the lists of statistics is missing");
  }
  for (const Json& osd : *osds) {
    if (!osd.is_object()) return Malformed("pg dump", "an OSD that is no object");
  }
  const absl::StatusOr<PgCounts> counts = CountPgs(*pgs);
  if (!counts.ok()) return counts.status();

  PgStructures s;
  const auto add = [&](const char* name, std::string json) {
    s.emplace_back(name, std::move(json));
  };
  add("pg_ready", Dump({{"pg_ready", *ready}}));
  add("pg_summary", Dump({{"by_osd", CountsObject(counts->by_osd)},
                          {"by_pool", CountsObject(counts->by_pool)},
                          {"all", CountsObject(counts->all)},
                          {"pg_stats_sum", *sum}}));
  Json pg_status = {{"pgs_by_pool_state", PoolStates(counts->by_pool)}};
  pg_status.update(*status);
  add("pg_status", Dump(pg_status));
  add("pg_progress", PgProgress(*pgs, ready->get<bool>()));
  add("active_clean_pgs", ActiveCleanPgs(*pgs));
  add("pool_stats", Dump({{"pool_stats", *pools}}));
  add("io_rate", Dump({{"pg_stats_delta", *delta}}));
  add("osd_ping_times", TakePingTimes((*dump)["pg_map"]["osd_stats"]));
  add("osd_stats", Dump({{"osd_stats", *osds}, {"pool_statfs", *statfs}}));
  add("pg_stats", Dump({{"pg_stats", *pgs}}));
  add("pg_dump", Dump((*dump)["pg_map"]));
  return s;
}

}  // namespace outpost::cluster::ceph
