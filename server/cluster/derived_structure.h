// Structures that nobody publishes, as they are made of others: "device <id>".
//
// **Thread safety.** Functions of their arguments.
#ifndef OUTPOST_SERVER_CLUSTER_DERIVED_STRUCTURE_H_
#define OUTPOST_SERVER_CLUSTER_DERIVED_STRUCTURE_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/cluster/cluster_state.h"

namespace outpost::cluster {

// Whether `name` is such a one.
bool IsDerived(absl::string_view name);

// The newest snapshot of a structure, as ClusterState::Get; and of "device <id>", which is made
// of the structure "devices" and has its version: {"device": {…}}, or {} for an unknown id.
absl::StatusOr<SnapshotPtr> GetStructure(const ClusterState& state, absl::string_view name);

}  // namespace outpost::cluster

#endif  // OUTPOST_SERVER_CLUSTER_DERIVED_STRUCTURE_H_
