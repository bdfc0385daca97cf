#include "outpost/osd_map.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace outpost {
namespace {

constexpr double kFixedPoint = 0x10000;
constexpr int kErasure = 3;  // of the types of pools

// Reads members, and keeps the first fault.
class Reader {
 public:
  explicit Reader(std::string structure) : structure_(std::move(structure)) {}

  const absl::Status& status() const { return status_; }

  template <typename Number>
  Number GetNumber(const Json& object, const char* key) {
    const Json* const value = Find(object, key);
    if (value != nullptr && value->is_boolean()) return value->get<bool>() ? 1 : 0;
    if (value != nullptr && value->is_number()) return value->get<Number>();
    return Fail(key, "a number"), Number{};
  }

  std::string GetText(const Json& object, const char* key) {
    const Json* const value = Find(object, key);
    if (value != nullptr && value->is_string()) return value->get<std::string>();
    return Fail(key, "text"), "";
  }

  const Json& GetArray(const Json& object, const char* key) {
    static const Json empty = Json::array();
    const Json* const value = Find(object, key);
    if (value != nullptr && value->is_array()) return *value;
    return Fail(key, "an array"), empty;
  }

 private:
  static const Json* Find(const Json& object, const char* key) {
    if (!object.is_object()) return nullptr;
    const auto found = object.find(key);
    return found == object.end() ? nullptr : &*found;
  }

  void Fail(absl::string_view key, absl::string_view wanted) {
    status_.Update(absl::InvalidArgumentError(
        absl::StrCat(structure_, ": ", key, " is missing, or not ", wanted)));
  }

  std::string structure_;
  absl::Status status_;
};

std::string TextOr(const Json& object, const char* key, const char* otherwise) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() && found->is_string() ? found->get<std::string>() : otherwise;
}

template <typename Things, typename Is>
auto FindThing(const Things& things, const Is& is, const std::string& what)
    -> absl::StatusOr<typename Things::value_type> {
  const auto found = std::find_if(things.begin(), things.end(), is);
  if (found == things.end()) return absl::NotFoundError(absl::StrCat("there is no ", what));
  return *found;
}

}  // namespace

absl::StatusOr<OsdMap> OsdMap::Parse(const Json& osd_map) {
  Reader reader("osd_map");
  OsdMap map;
  map.epoch_ = reader.GetNumber<uint64_t>(osd_map, "epoch");
  map.crush_version_ = reader.GetNumber<uint64_t>(osd_map, "crush_version");
  map.require_osd_release_ = reader.GetText(osd_map, "require_osd_release");
  for (const Json& osd : reader.GetArray(osd_map, "osds")) {
    map.osds_.push_back({.id = reader.GetNumber<int>(osd, "osd"),
                         .up = reader.GetNumber<int>(osd, "up") != 0,
                         .in = reader.GetNumber<int>(osd, "in") != 0,
                         .weight = reader.GetNumber<double>(osd, "weight"),
                         .primary_affinity = reader.GetNumber<double>(osd, "primary_affinity")});
  }
  for (const Json& pool : reader.GetArray(osd_map, "pools")) {
    map.pools_.push_back({.id = reader.GetNumber<int64_t>(pool, "pool"),
                          .name = reader.GetText(pool, "pool_name"),
                          .erasure_coded = reader.GetNumber<int>(pool, "type") == kErasure,
                          .size = reader.GetNumber<uint32_t>(pool, "size"),
                          .min_size = reader.GetNumber<uint32_t>(pool, "min_size"),
                          .crush_rule = reader.GetNumber<int>(pool, "crush_rule"),
                          .pg_num = reader.GetNumber<uint32_t>(pool, "pg_num"),
                          .pgp_num = reader.GetNumber<uint32_t>(pool, "pg_placement_num"),
                          .erasure_code_profile = TextOr(pool, "erasure_code_profile", "")});
  }
  if (!reader.status().ok()) return reader.status();
  if (const auto profiles = osd_map.find("erasure_code_profiles"); profiles != osd_map.end()) {
    for (const auto& [name, profile] : profiles->items()) {
      for (const auto& [key, value] : profile.items()) {
        map.profiles_[name][key] = value.is_string() ? value.get<std::string>() : value.dump();
      }
    }
  }
  return map;
}

absl::StatusOr<Pool> OsdMap::PoolByName(absl::string_view name) const {
  return FindThing(
      pools_, [&](const Pool& pool) { return pool.name == name; },
      absl::StrCat("pool \"", name, "\""));
}

absl::StatusOr<Pool> OsdMap::PoolById(int64_t id) const {
  return FindThing(
      pools_, [&](const Pool& pool) { return pool.id == id; }, absl::StrCat("pool ", id));
}

absl::StatusOr<Osd> OsdMap::OsdById(int id) const {
  return FindThing(
      osds_, [&](const Osd& osd) { return osd.id == id; }, absl::StrCat("osd.", id));
}

absl::StatusOr<std::map<std::string, std::string>> OsdMap::ErasureCodeProfile(
    absl::string_view name) const {
  const auto found = profiles_.find(std::string(name));
  if (found != profiles_.end()) return found->second;
  return absl::NotFoundError(absl::StrCat("there is no erasure code profile \"", name, "\""));
}

absl::StatusOr<double> OsdMap::RawUsedRate(int64_t id) const {
  const absl::StatusOr<Pool> pool = PoolById(id);
  if (!pool.ok()) return pool.status();
  if (!pool->erasure_coded) return pool->size;
  const auto profile = ErasureCodeProfile(pool->erasure_code_profile);
  if (!profile.ok()) return 0.0;
  int k = 0;
  int m = 0;
  const auto read = [&](const char* key, int* number) {
    const auto found = profile->find(key);
    return found != profile->end() && absl::SimpleAtoi(found->second, number);
  };
  if (!read("k", &k) || !read("m", &m) || k <= 0) return 0.0;
  return static_cast<double>(k + m) / k;
}

absl::StatusOr<CrushMap> CrushMap::Parse(const Json& crush) {
  Reader reader("osd_map_crush");
  CrushMap map;
  for (const Json& device : reader.GetArray(crush, "devices")) {
    map.devices_[reader.GetNumber<int>(device, "id")] = reader.GetText(device, "name");
    ++map.classes_[TextOr(device, "class", "")];
  }
  for (const Json& bucket : reader.GetArray(crush, "buckets")) {
    Bucket& kept = map.buckets_[reader.GetNumber<int>(bucket, "id")];
    kept.name = reader.GetText(bucket, "name");
    kept.weight = reader.GetNumber<int64_t>(bucket, "weight");
    for (const Json& item : reader.GetArray(bucket, "items")) {
      kept.items.push_back({.id = reader.GetNumber<int>(item, "id"),
                            .weight = reader.GetNumber<int64_t>(item, "weight")});
    }
  }
  for (const Json& rule : reader.GetArray(crush, "rules")) {
    CrushRule kept = {.id = reader.GetNumber<int>(rule, "rule_id"),
                      .name = reader.GetText(rule, "rule_name"),
                      .takes = {}};
    for (const Json& step : reader.GetArray(rule, "steps")) {
      if (TextOr(step, "op", "") == "take") {
        kept.takes.push_back(reader.GetNumber<int>(step, "item"));
      }
    }
    map.rules_.push_back(std::move(kept));
  }
  if (!reader.status().ok()) return reader.status();
  return map;
}

absl::StatusOr<std::string> CrushMap::Name(int item) const {
  if (const auto bucket = buckets_.find(item); bucket != buckets_.end()) return bucket->second.name;
  if (const auto device = devices_.find(item); device != devices_.end()) return device->second;
  return absl::NotFoundError(absl::StrCat("the CRUSH map has no item ", item));
}

absl::StatusOr<double> CrushMap::Weight(int item) const {
  if (const auto found = buckets_.find(item); found != buckets_.end()) {
    return static_cast<double>(found->second.weight) / kFixedPoint;
  }
  if (const absl::StatusOr<std::string> name = Name(item); !name.ok()) return name.status();
  for (auto bucket = buckets_.rbegin(); bucket != buckets_.rend(); ++bucket) {
    for (const Entry& entry : bucket->second.items) {
      if (entry.id == item) return static_cast<double>(entry.weight) / kFixedPoint;
    }
  }
  return 0.0;
}

absl::StatusOr<CrushRule> CrushMap::RuleByName(absl::string_view name) const {
  return FindThing(
      rules_, [&](const CrushRule& rule) { return rule.name == name; },
      absl::StrCat("CRUSH rule \"", name, "\""));
}

absl::StatusOr<CrushRule> CrushMap::RuleById(int id) const {
  return FindThing(
      rules_, [&](const CrushRule& rule) { return rule.id == id; },
      absl::StrCat("CRUSH rule ", id));
}

std::vector<int> CrushMap::Roots() const {
  std::set<int> roots;
  for (const auto& [id, bucket] : buckets_) roots.insert(id);
  for (const auto& [id, bucket] : buckets_) {
    for (const Entry& entry : bucket.items) roots.erase(entry.id);
  }
  return {roots.begin(), roots.end()};
}

std::vector<int> CrushMap::Takes() const {
  std::set<int> takes;
  for (const CrushRule& rule : rules_) takes.insert(rule.takes.begin(), rule.takes.end());
  return {takes.begin(), takes.end()};
}

template <typename Visit>
void CrushMap::Walk(int bucket, const Visit& visit) const {
  std::vector<std::pair<int, size_t>> path = {{bucket, 0}};  // and the next item of each
  while (!path.empty()) {
    const auto found = buckets_.find(path.back().first);
    if (found == buckets_.end() || path.back().second >= found->second.items.size()) {
      path.pop_back();
      continue;
    }
    const Entry& entry = found->second.items[path.back().second++];
    // A bucket below itself, which no Ceph has, must not make this run for ever.
    const bool above = std::any_of(path.begin(), path.end(),
                                   [&](const auto& step) { return step.first == entry.id; });
    if (entry.id >= 0) {
      visit(entry);
    } else if (!above) {
      path.emplace_back(entry.id, 0);
    }
  }
}

absl::StatusOr<std::vector<int>> CrushMap::OsdsUnder(int bucket) const {
  if (!buckets_.contains(bucket)) {
    return absl::NotFoundError(absl::StrCat("the CRUSH map has no bucket ", bucket));
  }
  std::vector<int> osds;
  Walk(bucket, [&](const Entry& entry) { osds.push_back(entry.id); });
  return osds;
}

absl::StatusOr<std::map<int, double>> CrushMap::SharesUnder(int bucket) const {
  if (!buckets_.contains(bucket)) {
    return absl::NotFoundError(absl::StrCat("the CRUSH map has no bucket ", bucket));
  }
  std::map<int, double> shares;
  Walk(bucket, [&](const Entry& entry) { shares[entry.id] = static_cast<double>(entry.weight); });
  double total = 0;
  for (const auto& [osd, weight] : shares) total += weight;
  for (auto& [osd, weight] : shares) weight = total > 0 ? weight / total : 0;
  return shares;
}

}  // namespace outpost
