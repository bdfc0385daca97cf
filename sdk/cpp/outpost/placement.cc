#include "outpost/placement.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace outpost {
namespace {

absl::Status Unreadable(absl::string_view method, const Json& answer) {
  return absl::InternalError(
      absl::StrCat("module ", Placement::kModule, ": ", method, "() answers ",
                   answer.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 200)));
}

Json ByOsd(const std::map<int, double>& weights) {
  Json object = Json::object();
  for (const auto& [osd, weight] : weights) object[absl::StrCat(osd)] = weight;
  return object;
}

Json AsJson(const OsdMapChange& change) {
  Json added = Json::array();
  for (const auto& [group, moves] : change.new_upmap_items) {
    Json mappings = Json::array();
    for (const auto& [from, to] : moves) mappings.push_back({{"from", from}, {"to", to}});
    added.push_back({{"pgid", group}, {"mappings", std::move(mappings)}});
  }
  return {{"osd_reweights", ByOsd(change.osd_reweights)},
          {"crush_compat_weights", ByOsd(change.crush_compat_weights)},
          {"new_pg_upmap_items", std::move(added)},
          {"old_pg_upmap_items", change.old_upmap_items}};
}

bool ReadOsd(const Json& json, int* osd) {
  if (!json.is_number_integer()) return false;
  *osd = json.get<int>();
  return true;
}

bool ReadOsds(const Json& json, std::vector<int>* osds) {
  if (!json.is_array()) return false;
  return std::all_of(json.begin(), json.end(),
                     [osds](const Json& osd) { return ReadOsd(osd, &osds->emplace_back()); });
}

// The member, or null.
const Json& Member(const Json& json, const char* name) {
  static const Json* const kNull = new Json();
  if (!json.is_object()) return *kNull;
  const auto member = json.find(name);
  return member == json.end() ? *kNull : *member;
}

bool ReadUpmaps(const Json& answer, OsdMapChange* change) {
  const Json& added = Member(answer, "new_pg_upmap_items");
  const Json& removed = Member(answer, "old_pg_upmap_items");
  if (!added.is_array() || !removed.is_array()) return false;
  for (const Json& entry : added) {
    const Json& group = Member(entry, "pgid");
    const Json& mappings = Member(entry, "mappings");
    if (!group.is_string() || !mappings.is_array()) return false;
    std::vector<std::pair<int, int>> moves;
    for (const Json& mapping : mappings) {
      auto& [from, to] = moves.emplace_back();
      if (!ReadOsd(Member(mapping, "from"), &from) || !ReadOsd(Member(mapping, "to"), &to)) {
        return false;
      }
    }
    const auto name = group.get<std::string>();
    std::erase(change->old_upmap_items, name);
    change->new_upmap_items[name] = std::move(moves);
  }
  for (const Json& group : removed) {
    if (!group.is_string()) return false;
    const auto name = group.get<std::string>();
    change->new_upmap_items.erase(name);
    std::erase(change->old_upmap_items, name);
    change->old_upmap_items.push_back(name);
  }
  return true;
}

}  // namespace

absl::StatusOr<std::map<std::string, std::vector<int>>> Placement::MapPoolPgsUp(
    int64_t pool, const OsdMapChange& change) const {
  constexpr absl::string_view kMethod = "map_pool_pgs_up";
  const absl::StatusOr<Json> answer = call_(kMethod, {{"pool", pool}, {"change", AsJson(change)}});
  if (!answer.ok()) return answer.status();
  if (!answer->is_object()) return Unreadable(kMethod, *answer);
  std::map<std::string, std::vector<int>> groups;
  for (const auto& [group, osds] : answer->items()) {
    if (!ReadOsds(osds, &groups[group])) return Unreadable(kMethod, *answer);
  }
  return groups;
}

absl::StatusOr<PgPlacement> Placement::PgToUpActingOsds(int64_t pool, uint32_t ps,
                                                        const OsdMapChange& change) const {
  constexpr absl::string_view kMethod = "pg_to_up_acting_osds";
  const absl::StatusOr<Json> answer =
      call_(kMethod, {{"pool", pool}, {"ps", ps}, {"change", AsJson(change)}});
  if (!answer.ok()) return answer.status();
  PgPlacement group;
  if (!ReadOsds(Member(*answer, "up"), &group.up) ||
      !ReadOsd(Member(*answer, "up_primary"), &group.up_primary) ||
      !ReadOsds(Member(*answer, "acting"), &group.acting) ||
      !ReadOsd(Member(*answer, "acting_primary"), &group.acting_primary)) {
    return Unreadable(kMethod, *answer);
  }
  return group;
}

absl::StatusOr<OsdMapChange> Placement::CalcPgUpmaps(const UpmapOptions& options,
                                                     OsdMapChange change) const {
  constexpr absl::string_view kMethod = "calc_pg_upmaps";
  const absl::StatusOr<Json> answer = call_(kMethod, {{"max_deviation", options.max_deviation},
                                                      {"max_iterations", options.max_changes},
                                                      {"pools", options.pools},
                                                      {"change", AsJson(change)}});
  if (!answer.ok()) return answer.status();
  if (!ReadUpmaps(*answer, &change)) return Unreadable(kMethod, *answer);
  return change;
}

}  // namespace outpost
