// FactsClient asks the manager for what it knows of itself and of its modules.
//
// **Thread safety.** All methods may be called from any thread; they block until the manager
// answers.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_FACTS_CLIENT_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_FACTS_CLIENT_H_

#include <vector>

#include "absl/status/statusor.h"
#include "outpost/internal/manager_connection.h"
#include "outpost/manager.h"

namespace outpost::internal {

class FactsClient {
 public:
  // `connection` outlives this.
  explicit FactsClient(const ManagerConnection& connection) : connection_(connection) {}

  absl::StatusOr<ManagerStatus> GetManagerStatus();
  absl::StatusOr<std::vector<ModuleStatus>> ListModules();
  absl::StatusOr<std::vector<SubscriptionStatus>> ListSubscriptions();

 private:
  const ManagerConnection& connection_;
};

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_FACTS_CLIENT_H_
