#include "server/cluster/crush_text.h"

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace outpost::cluster {
namespace {

using Json = nlohmann::json;

constexpr const char* kTunables[] = {
    "choose_local_tries",      "choose_local_fallback_tries", "choose_total_tries",
    "chooseleaf_descend_once", "chooseleaf_vary_r",           "chooseleaf_stable",
    "straw_calc_version",      "allowed_bucket_algs",
};
constexpr int kRuleOfErasure = 3;

const Json& Member(const Json& object, const char* key) {
  static const Json* const kNone = new Json();
  if (!object.is_object()) return *kNone;
  const auto found = object.find(key);
  return found == object.end() ? *kNone : *found;
}

std::string Text(const Json& object, const char* key) {
  const Json& value = Member(object, key);
  return value.is_string() ? value.get<std::string>() : "";
}

int64_t Number(const Json& object, const char* key) {
  const Json& value = Member(object, key);
  return value.is_number() ? value.get<int64_t>() : 0;
}

class CrushWriter {
 public:
  explicit CrushWriter(const Json& map) : map_(map) {
    for (const Json& device : Member(map, "devices")) {
      names_[Number(device, "id")] = Text(device, "name");
    }
    for (const Json& bucket : Member(map, "buckets")) {
      names_[Number(bucket, "id")] = Text(bucket, "name");
      buckets_[Number(bucket, "id")] = &bucket;
      ids_[Text(bucket, "name")] = Number(bucket, "id");
    }
  }

  std::string Write() {
    absl::StrAppend(&text_, "# begin crush map\n");
    for (const char* tunable : kTunables) {
      absl::StrAppend(&text_, "tunable ", tunable, " ", Number(Member(map_, "tunables"), tunable),
                      "\n");
    }
    absl::StrAppend(&text_, "\n# devices\n");
    for (const Json& device : Member(map_, "devices")) {
      const std::string device_class = Text(device, "class");
      absl::StrAppend(&text_, "device ", Number(device, "id"), " ", Text(device, "name"),
                      device_class.empty() ? "" : absl::StrCat(" class ", device_class), "\n");
    }
    absl::StrAppend(&text_, "\n# types\n");
    for (const Json& type : Member(map_, "types")) {
      absl::StrAppend(&text_, "type ", Number(type, "type_id"), " ", Text(type, "name"), "\n");
    }
    absl::StrAppend(&text_, "\n# buckets\n");
    for (const auto& [id, bucket] : buckets_) WriteBucket(*bucket);
    absl::StrAppend(&text_, "\n# rules\n");
    for (const Json& rule : Member(map_, "rules")) WriteRule(rule);
    absl::StrAppend(&text_, "\n# end crush map\n");
    return std::move(text_);
  }

 private:
  std::string Name(int64_t id) const {
    const auto found = names_.find(id);
    if (found != names_.end()) return found->second;
    return id >= 0 ? absl::StrCat("device", id) : absl::StrCat("bucket", -1 - id);
  }

  // After what is in it: a name is to be known where it is used.
  void WriteBucket(const Json& bucket) {
    const int64_t id = Number(bucket, "id");
    const std::string name = Text(bucket, "name");
    // The part of a bucket that is of one class has no text of its own.
    if (absl::StrContains(name, '~') || !written_.insert(id).second) return;
    for (const Json& item : Member(bucket, "items")) {
      const auto child = buckets_.find(Number(item, "id"));
      if (child != buckets_.end()) WriteBucket(*child->second);
    }
    absl::StrAppend(&text_, Text(bucket, "type_name"), " ", name, " {\n\tid ", id,
                    "\t\t# do not change unnecessarily\n");
    const std::string prefix = absl::StrCat(name, "~");
    for (auto shadow = ids_.lower_bound(prefix);
         shadow != ids_.end() && absl::StartsWith(shadow->first, prefix); ++shadow) {
      absl::StrAppend(&text_, "\tid ", shadow->second, " class ",
                      shadow->first.substr(prefix.size()), "\t\t# do not change unnecessarily\n");
    }
    absl::StrAppendFormat(&text_, "\t# weight %.3f\n\talg %s\n\thash 0\t# %s\n", Weight(bucket),
                          Text(bucket, "alg"), Text(bucket, "hash"));
    for (const Json& item : Member(bucket, "items")) {
      absl::StrAppendFormat(&text_, "\titem %s weight %.3f\n", Name(Number(item, "id")),
                            Weight(item));
    }
    absl::StrAppend(&text_, "}\n");
  }

  static double Weight(const Json& object) {
    return static_cast<double>(Number(object, "weight")) / 65536.0;
  }

  void WriteRule(const Json& rule) {
    absl::StrAppend(&text_, "rule ", Text(rule, "rule_name"), " {\n\tid ", Number(rule, "rule_id"),
                    "\n\ttype ", Number(rule, "type") == kRuleOfErasure ? "erasure" : "replicated",
                    "\n\tmin_size ", Number(rule, "min_size"), "\n\tmax_size ",
                    Number(rule, "max_size"), "\n");
    for (const Json& step : Member(rule, "steps")) {
      absl::StrAppend(&text_, "\tstep ", Step(step), "\n");
    }
    absl::StrAppend(&text_, "}\n");
  }

  std::string Step(const Json& step) const {
    const std::string op = Text(step, "op");
    if (op == "take") {
      const std::string item = Name(Number(step, "item"));
      const size_t tilde = item.find('~');
      if (tilde == std::string::npos) return absl::StrCat("take ", item);
      return absl::StrCat("take ", item.substr(0, tilde), " class ", item.substr(tilde + 1));
    }
    for (const char* how : {"firstn", "indep"}) {
      const std::string suffix = absl::StrCat("_", how);
      if (!absl::EndsWith(op, suffix)) continue;
      return absl::StrCat(op.substr(0, op.size() - suffix.size()), " ", how, " ",
                          Number(step, "num"), " type ", Text(step, "type"));
    }
    return Member(step, "num").is_number() ? absl::StrCat(op, " ", Number(step, "num")) : op;
  }

  const Json& map_;
  std::map<int64_t, std::string> names_;
  std::map<int64_t, const Json*> buckets_;
  std::map<std::string, int64_t> ids_;  // of buckets, by name
  std::set<int64_t> written_;
  std::string text_;
};

}  // namespace

absl::StatusOr<std::string> CrushText(absl::string_view osd_map_crush) {
  const Json map = Json::parse(osd_map_crush.begin(), osd_map_crush.end(), nullptr, false);
  for (const char* list : {"devices", "types", "buckets", "rules"}) {
    if (!Member(map, list).is_array()) {
      return absl::InvalidArgumentError(absl::StrCat("the CRUSH map has no list of ", list));
    }
  }
  return CrushWriter(map).Write();
}

}  // namespace outpost::cluster
