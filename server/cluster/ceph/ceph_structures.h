// Pure functions from what Ceph's monitors print as JSON to what the pollers
// decide by, and to structures in the shape of ceph-mgr's get().
//
// Most dumps have that shape already ("osd dump" is osd_map, "fs dump", "mgr dump",
// "service dump", "df detail", "osd crush dump"), and are published as they come but
// for WithPoints; what differs is made here.
//
// All return INVALID_ARGUMENT for text that is not what the command prints; the
// message says what is missing. Texts may have white space around them.
#ifndef OUTPOST_SERVER_CLUSTER_CEPH_CEPH_STRUCTURES_H_
#define OUTPOST_SERVER_CLUSTER_CEPH_CEPH_STRUCTURES_H_

#include <cstdint>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace outpost::cluster::ceph {

// What "status" tells of everything else.
struct StatusSummary {
  uint64_t monmap_epoch = 0;
  uint64_t osdmap_epoch = 0;
  uint64_t fsmap_epoch = 0;
  uint64_t servicemap_epoch = 0;
  std::vector<std::string> quorum;  // names, best rank first
  std::string quorum_text;          // changes with every election
  std::string health;               // JSON, without details
  bool healthy = false;             // no checks: there are no details either
  std::string pgmap;                // JSON
};
absl::StatusOr<StatusSummary> ParseStatus(absl::string_view status);

// From "mgr stat".
struct MgrStat {
  uint64_t epoch = 0;
  std::string active;  // its name
  bool available = false;
};
absl::StatusOr<MgrStat> ParseMgrStat(absl::string_view mgr_stat);

// Whether `text` is JSON.
absl::Status CheckJson(absl::string_view text);

// The "epoch" at the top of a map.
absl::StatusOr<uint64_t> ParseEpoch(absl::string_view map);

// (id, uuid, up_from) of each OSD: its metadata is new when that is.
using OsdBoots = std::vector<std::tuple<uint64_t, std::string, uint64_t>>;

// What of "osd dump" says that other structures have changed.
struct OsdMapFacts {
  uint64_t epoch = 0;
  uint64_t crush_version = 0;
  OsdBoots boots;
  std::vector<std::pair<uint64_t, uint64_t>> up;  // (id, up_from) of those that are up
};
absl::StatusOr<OsdMapFacts> ParseOsdMap(absl::string_view osd_dump);

// mon_map: "mon dump" without the quorum, which is no part of the map.
absl::StatusOr<std::string> MonMapStructure(absl::string_view mon_dump);

// osd_metadata: {"<id>": {…}, …} from the list that "osd metadata" prints.
absl::StatusOr<std::string> OsdMetadataStructure(absl::string_view osd_metadata);

// The like of it by name, from the list that `query` ("mds metadata") prints.
absl::StatusOr<std::string> NamedMetadataStructure(absl::string_view query,
                                                   absl::string_view metadata);

// osd_map_tree, from "osd dump" and "osd crush dump". Not from "osd tree": of a CRUSH map with a
// device beyond max_osd, that aborts the monitor. Here such a device does not exist, and is down.
absl::StatusOr<std::string> OsdTreeStructure(absl::string_view osd_dump,
                                             absl::string_view crush_dump);

// {"<key>": …} of a list that a command of the mgr prints: devices, osd_pool_stats.
absl::StatusOr<std::string> ListStructure(absl::string_view what, absl::string_view key,
                                          absl::string_view list);

// config, of the mgr `name` ("x"), from its "config show-with-defaults": {"<option>": "<value>"}.
absl::StatusOr<std::string> ConfigStructure(absl::string_view options, absl::string_view name,
                                            absl::string_view cluster, absl::string_view fsid);

// The names of the options that "config show" lists, but for those that are only set centrally.
absl::StatusOr<std::vector<std::string>> LocalOptionNames(absl::string_view options);

// The names of the options that "config dump" says are set for monitors, mgrs and OSDs, without
// those of modules.
absl::StatusOr<std::vector<std::string>> CentralOptionNames(absl::string_view options);

std::string ModifiedOptionsStructure(const std::set<std::string>& names);

// The newest version of the configuration, from "config log 1".
absl::StatusOr<uint64_t> ParseConfigVersion(absl::string_view config_log);

// The hosts of the addresses of a client ("127.0.0.1:0/123", several with commas and brackets), as
// mgr_ips: {"ips": ["127.0.0.1"]}.
std::string MgrIpsStructure(absl::string_view addresses);

// A text as JSON.
std::string JsonText(absl::string_view text);

// {"json": "<text>"}: the shape of health and mon_status.
absl::StatusOr<std::string> TextStructure(absl::string_view json);

}  // namespace outpost::cluster::ceph

#endif  // OUTPOST_SERVER_CLUSTER_CEPH_CEPH_STRUCTURES_H_
