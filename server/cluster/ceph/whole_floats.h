// Ceph's monitors print the number one as "1" whether it is an integer or not; what its get() gives
// to Python tells them apart. This puts the point back.
//
// **Thread safety.** A pure function.
#ifndef OUTPOST_SERVER_CLUSTER_CEPH_WHOLE_FLOATS_H_
#define OUTPOST_SERVER_CLUSTER_CEPH_WHOLE_FLOATS_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace outpost::cluster::ceph {

// The members of `structure`, at whatever depth, that are no integers.
absl::Span<const absl::string_view> FloatMembers(absl::string_view structure);

// `json`, with ".0" behind those of them that look like integers. One pass, without parsing;
// `json` is JSON.
std::string WithPoints(absl::string_view structure, absl::string_view json);

}  // namespace outpost::cluster::ceph

#endif  // OUTPOST_SERVER_CLUSTER_CEPH_WHOLE_FLOATS_H_
