// Model is a simulated Ceph cluster that lives: OSDs fail and come back, placement
// groups move and recover, clients read and write, usage drifts.
//
// **Thread safety.** None: one thread.
//
// **Invariants.**
// 1. Deterministic: equal options and an equal sequence of calls give an equal
//    Cluster, also on another machine.
// 2. Nothing changes but by a call of Advance or of a mark, flag or pool function.
// 3. Each such call makes at most one new epoch, and none when it changes nothing
//    of the OSD map.
#ifndef OUTPOST_SERVER_CLUSTER_SIM_SIM_MODEL_H_
#define OUTPOST_SERVER_CLUSTER_SIM_SIM_MODEL_H_

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/cluster/sim/sim_cluster.h"
#include "server/cluster/sim/sim_options.h"

namespace outpost::cluster::sim {

class Model {
 public:
  // `options` are valid (see Validate).
  explicit Model(const SimOptions& options);

  const Cluster& cluster() const { return cluster_; }

  // Lets `step` of simulated time pass. Ceph's own reactions happen in it: a
  // daemon that failed is marked down, one that is down for ten minutes is marked
  // out, one that was wrongly marked down boots again, data is copied, each
  // unless a flag forbids it.
  void Advance(absl::Duration step);

  // `flags` are of Flag.
  void SetFlags(uint32_t flags);
  void ClearFlags(uint32_t flags);

  // The option `name` of the daemons that `who` means.
  void SetOption(const std::string& who, const std::string& name, const std::string& value) {
    cluster_.options[{who, name}] = value;
    ++cluster_.options_revision;
  }
  void RemoveOption(const std::string& who, const std::string& name) {
    cluster_.options.erase({who, name});
    ++cluster_.options_revision;
  }

  // OSDs by id; they exist. Those that are so already stay as they are.
  void MarkOut(const std::vector<int>& osds);
  void MarkIn(const std::vector<int>& osds);
  void MarkDown(const std::vector<int>& osds);

  // Daemons that run end, and start again after `time` (InfiniteDuration: at StartOsds). Ceph marks
  // them down, unless a flag forbids it.
  void FailOsds(const std::vector<int>& osds, absl::Duration time);
  // Those that are down start with the next step.
  void StartOsds(const std::vector<int>& osds);

  // Clients write to the pool (or delete from it) until it uses `share` (0 to 1) of what it could,
  // evenly during `time`. Nothing happens if there is no such pool.
  void FillPool(absl::string_view name, double share, absl::Duration time);

  // There is no pool of that name yet. It has no application and gets no clients.
  void CreatePool(absl::string_view name, int pg_num, int size);
  void RemovePool(int64_t id);

 private:
  double Random();                                           // [0, 1)
  absl::Duration RandomDuration(double least, double most);  // seconds
  std::string RandomUuid();
  void BuildHosts(int hosts);
  void BuildOsds(const SimOptions& options);
  void BuildPools(const SimOptions& options);

  void TakeDown(Osd& osd, absl::Duration for_how_long);
  bool StepDaemons(absl::Duration step);  // whether the OSD map changed
  void StepClients(absl::Duration step);
  static void StepFilling(Pool& pool, absl::Duration step);
  // Whether OSDs or pools are not as full any more as the map says: then it says so.
  bool StepFullness();
  bool StepRecovery(absl::Duration step);  // whether a PG's acting set changed
  bool MayCopy(const Pool& pool, const Pg& pg) const;
  void PlaceAll();
  void UpdateState(const Pool& pool, Pg& pg);
  void NewEpoch();

  std::mt19937_64 random_;
  double failures_per_hour_;
  Cluster cluster_;
};

// The number of copies that a pool gets where none is asked for.
int DefaultPoolSize(const Cluster& cluster);

}  // namespace outpost::cluster::sim

#endif  // OUTPOST_SERVER_CLUSTER_SIM_SIM_MODEL_H_
