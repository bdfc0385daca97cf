// Reading what Ceph's monitors print as JSON: for the .cc files of ceph_structures.
//
// **Thread safety.** Pure functions.
#ifndef OUTPOST_SERVER_CLUSTER_CEPH_CEPH_JSON_H_
#define OUTPOST_SERVER_CLUSTER_CEPH_CEPH_JSON_H_

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace outpost::cluster::ceph {

using Json = nlohmann::ordered_json;  // what is published keeps Ceph's order

// INVALID_ARGUMENT: "<what>: <why>".
absl::Status Malformed(absl::string_view what, absl::string_view why);
absl::StatusOr<Json> Parse(absl::string_view what, absl::string_view text);
std::string Dump(const Json& json);

// The value below `path`, or null.
const Json* Find(const Json& json, std::initializer_list<const char*> path);
// Whether there is such a value at `path`; if so, it is in `value`.
bool ReadUint(const Json& json, std::initializer_list<const char*> path, uint64_t* value);
bool ReadText(const Json& json, std::initializer_list<const char*> path, std::string* value);

}  // namespace outpost::cluster::ceph

#endif  // OUTPOST_SERVER_CLUSTER_CEPH_CEPH_JSON_H_
