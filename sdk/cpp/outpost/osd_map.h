// OsdMap and CrushMap are typed views of the structures osd_map and osd_map_crush:
//
//     auto text = module.Get("osd_map");
//     auto map = outpost::OsdMap::Parse(text->parsed());
//     for (const outpost::Pool& pool : map->pools()) ... map->RawUsedRate(pool.id)
//
// Where placement groups are is for Ceph's own code to say, and not told here: the
// structure pg_stats has what the cluster last reported.
//
// **Thread safety.** Immutable: copies may be used from any thread.
//
// **Invariants.** A view is of one version of its structure; it holds no reference to the JSON.
#ifndef OUTPOST_SDK_CPP_OUTPOST_OSD_MAP_H_
#define OUTPOST_SDK_CPP_OUTPOST_OSD_MAP_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "outpost/json.h"

namespace outpost {

struct Osd {
  int id = 0;
  bool up = false;
  bool in = false;
  double weight = 0;            // the reweight, from 0 (out) to 1
  double primary_affinity = 1;  // from 0 to 1
};

struct Pool {
  int64_t id = 0;
  std::string name;
  bool erasure_coded = false;  // else replicated
  uint32_t size = 0;           // replicas, or chunks
  uint32_t min_size = 0;
  int crush_rule = 0;
  uint32_t pg_num = 0;
  uint32_t pgp_num = 0;              // of how many groups the place differs
  std::string erasure_code_profile;  // empty: none
};

class OsdMap {
 public:
  // Of the structure osd_map. INVALID_ARGUMENT names what is missing or of the wrong type.
  static absl::StatusOr<OsdMap> Parse(const Json& osd_map);

  uint64_t epoch() const { return epoch_; }
  uint64_t crush_version() const { return crush_version_; }
  const std::string& require_osd_release() const { return require_osd_release_; }
  const std::vector<Osd>& osds() const { return osds_; }
  const std::vector<Pool>& pools() const { return pools_; }

  // NOT_FOUND: there is no such pool, OSD or profile.
  absl::StatusOr<Pool> PoolByName(absl::string_view name) const;
  absl::StatusOr<Pool> PoolById(int64_t id) const;
  absl::StatusOr<Osd> OsdById(int id) const;
  absl::StatusOr<std::map<std::string, std::string>> ErasureCodeProfile(
      absl::string_view name) const;

  // How many bytes are stored for each of a pool's; 0: its profile has no k and m.
  // NOT_FOUND: there is no such pool.
  absl::StatusOr<double> RawUsedRate(int64_t pool) const;

 private:
  uint64_t epoch_ = 0;
  uint64_t crush_version_ = 0;
  std::string require_osd_release_;
  std::vector<Osd> osds_;
  std::vector<Pool> pools_;
  std::map<std::string, std::map<std::string, std::string>, std::less<>> profiles_;
};

struct CrushRule {
  int id = 0;
  std::string name;
  std::vector<int> takes;  // the buckets at which it begins, in the order of its steps
};

// An item is an OSD by its number, or a bucket by its negative one.
class CrushMap {
 public:
  // Of the structure osd_map_crush. INVALID_ARGUMENT as OsdMap::Parse.
  static absl::StatusOr<CrushMap> Parse(const Json& crush);

  const std::vector<CrushRule>& rules() const { return rules_; }

  // NOT_FOUND: there is no such item or rule.
  absl::StatusOr<std::string> Name(int item) const;
  absl::StatusOr<double> Weight(int item) const;  // 0 for an OSD in no bucket
  absl::StatusOr<CrushRule> RuleByName(absl::string_view name) const;
  absl::StatusOr<CrushRule> RuleById(int id) const;

  // The buckets in no other bucket, and those at which rules begin; ascending.
  std::vector<int> Roots() const;
  std::vector<int> Takes() const;

  // The OSDs below a bucket, in the order of the tree. NOT_FOUND: there is no such bucket.
  absl::StatusOr<std::vector<int>> OsdsUnder(int bucket) const;
  // The share of each of them; all together are 1. NOT_FOUND as before.
  absl::StatusOr<std::map<int, double>> SharesUnder(int bucket) const;

  // How many devices there are of each class; "": of those without one.
  const std::map<std::string, int>& DeviceClassCounts() const { return classes_; }

 private:
  struct Entry {
    int id = 0;
    int64_t weight = 0;  // fixed-point: 65536 is 1
  };
  struct Bucket {
    std::string name;
    int64_t weight = 0;
    std::vector<Entry> items;
  };

  // Calls `visit` with each OSD below; an item in two places comes twice.
  template <typename Visit>
  void Walk(int bucket, const Visit& visit) const;

  std::map<int, Bucket> buckets_;
  std::map<int, std::string> devices_;
  std::map<std::string, int> classes_;
  std::vector<CrushRule> rules_;
};

}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_OSD_MAP_H_
