// MonitorPoller keeps the structures that a quorum of monitors can answer for up
// to date: osd_map, osd_map_crush (also as text), osd_map_tree, osd_metadata,
// mon_metadata, mgr_metadata, mds_metadata, mon_map, fs_map, mgr_map, service_map,
// health, df.
//
// A poll asks for two small things ("status", "mgr stat") and fetches only what
// their epochs say has changed.
//
// **Thread safety.** For one thread.
//
// **Invariants.**
// 1. A structure whose fetch failed is fetched again at the next poll.
// 2. A structure is confirmed only by a poll that saw its epoch.
#ifndef OUTPOST_SERVER_CLUSTER_CEPH_MONITOR_POLLER_H_
#define OUTPOST_SERVER_CLUSTER_CEPH_MONITOR_POLLER_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/cluster/ceph/ceph_structures.h"
#include "server/cluster/ceph/monitor_query.h"
#include "server/cluster/cluster_state.h"

namespace outpost::cluster::ceph {

class MonitorPoller {
 public:
  explicit MonitorPoller(ClusterState* state) : state_(*state) {}

  struct Seen {
    StatusSummary status;
    MgrStat mgr;
    std::vector<std::pair<uint64_t, uint64_t>> osds_up;  // (id, up_from)
  };
  // Polls once. An error says, as a sentence, why the monitors can't be polled
  // (see Query); a single structure that can't be had is only logged, once.
  absl::StatusOr<Seen> Poll(MonitorCommand monitors);

 private:
  // Unless `*known` is `current` already, calls `fetch`, which publishes the
  // structure and returns the value that it then has.
  template <typename T>
  absl::Status Refresh(absl::string_view structure, const T& current, std::optional<T>* known,
                       absl::FunctionRef<absl::StatusOr<T>()> fetch);

  absl::Status RefreshMonMap(MonitorCommand monitors, uint64_t epoch);
  absl::Status RefreshOsdMap(MonitorCommand monitors, uint64_t epoch);
  absl::Status RefreshOsdDetails(MonitorCommand monitors);
  absl::Status RefreshMap(MonitorCommand monitors, absl::string_view structure,
                          const MonitorQuery& query, uint64_t epoch,
                          std::optional<uint64_t>* known);
  // The metadata of the daemons of a type, which change with the map of that type.
  absl::Status RefreshMetadata(MonitorCommand monitors, absl::string_view type, uint64_t epoch,
                               std::optional<uint64_t>* known);
  absl::Status RefreshHealth(MonitorCommand monitors, const StatusSummary& status);
  absl::Status RefreshDf(MonitorCommand monitors, const StatusSummary& status);

  ClusterState& state_;
  // What the structures that are published now were made from.
  std::optional<uint64_t> mon_map_;
  std::optional<uint64_t> osd_map_;
  std::optional<uint64_t> osd_map_tree_;
  std::optional<uint64_t> osd_map_crush_;
  std::optional<OsdBoots> osd_metadata_;
  std::optional<uint64_t> mon_metadata_;
  std::optional<uint64_t> mgr_metadata_;
  std::optional<uint64_t> mds_metadata_;
  std::optional<uint64_t> fs_map_;
  std::optional<uint64_t> mgr_map_;
  std::optional<uint64_t> service_map_;
  std::optional<std::string> health_;
  std::optional<std::string> df_;
  OsdMapFacts osd_map_facts_;                    // of the published osd_map
  absl::flat_hash_set<std::string> complained_;  // structures whose failure is logged
};

}  // namespace outpost::cluster::ceph

#endif  // OUTPOST_SERVER_CLUSTER_CEPH_MONITOR_POLLER_H_
