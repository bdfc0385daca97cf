#include "server/cluster/structure_part.h"

#include <simdjson.h>

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

}  // namespace

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
