// The answer to "osd status": a line for each OSD, or for those in a bucket.
//
// **Thread safety.** Pure functions.
#ifndef OUTPOST_MODULES_STATUS_OSD_STATUS_H_
#define OUTPOST_MODULES_STATUS_OSD_STATUS_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "modules/status/counters.h"
#include "outpost/json.h"

namespace status {

struct OsdRow {
  int64_t id = 0;
  std::string host;                    // empty: not known
  std::optional<int64_t> used_bytes;   // nullopt: the cluster does not tell
  std::optional<int64_t> avail_bytes;  // the same
  int64_t write_ops = 0;               // per second, as the others
  int64_t write_bytes = 0;
  int64_t read_ops = 0;
  int64_t read_bytes = 0;
  std::vector<std::string> state;  // "exists", "up"
};

// What the cluster tells of its OSDs. A structure that there is not is null.
struct OsdInputs {
  const outpost::Json& osd_map;
  const outpost::Json& osd_stats;
  const outpost::Json& osd_metadata;
  const Counters& counters;
};

// The ids of the OSDs below the buckets of `osd_map_tree` whose name matches
// `pattern` ("host1", "rack*"; an OSD's own name is fine too). NOT_FOUND names the
// buckets that there are.
absl::StatusOr<std::set<int64_t>> OsdsUnder(const outpost::Json& osd_map_tree,
                                            const std::string& pattern);

// In the order of the OSD map; of the OSDs in `only` where it is given.
std::vector<OsdRow> OsdRows(const OsdInputs& inputs, const std::optional<std::set<int64_t>>& only);

std::string PrintOsds(const std::vector<OsdRow>& rows);
outpost::Json OsdsJson(const std::vector<OsdRow>& rows);

}  // namespace status

#endif  // OUTPOST_MODULES_STATUS_OSD_STATUS_H_
