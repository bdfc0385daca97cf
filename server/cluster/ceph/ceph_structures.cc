#include "server/cluster/ceph/ceph_structures.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "server/cluster/ceph/ceph_json.h"

namespace outpost::cluster::ceph {

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
  (void)ReadText(*json, {"active_name"}, &stat.active);  // an empty one: there is none
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

std::string JsonText(absl::string_view text) { return Dump(std::string(text)); }

absl::StatusOr<std::string> TextStructure(absl::string_view json) {
  const absl::string_view text = absl::StripAsciiWhitespace(json);
  if (absl::Status status = CheckJson(text); !status.ok()) return status;
  return Dump({{"json", std::string(text)}});
}

absl::StatusOr<std::string> ListStructure(absl::string_view what, absl::string_view key,
                                          absl::string_view list) {
  absl::StatusOr<Json> json = Parse(what, list);
  if (!json.ok()) return json.status();
  if (!json->is_array()) return Malformed(what, "not a list");
  return Dump({{std::string(key), *std::move(json)}});
}

absl::StatusOr<std::string> ConfigStructure(absl::string_view options, absl::string_view name,
                                            absl::string_view cluster, absl::string_view fsid) {
  const absl::StatusOr<Json> json = Parse("config show-with-defaults", options);
  if (!json.ok()) return json.status();
  const std::string entity = absl::StrCat("mgr.", name);
  Json structure = {{"name", entity}, {"cluster", std::string(cluster)}};
  for (const Json& option : *json) {
    std::string key;
    std::string value;
    if (!ReadText(option, {"name"}, &key) || !ReadText(option, {"value"}, &value)) {
      return Malformed("config show-with-defaults", "an option without name or value");
    }
    structure[key] = absl::StrReplaceAll(
        value, {{"$cluster", cluster}, {"$type", "mgr"}, {"$name", entity}, {"$id", name}});
  }
  // The mgr has it from the monitors, and tells the default.
  structure["fsid"] = std::string(fsid);
  return Dump(structure);
}

absl::StatusOr<std::vector<std::string>> LocalOptionNames(absl::string_view options) {
  const absl::StatusOr<Json> json = Parse("config show", options);
  if (!json.ok()) return json.status();
  if (!json->is_array()) return Malformed("config show", "not a list");
  std::vector<std::string> names;
  for (const Json& option : *json) {
    std::string name;
    std::string source;
    if (!ReadText(option, {"name"}, &name) || !ReadText(option, {"source"}, &source)) {
      return Malformed("config show", "an option without name or source");
    }
    // Under the monitors' value there may be one of a conf file.
    bool local = source != "mon";
    if (const auto overridden = option.find("overrides"); overridden != option.end()) {
      for (const Json& under : *overridden) {
        local = local || (ReadText(under, {"source"}, &source) && source != "default");
      }
    }
    if (local) names.push_back(std::move(name));
  }
  return names;
}

absl::StatusOr<std::vector<std::string>> CentralOptionNames(absl::string_view options) {
  const absl::StatusOr<Json> json = Parse("config dump", options);
  if (!json.ok()) return json.status();
  if (!json->is_array()) return Malformed("config dump", "not a list");
  std::vector<std::string> names;
  for (const Json& option : *json) {
    std::string name;
    std::string section;
    if (!ReadText(option, {"name"}, &name) || !ReadText(option, {"section"}, &section)) {
      return Malformed("config dump", "an option without name or section");
    }
    const std::string type = section.substr(0, section.find('.'));
    const bool of_daemons = type == "global" || type == "mon" || type == "mgr" || type == "osd";
    if (of_daemons && !absl::StrContains(name, '/')) names.push_back(std::move(name));
  }
  return names;
}

std::string ModifiedOptionsStructure(const std::set<std::string>& names) {
  return Dump({{"options", names}});
}

absl::StatusOr<uint64_t> ParseConfigVersion(absl::string_view config_log) {
  const absl::StatusOr<Json> json = Parse("config log", config_log);
  if (!json.ok()) return json.status();
  uint64_t version = 0;
  if (!json->is_array() || (!json->empty() && !ReadUint(json->front(), {"version"}, &version))) {
    return Malformed("config log", "version is missing");
  }
  return version;
}

std::string MgrIpsStructure(absl::string_view addresses) {
  Json ips = Json::array();
  for (absl::string_view address :
       absl::StrSplit(addresses, absl::ByAnyChar(", "), absl::SkipEmpty())) {
    // "v2:[::1]:0/7", and the first of a list within brackets
    if (absl::ConsumePrefix(&address, "[v") || absl::ConsumePrefix(&address, "v")) {
      address.remove_prefix(std::min(address.size(), address.find(':') + 1));
    }
    const size_t port = address.rfind(':');
    std::string ip(address.substr(0, port));
    if (absl::StartsWith(ip, "[") && absl::EndsWith(ip, "]")) ip = ip.substr(1, ip.size() - 2);
    if (ip.empty() || std::find(ips.begin(), ips.end(), ip) != ips.end()) continue;
    ips.push_back(ip);
  }
  return Dump({{"ips", std::move(ips)}});
}

}  // namespace outpost::cluster::ceph
