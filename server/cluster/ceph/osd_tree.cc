// osd_map_tree, put together here.
#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/cluster/ceph/ceph_json.h"
#include "server/cluster/ceph/ceph_structures.h"

namespace outpost::cluster::ceph {
namespace {

bool ReadInt(const Json& json, const char* key, int64_t* value) {
  const Json* const found = Find(json, {key});
  if (found == nullptr || !found->is_number_integer()) return false;
  *value = found->get<int64_t>();
  return true;
}

double Number(const Json& json, const char* key, double otherwise) {
  const Json* const found = Find(json, {key});
  return found == nullptr || !found->is_number() ? otherwise : found->get<double>();
}

class Tree {
 public:
  // Of the members "osds" and "pools" of the OSD map, and the CRUSH map.
  absl::Status Read(const Json& osds, const Json& pools, const Json& crush) {
    for (const Json& osd : osds) {
      int64_t id = 0;
      if (!ReadInt(osd, "osd", &id)) return Malformed("osd dump", "an OSD without osd");
      osds_[id] = &osd;
    }
    for (const char* list : {"devices", "types", "buckets"}) {
      const Json* const found = Find(crush, {list});
      if (found == nullptr || !found->is_array()) {
        return Malformed("osd crush dump", absl::StrCat(list, " is missing"));
      }
    }
    for (const Json& device : crush["devices"]) {
      int64_t id = 0;
      std::string of_class;
      if (ReadInt(device, "id", &id) && ReadText(device, {"class"}, &of_class)) {
        classes_[id] = of_class;
      }
    }
    for (const Json& type : crush["types"]) {
      int64_t id = 0;
      if (ReadInt(type, "type_id", &id) && id == 0) (void)ReadText(type, {"name"}, &device_type_);
    }
    for (const Json& bucket : crush["buckets"]) {
      int64_t id = 0;
      const Json* const items = Find(bucket, {"items"});
      std::string name;
      if (!ReadInt(bucket, "id", &id) || !ReadText(bucket, {"name"}, &name) || items == nullptr ||
          !items->is_array()) {
        return Malformed("osd crush dump", "a bucket without id, name or items");
      }
      // The shadow that a bucket has for a class is no part of the tree.
      if (absl::StrContains(name, '~')) continue;
      buckets_[id] = &bucket;
    }
    ReadWeightSets(pools, crush);
    return absl::OkStatus();
  }

  Json Make() {
    std::set<int64_t> within;
    for (const auto& [id, bucket] : buckets_) {
      for (const Json& item : (*bucket)["items"]) {
        int64_t child = 0;
        if (ReadInt(item, "id", &child)) within.insert(child);
      }
    }
    for (const auto& [id, bucket] : buckets_) {
      if (within.count(id) == 0) AddBucket(id, /*pool_weights=*/nullptr, 0);
    }
    Json stray = Json::array();
    for (const auto& [id, osd] : osds_) {
      if (seen_.count(id) == 0) stray.push_back(Device(id, 0, 0));
    }
    return {{"nodes", std::move(nodes_)}, {"stray", std::move(stray)}};
  }

 private:
  struct Child {
    int64_t id = 0;
    double weight = 0;
    size_t place = 0;
  };

  // Weights that count in the place of a bucket's own for one pool, or for all (Ceph's "compat").
  struct WeightSet {
    std::string name;
    std::map<int64_t, const Json*> of_buckets;  // a list of weights for each position
  };

  void ReadWeightSets(const Json& pools, const Json& crush) {
    const Json* const sets = Find(crush, {"choose_args"});
    if (sets == nullptr || !sets->is_object()) return;
    std::map<std::string, std::string> pool_names = {{"-1", "(compat)"}};
    for (const Json& pool : pools) {
      int64_t id = 0;
      std::string name;
      if (ReadInt(pool, "pool", &id) && ReadText(pool, {"pool_name"}, &name)) {
        pool_names[absl::StrCat(id)] = name;
      }
    }
    for (const auto& [pool, arguments] : sets->items()) {
      const auto name = pool_names.find(pool);
      WeightSet& set =
          weight_sets_.emplace_back(WeightSet{name == pool_names.end() ? pool : name->second, {}});
      for (const Json& argument : arguments) {
        int64_t bucket = 0;
        const Json* const weights = Find(argument, {"weight_set"});
        if (ReadInt(argument, "bucket_id", &bucket) && weights != nullptr && weights->is_array()) {
          set.of_buckets[bucket] = weights;
        }
      }
    }
  }

  // What they say of an item, by the place that it has in its bucket.
  Json PoolWeights(int64_t bucket, size_t place) const {
    Json weights = Json::object();
    for (const WeightSet& set : weight_sets_) {
      const auto found = set.of_buckets.find(bucket);
      if (found == set.of_buckets.end() || found->second->empty()) continue;
      Json& of_item = weights[set.name] = Json::array();
      for (const Json& position : *found->second) {
        if (!position.is_array() || place >= position.size() || !position[place].is_number()) break;
        of_item.push_back(position[place].get<double>());
      }
    }
    return weights;
  }

  // In Ceph's order: buckets by name, devices by class and number.
  std::map<std::string, Child> Children(const Json& bucket) const {
    std::map<std::string, Child> children;
    size_t place = 0;
    for (const Json& item : bucket["items"]) {
      Child child;
      child.place = place++;
      if (!ReadInt(item, "id", &child.id)) continue;
      child.weight = Number(item, "weight", 0) / 65536.0;
      std::string key;
      if (child.id >= 0) {
        const auto of_class = classes_.find(child.id);
        key = absl::StrFormat("%s_osd.%08d", of_class == classes_.end() ? "" : of_class->second,
                              child.id);
      } else if (const auto found = buckets_.find(child.id); found != buckets_.end()) {
        key = absl::StrCat("_", (*found->second)["name"].get<std::string>());
      } else {
        continue;
      }
      children[key] = child;
    }
    return children;
  }

  // A root has no pool_weights.
  void AddBucket(int64_t id, const Json* pool_weights, int depth) {
    if (!seen_.insert(id).second) return;
    const Json& bucket = *buckets_.at(id);
    const std::map<std::string, Child> children = Children(bucket);
    Json node = {{"id", id}, {"name", bucket["name"]}};
    for (const auto& [from, to] :
         {std::pair("type_name", "type"), std::pair("type_id", "type_id")}) {
      if (const Json* const value = Find(bucket, {from}); value != nullptr) node[to] = *value;
    }
    if (pool_weights != nullptr) node["pool_weights"] = *pool_weights;
    Json ids = Json::array();
    for (auto child = children.rbegin(); child != children.rend(); ++child) {
      ids.push_back(child->second.id);
    }
    node["children"] = std::move(ids);
    nodes_.push_back(std::move(node));
    for (const auto& [key, child] : children) {
      const Json weights = PoolWeights(id, child.place);
      if (child.id < 0) {
        AddBucket(child.id, &weights, depth + 1);
      } else if (seen_.insert(child.id).second) {
        nodes_.push_back(Device(child.id, child.weight, depth + 1));
        nodes_.back()["pool_weights"] = weights;
      }
    }
  }

  Json Device(int64_t id, double weight, int depth) const {
    static const Json* const kNone = new Json(Json::object());
    const auto found = osds_.find(id);
    const Json& osd = found == osds_.end() ? *kNone : *found->second;
    Json node = {{"id", id}};
    if (const auto of_class = classes_.find(id); of_class != classes_.end()) {
      node["device_class"] = of_class->second;
    }
    node["name"] = absl::StrCat("osd.", id);
    node["type"] = device_type_;
    node["type_id"] = 0;
    node["crush_weight"] = weight;
    node["depth"] = depth;
    node["exists"] = found == osds_.end() ? 0 : 1;
    node["status"] = Status(osd);
    node["reweight"] = Number(osd, "weight", 0);
    node["primary_affinity"] = Number(osd, "primary_affinity", 1);
    return node;
  }

  static const char* Status(const Json& osd) {
    if (Number(osd, "up", 0) != 0) return "up";
    const Json* const state = Find(osd, {"state"});
    const bool destroyed = state != nullptr && state->is_array() &&
                           std::find(state->begin(), state->end(), "destroyed") != state->end();
    return destroyed ? "destroyed" : "down";
  }

  std::map<int64_t, const Json*> osds_;
  std::map<int64_t, std::string> classes_;
  std::map<int64_t, const Json*> buckets_;
  std::vector<WeightSet> weight_sets_;  // in Ceph's order
  std::string device_type_ = "osd";
  std::set<int64_t> seen_;
  Json nodes_ = Json::array();
};

}  // namespace

absl::StatusOr<std::string> OsdTreeStructure(absl::string_view osd_dump,
                                             absl::string_view crush_dump) {
  const absl::StatusOr<Json> dump = Parse("osd dump", osd_dump);
  if (!dump.ok()) return dump.status();
  const absl::StatusOr<Json> crush = Parse("osd crush dump", crush_dump);
  if (!crush.ok()) return crush.status();
  const Json* const osds = Find(*dump, {"osds"});
  if (osds == nullptr || !osds->is_array()) return Malformed("osd dump", "osds is missing");
  Tree tree;
  static const Json* const kNoPools = new Json(Json::array());
  const Json* const pools = Find(*dump, {"pools"});
  if (absl::Status status = tree.Read(*osds, pools == nullptr ? *kNoPools : *pools, *crush);
      !status.ok())
    return status;
  return Dump(tree.Make());
}

}  // namespace outpost::cluster::ceph
