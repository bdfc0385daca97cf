#include "server/cluster/ceph/ceph_structures.h"

#include <cstdint>
#include <initializer_list>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace outpost::cluster::ceph {
namespace {

using Json = nlohmann::ordered_json;  // what is published keeps Ceph's order

absl::Status Malformed(absl::string_view what, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(what, ": ", why));
}

absl::StatusOr<Json> Parse(absl::string_view what, absl::string_view text) {
  Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return Malformed(what, "not JSON");
  return json;
}

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

// The value below `path`, or null.
const Json* Find(const Json& json, std::initializer_list<const char*> path) {
  const Json* at = &json;
  for (const char* key : path) {
    if (!at->is_object()) return nullptr;
    const auto found = at->find(key);
    if (found == at->end()) return nullptr;
    at = &*found;
  }
  return at;
}

bool ReadUint(const Json& json, std::initializer_list<const char*> path, uint64_t* value) {
  const Json* found = Find(json, path);
  if (found == nullptr || !found->is_number_unsigned()) return false;
  *value = found->get<uint64_t>();
  return true;
}

bool ReadText(const Json& json, std::initializer_list<const char*> path, std::string* value) {
  const Json* found = Find(json, path);
  if (found == nullptr || !found->is_string()) return false;
  *value = found->get_ref<const std::string&>();
  return true;
}

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

}  // namespace

absl::StatusOr<StatusSummary> ParseStatus(absl::string_view status) {
  const absl::StatusOr<Json> json = Parse("status", status);
  if (!json.ok()) return json.status();
  StatusSummary summary;
  const Json* health = Find(*json, {"health"});
  const Json* checks = Find(*json, {"health", "checks"});
  const Json* pgmap = Find(*json, {"pgmap"});
  const Json* quorum = Find(*json, {"quorum_names"});
  uint64_t election = 0;
  if (!ReadUint(*json, {"monmap", "epoch"}, &summary.monmap_epoch) ||
      !ReadUint(*json, {"osdmap", "epoch"}, &summary.osdmap_epoch) ||
      !ReadUint(*json, {"fsmap", "epoch"}, &summary.fsmap_epoch) ||
      !ReadUint(*json, {"servicemap", "epoch"}, &summary.servicemap_epoch) ||
      !ReadUint(*json, {"election_epoch"}, &election) || checks == nullptr || pgmap == nullptr ||
      quorum == nullptr || !quorum->is_array()) {
    return Malformed("status", "an epoch, the health, the pgmap or the quorum is missing");
  }
  for (const Json& name : *quorum) {
    if (name.is_string()) summary.quorum.push_back(name.get<std::string>());
  }
  summary.quorum_text = absl::StrCat(election, " ", Dump(*quorum));
  summary.health = Dump(*health);
  summary.healthy = checks->empty();
  summary.pgmap = Dump(*pgmap);
  return summary;
}

absl::StatusOr<MgrStat> ParseMgrStat(absl::string_view mgr_stat) {
  const absl::StatusOr<Json> json = Parse("mgr stat", mgr_stat);
  if (!json.ok()) return json.status();
  MgrStat stat;
  const Json* available = Find(*json, {"available"});
  if (!ReadUint(*json, {"epoch"}, &stat.epoch) || available == nullptr ||
      !available->is_boolean()) {
    return Malformed("mgr stat", "epoch or available is missing");
  }
  stat.available = available->get<bool>();
  return stat;
}

absl::Status CheckJson(absl::string_view text) {
  if (Json::accept(text.begin(), text.end())) return absl::OkStatus();
  return absl::InvalidArgumentError("not JSON");
}

absl::StatusOr<uint64_t> ParseEpoch(absl::string_view map) {
  const absl::StatusOr<Json> json = Parse("map", map);
  if (!json.ok()) return json.status();
  uint64_t epoch = 0;
  if (!ReadUint(*json, {"epoch"}, &epoch)) return Malformed("map", "epoch is missing");
  return epoch;
}

absl::StatusOr<OsdMapFacts> ParseOsdMap(absl::string_view osd_dump) {
  const absl::StatusOr<Json> json = Parse("osd dump", osd_dump);
  if (!json.ok()) return json.status();
  OsdMapFacts facts;
  const Json* osds = Find(*json, {"osds"});
  if (!ReadUint(*json, {"epoch"}, &facts.epoch) ||
      !ReadUint(*json, {"crush_version"}, &facts.crush_version) || osds == nullptr ||
      !osds->is_array()) {
    return Malformed("osd dump", "epoch, crush_version or osds is missing");
  }
  for (const Json& osd : *osds) {
    uint64_t id = 0;
    uint64_t up_from = 0;
    std::string uuid;
    if (!ReadUint(osd, {"osd"}, &id) || !ReadUint(osd, {"up_from"}, &up_from) ||
        !ReadText(osd, {"uuid"}, &uuid)) {
      return Malformed("osd dump", "an OSD without osd, up_from or uuid");
    }
    facts.boots.emplace_back(id, std::move(uuid), up_from);
    uint64_t up = 0;
    if (ReadUint(osd, {"up"}, &up) && up != 0) facts.up.emplace_back(id, up_from);
  }
  return facts;
}

absl::StatusOr<std::string> MonMapStructure(absl::string_view mon_dump) {
  absl::StatusOr<Json> json = Parse("mon dump", mon_dump);
  if (!json.ok()) return json.status();
  if (Find(*json, {"mons"}) == nullptr) return Malformed("mon dump", "mons is missing");
  json->erase("quorum");
  return Dump(*json);
}

absl::StatusOr<std::string> OsdMetadataStructure(absl::string_view osd_metadata) {
  absl::StatusOr<Json> json = Parse("osd metadata", osd_metadata);
  if (!json.ok()) return json.status();
  if (!json->is_array()) return Malformed("osd metadata", "not a list");
  Json structure = Json::object();
  for (Json& osd : *json) {
    uint64_t id = 0;
    if (!ReadUint(osd, {"id"}, &id)) return Malformed("osd metadata", "an OSD without id");
    osd.erase("id");
    structure[absl::StrCat(id)] = std::move(osd);
  }
  return Dump(structure);
}

absl::StatusOr<std::string> NamedMetadataStructure(absl::string_view query,
                                                   absl::string_view metadata) {
  absl::StatusOr<Json> json = Parse(query, metadata);
  if (!json.ok()) return json.status();
  if (!json->is_array()) return Malformed(query, "not a list");
  Json structure = Json::object();
  for (Json& daemon : *json) {
    const Json* const name = Find(daemon, {"name"});
    if (name == nullptr || !name->is_string()) return Malformed(query, "a daemon without name");
    const std::string key = *name;
    daemon.erase("name");
    structure[key] = std::move(daemon);
  }
  return Dump(structure);
}

absl::StatusOr<std::string> TextStructure(absl::string_view json) {
  const absl::string_view text = absl::StripAsciiWhitespace(json);
  if (absl::Status status = CheckJson(text); !status.ok()) return status;
  return Dump({{"json", std::string(text)}});
}

absl::StatusOr<PgStructures> MakePgStructures(absl::string_view pg_dump_sum,
                                              absl::string_view pg_dump_brief,
                                              absl::string_view pgmap) {
  const absl::StatusOr<Json> sum = Parse("pg dump sum", pg_dump_sum);
  if (!sum.ok()) return sum.status();
  const absl::StatusOr<Json> brief = Parse("pg dump", pg_dump_brief);
  if (!brief.ok()) return brief.status();
  const absl::StatusOr<Json> status = Parse("pgmap", pgmap);
  if (!status.ok()) return status.status();
  const Json* stats_sum = Find(*sum, {"pg_map", "pg_stats_sum"});
  const Json* pgs = Find(*brief, {"pg_stats"});
  const Json* osds = Find(*brief, {"osd_stats"});
  const Json* pools = Find(*brief, {"pool_stats"});
  const Json* pool_statfs = Find(*brief, {"pool_statfs"});
  if (stats_sum == nullptr) return Malformed("pg dump sum", "pg_stats_sum is missing");
  if (pgs == nullptr || !pgs->is_array() || osds == nullptr || !osds->is_array() ||
      pools == nullptr || pool_statfs == nullptr || !status->is_object()) {
    return Malformed("pg dump", "pg_stats, osd_stats, pool_stats or pool_statfs is missing");
  }
  const absl::StatusOr<PgCounts> counts = CountPgs(*pgs);
  if (!counts.ok()) return counts.status();

  PgStructures structures;
  structures.pg_summary = Dump({{"by_osd", CountsObject(counts->by_osd)},
                                {"by_pool", CountsObject(counts->by_pool)},
                                {"all", CountsObject(counts->all)},
                                {"pg_stats_sum", *stats_sum}});
  Json pg_status = {{"pgs_by_pool_state", PoolStates(counts->by_pool)}};
  pg_status.update(*status);
  structures.pg_status = Dump(pg_status);
  Json osd_list = *osds;
  for (Json& osd : osd_list) osd.erase("network_ping_times");  // osd_ping_times has them
  structures.osd_stats = Dump({{"osd_stats", std::move(osd_list)}, {"pool_statfs", *pool_statfs}});
  structures.pool_stats = Dump({{"pool_stats", *pools}});
  return structures;
}

}  // namespace outpost::cluster::ceph
