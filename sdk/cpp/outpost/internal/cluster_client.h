// ClusterClient reads cluster data from the manager, and keeps what it read.
//
// **Thread safety.** All methods may be called from any thread; those that give a
// status block until the manager answers.
//
// **Invariants.** What is kept of a structure is the newest version that was read
// from the present manager process.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_CLUSTER_CLIENT_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_CLUSTER_CLIENT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "outpost/cluster.h"
#include "outpost/internal/manager_connection.h"
#include "outpost/structure.h"

namespace outpost::internal {

class ClusterClient {
 public:
  // `connection` outlives this.
  explicit ClusterClient(const ManagerConnection& connection) : connection_(connection) {}

  // A structure has a newer version: what is kept of an older one is dropped.
  void ForgetOlder(absl::string_view name, uint64_t version);
  // There is another manager process: its versions can't be compared.
  void ForgetAll(const std::string& manager_instance);

  absl::StatusOr<StructureRef> Get(absl::string_view name);
  absl::StatusOr<StructureRef> GetPart(absl::string_view name, absl::string_view pointer);
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

  absl::Mutex mu_;
  std::string manager_instance_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, StructureRef, std::less<>> structures_ ABSL_GUARDED_BY(mu_);
};

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_CLUSTER_CLIENT_H_
