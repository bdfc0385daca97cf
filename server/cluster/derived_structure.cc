#include "server/cluster/derived_structure.h"

#include <simdjson.h>

#include <string>
#include <string_view>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace outpost::cluster {
namespace {

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

bool IsDerived(absl::string_view name) { return absl::StartsWith(name, kDevice); }

absl::StatusOr<SnapshotPtr> GetStructure(const ClusterState& state, absl::string_view name) {
  if (!IsDerived(name)) return state.Get(name);
  const absl::StatusOr<SnapshotPtr> devices = state.Get("devices");
  if (!devices.ok()) return devices.status();
  const Snapshot& all = **devices;
  return MakeSnapshot(name, all.version, all.id, all.changed,
                      DeviceOf(all.json, name.substr(kDevice.size())));
}

}  // namespace outpost::cluster
