// Reading a part of a structure.
#ifndef OUTPOST_SERVER_CLUSTER_STRUCTURE_PART_H_
#define OUTPOST_SERVER_CLUSTER_STRUCTURE_PART_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/cluster/cluster_state.h"

namespace outpost::cluster {

// The newest snapshot of a structure, as ClusterState::Get; and of "device <id>", which is made
// of the structure "devices" and has its version: {"device": {…}}, or {} for an unknown id.
absl::StatusOr<SnapshotPtr> GetStructure(const ClusterState& state, absl::string_view name);

// The JSON text of what the JSON Pointer `path` (RFC 6901) names in `snapshot`.
// INVALID_ARGUMENT: `path` is no JSON Pointer. NOT_FOUND: the structure has no such
// part; the message tells how much of the path it has.
absl::StatusOr<std::string> PartOf(const Snapshot& snapshot, absl::string_view path);

}  // namespace outpost::cluster

#endif  // OUTPOST_SERVER_CLUSTER_STRUCTURE_PART_H_
