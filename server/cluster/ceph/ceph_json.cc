#include "server/cluster/ceph/ceph_json.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace outpost::cluster::ceph {

absl::Status Malformed(absl::string_view what, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(what, ": ", why));
}

absl::StatusOr<Json> Parse(absl::string_view what, absl::string_view text) {
  Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return Malformed(what, "not JSON");
  return json;
}

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

const Json* Find(const Json& json, std::initializer_list<const char*> path) {
  const Json* at = &json;
  for (const char* key : path) {
    if (!at->is_object()) return nullptr;
    const auto found = at->find(key);
    if (found == at->end()) return nullptr;
    at = &*found;
  }
  return at;
}

bool ReadUint(const Json& json, std::initializer_list<const char*> path, uint64_t* value) {
  const Json* found = Find(json, path);
  if (found == nullptr || !found->is_number_unsigned()) return false;
  *value = found->get<uint64_t>();
  return true;
}

bool ReadText(const Json& json, std::initializer_list<const char*> path, std::string* value) {
  const Json* found = Find(json, path);
  if (found == nullptr || !found->is_string()) return false;
  *value = found->get_ref<const std::string&>();
  return true;
}

}  // namespace outpost::cluster::ceph
