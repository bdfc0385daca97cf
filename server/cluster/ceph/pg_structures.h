// The structures that come from the active mgr's map of placement groups.
//
// **Thread safety.** Pure functions.
#ifndef OUTPOST_SERVER_CLUSTER_CEPH_PG_STRUCTURES_H_
#define OUTPOST_SERVER_CLUSTER_CEPH_PG_STRUCTURES_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace outpost::cluster::ceph {

// Names and texts: active_clean_pgs, io_rate, osd_ping_times, osd_stats, pg_dump, pg_progress,
// pg_ready, pg_stats, pg_status, pg_summary, pool_stats.
using PgStructures = std::vector<std::pair<const char*, std::string>>;

// From "pg dump all" and StatusSummary::pgmap. INVALID_ARGUMENT says what is missing there.
absl::StatusOr<PgStructures> MakePgStructures(absl::string_view pg_dump, absl::string_view pgmap);

}  // namespace outpost::cluster::ceph

#endif  // OUTPOST_SERVER_CLUSTER_CEPH_PG_STRUCTURES_H_
