#include "server/cluster/structure_part.h"

#include <simdjson.h>

#include <string>
#include <string_view>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace outpost::cluster {
namespace {

// RFC 6901: empty, or parts that each begin with '/'; "~" only as "~0" and "~1".
bool IsPointer(absl::string_view path) {
  if (!path.empty() && path[0] != '/') return false;
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '~' && (i + 1 == path.size() || (path[i + 1] != '0' && path[i + 1] != '1'))) {
      return false;
    }
  }
  return true;
}

constexpr absl::string_view kDevice = "device ";

// The member of the list `devices` whose devid is `id`, as {"device": …}; else {}.
std::string DeviceOf(absl::string_view devices, absl::string_view id) {
  simdjson::dom::parser parser;
  simdjson::dom::array list;
  if (parser.parse(devices.data(), devices.size())["devices"].get(list) != simdjson::SUCCESS) {
    return "{}";
  }
  for (const simdjson::dom::element device : list) {
    std::string_view devid;
    if (device["devid"].get(devid) == simdjson::SUCCESS &&
        devid == std::string_view(id.data(), id.size())) {
      return absl::StrCat("{\"device\":", simdjson::minify(device), "}");
    }
  }
  return "{}";
}

}  // namespace

absl::StatusOr<SnapshotPtr> GetStructure(const ClusterState& state, absl::string_view name) {
  if (!absl::StartsWith(name, kDevice)) return state.Get(name);
  const absl::StatusOr<SnapshotPtr> devices = state.Get("devices");
  if (!devices.ok()) return devices.status();
  const Snapshot& all = **devices;
  return MakeSnapshot(name, all.version, all.id, all.changed,
                      DeviceOf(all.json, name.substr(kDevice.size())));
}

absl::StatusOr<std::string> PartOf(const Snapshot& snapshot, absl::string_view path) {
  const auto about = [&](absl::string_view what) {
    return absl::StrCat("structure \"", snapshot.name, "\", path \"", path, "\": ", what);
  };
  if (!IsPointer(path)) {
    return absl::InvalidArgumentError(
        about("not a JSON Pointer (\"/osds/0\"; \"~0\" is ~ and \"~1\" is / within a name)"));
  }
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (parser.parse(snapshot.json.data(), snapshot.json.size()).get(root) != simdjson::SUCCESS) {
    return absl::InternalError(about("the structure is not JSON"));
  }
  simdjson::dom::element part;
  if (root.at_pointer({path.data(), path.size()}).get(part) == simdjson::SUCCESS) {
    return simdjson::minify(part);
  }
  absl::string_view there = path;
  do {
    there = there.substr(0, there.rfind('/'));
  } while (!there.empty() &&
           root.at_pointer({there.data(), there.size()}).error() != simdjson::SUCCESS);
  return absl::NotFoundError(
      about(there.empty() ? "there is no such part"
                          : absl::StrCat("there is \"", there, "\", and nothing such in it")));
}

}  // namespace outpost::cluster
