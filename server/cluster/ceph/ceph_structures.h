// Pure functions from what Ceph's monitors print as JSON to what the pollers
// decide by, and to structures in the shape of ceph-mgr's get().
//
// Most dumps have that shape already ("osd dump" is osd_map, "osd tree" is
// osd_map_tree, "fs dump", "mgr dump", "service dump", "df detail", "osd crush
// dump"), and are published as they come; what differs is made here.
//
// All return INVALID_ARGUMENT for text that is not what the command prints; the
// message says what is missing. Texts may have white space around them.
#ifndef OUTPOST_SERVER_CLUSTER_CEPH_CEPH_STRUCTURES_H_
#define OUTPOST_SERVER_CLUSTER_CEPH_CEPH_STRUCTURES_H_

#include <cstdint>
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

// {"json": "<text>"}: the shape of health and mon_status.
absl::StatusOr<std::string> TextStructure(absl::string_view json);

// The structures that come from the mgr's map of placement groups.
struct PgStructures {
  std::string pg_summary;
  std::string pg_status;
  std::string osd_stats;
  std::string pool_stats;
};
// From "pg dump sum"; from "pg dump" of pgs_brief, osds and pools; and from
// StatusSummary::pgmap.
absl::StatusOr<PgStructures> MakePgStructures(absl::string_view pg_dump_sum,
                                              absl::string_view pg_dump_brief,
                                              absl::string_view pgmap);

}  // namespace outpost::cluster::ceph

#endif  // OUTPOST_SERVER_CLUSTER_CEPH_CEPH_STRUCTURES_H_
