// Placement tells where placement groups are, or would be if something were changed. Ceph's own
// code says so: the module "placement", which must be enabled, runs osdmaptool.
//
//     outpost::Placement placement([this](absl::string_view method, const outpost::Json& arguments)
//     {
//       return Remote(outpost::Placement::kModule, method, outpost::Json::array(), arguments);
//     });
//     absl::StatusOr<outpost::OsdMapChange> better = placement.CalcPgUpmaps({.max_deviation = 1});
//     auto osds = placement.MapPoolPgsUp(pool, *better);
//
// Each call is about the map that the cluster has at that moment, changed as it is told; nothing is
// changed in the cluster. A call takes as long as the tool does: for a big map some seconds.
//
// Errors are those of the call between modules (errors.h: GetRemoteFailure has the words of the
// module, which names what is missing: a pool, the tool), and INTERNAL: the answer can't be read.
//
// **Thread safety.** All methods may be called from any thread, if the call may.
#ifndef OUTPOST_SDK_CPP_OUTPOST_PLACEMENT_H_
#define OUTPOST_SDK_CPP_OUTPOST_PLACEMENT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "outpost/json.h"

namespace outpost {

// A change to an OSD map that is not made yet.
struct OsdMapChange {
  std::map<int, double> osd_reweights = {};         // from 0 to 1, by OSD
  std::map<int, double> crush_compat_weights = {};  // in the CRUSH compat weight-set, by OSD
  // Exceptions to add: from which OSD to which one, by placement group ("2.1f"); and those to take
  // away.
  std::map<std::string, std::vector<std::pair<int, int>>> new_upmap_items = {};
  std::vector<std::string> old_upmap_items = {};
};

struct UpmapOptions {
  int max_deviation = 5;                // by how many groups an OSD may differ from its share
  int max_changes = 10;                 // how many exceptions may be added
  std::vector<std::string> pools = {};  // names of those to look at; none: all
};

struct PgPlacement {
  std::vector<int> up;  // the OSDs that are to have it
  int up_primary = -1;  // -1: none
  std::vector<int> acting;
  int acting_primary = -1;
};

class Placement {
 public:
  static constexpr char kModule[] = "placement";

  // Calls a method of that module, with named arguments.
  using Call = std::function<absl::StatusOr<Json>(absl::string_view method, const Json& arguments)>;

  explicit Placement(Call call) : call_(std::move(call)) {}

  // On which OSDs a pool's placement groups are to be, by their names.
  absl::StatusOr<std::map<std::string, std::vector<int>>> MapPoolPgsUp(
      int64_t pool, const OsdMapChange& change = {}) const;

  // Where one placement group is; `ps` is its number in the pool.
  absl::StatusOr<PgPlacement> PgToUpActingOsds(int64_t pool, uint32_t ps,
                                               const OsdMapChange& change = {}) const;

  // `change`, with the exceptions added that even out placement groups over OSDs.
  absl::StatusOr<OsdMapChange> CalcPgUpmaps(const UpmapOptions& options,
                                            OsdMapChange change = {}) const;

 private:
  const Call call_;
};

}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_PLACEMENT_H_
