// ClusterClient reads cluster data from the manager; whole structures are kept, in its
// cache, and read again only when they have changed.
//
// **Thread safety.** All methods may be called from any thread; those that give a
// status block until the manager answers, if it must be asked.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_CLUSTER_CLIENT_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_CLUSTER_CLIENT_H_

#include <atomic>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "outpost/cluster.h"
#include "outpost/internal/manager_connection.h"
#include "outpost/internal/structure_cache.h"
#include "outpost/structure.h"

namespace outpost::internal {

class ClusterClient {
 public:
  // `connection` outlives this.
  explicit ClusterClient(const ManagerConnection& connection) : connection_(connection) {}

  StructureCache& cache() { return cache_; }

  absl::StatusOr<StructureRef> Get(absl::string_view name);
  absl::StatusOr<StructureRef> GetPart(absl::string_view name, absl::string_view pointer,
                                       const std::vector<std::string>& fields);
  absl::StatusOr<std::vector<StructureInfo>> ListStructures();
  absl::StatusOr<bool> HaveMonConnection();
  absl::StatusOr<Server> GetServer(absl::string_view hostname);
  absl::StatusOr<std::vector<Server>> ListServers();
  absl::StatusOr<std::map<std::string, std::string>> GetMetadata(const Daemon& daemon);
  absl::StatusOr<std::map<std::string, std::string>> GetDaemonStatus(const Daemon& daemon);
  absl::StatusOr<std::vector<CounterSchema>> GetPerfSchema(const Daemon& daemon);
  absl::StatusOr<std::vector<CounterSeries>> GetCounters(const CounterQuery& query);
  absl::StatusOr<std::vector<DaemonHealth>> GetDaemonHealthMetrics(const Daemon& daemon);

 private:
  const ManagerConnection& connection_;
  StructureCache cache_;
  // Whether texts in the manager's memory can be mapped here; false after one could not.
  std::atomic<bool> can_share_{true};
};

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_CLUSTER_CLIENT_H_
