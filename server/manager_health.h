// ManagerHealth raises the health checks of the manager itself: of its store, its connection to
// the cluster, its audit log and what daemons report.
//
// **Thread safety.** All methods may be called from any thread.
#ifndef OUTPOST_SERVER_MANAGER_HEALTH_H_
#define OUTPOST_SERVER_MANAGER_HEALTH_H_

#include <cstdint>
#include <string>
#include <vector>

#include "outpost/v1/health.pb.h"
#include "server/cluster/cluster_state.h"
#include "server/health/health_registry.h"
#include "server/store/sqlite/sqlite_store.h"

namespace outpost {

class ManagerHealth {
 public:
  // `health` outlives it.
  explicit ManagerHealth(health::HealthRegistry* health) : health_(health) {}

  // Whether writes reach the disk.
  void OfStore(const store::SqliteStore::Writing& writing);
  // Without its cluster the manager shows the last known state: that is not "OK".
  void OfCluster(const cluster::Connection& connection, const cluster::Access& access);
  void OfReports(std::vector<v1::HealthCheck> checks);
  // `lost`: how many lines, since the last that was written; `why`: the error.
  void OfAuditLog(uint64_t lost, const std::string& why);

 private:
  // `source` has a space, as no module's name has.
  void Set(const std::string& source, std::vector<v1::HealthCheck> checks);

  health::HealthRegistry* const health_;
};

}  // namespace outpost

#endif  // OUTPOST_SERVER_MANAGER_HEALTH_H_
