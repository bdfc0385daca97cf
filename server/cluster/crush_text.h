// The text form of a CRUSH map, as `crushtool -d` writes and `crushtool -c` reads it.
//
// **Thread safety.** A pure function.
#ifndef OUTPOST_SERVER_CLUSTER_CRUSH_TEXT_H_
#define OUTPOST_SERVER_CLUSTER_CRUSH_TEXT_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace outpost::cluster {

// From what osd_map_crush has. What the map refers to and has not (a device, a bucket) is
// written by its number, as Ceph does. The maps of balancers (choose_args) are left out.
// INVALID_ARGUMENT: it is no such map; the message says what is missing.
absl::StatusOr<std::string> CrushText(absl::string_view osd_map_crush);

}  // namespace outpost::cluster

#endif  // OUTPOST_SERVER_CLUSTER_CRUSH_TEXT_H_
