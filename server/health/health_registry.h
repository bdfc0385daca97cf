// HealthRegistry knows everything that is wrong: the checks of the cluster, of
// each module, and of the manager itself.
//
// **Thread safety.** All methods may be called from any thread. The listener
// runs on the caller's thread and must not block.
#ifndef OUTPOST_SERVER_HEALTH_HEALTH_REGISTRY_H_
#define OUTPOST_SERVER_HEALTH_HEALTH_REGISTRY_H_

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "outpost/v1/types.pb.h"

namespace outpost::health {

struct Report {
  v1::Severity status = v1::SEVERITY_OK;
  std::vector<v1::HealthCheck> checks;  // the gravest first, then by code
};

class HealthRegistry {
 public:
  // `changed` is called after each change of the report.
  explicit HealthRegistry(std::function<void()> changed) : changed_(std::move(changed)) {}

  // Replaces all checks of `source` ("cluster", "manager", a module's name); an
  // empty list clears them. INVALID_ARGUMENT names the check and the field that
  // is wrong; nothing is changed then.
  absl::Status Set(absl::string_view source, std::vector<v1::HealthCheck> checks);

  // Takes over the cluster's own checks from the text of the structure
  // "health": {"json": "<what Ceph's `health` prints>"}.
  absl::Status SetFromCluster(absl::string_view structure_json);

  Report Get() const;

 private:
  const std::function<void()> changed_;
  mutable absl::Mutex mu_;
  // by source, then code
  std::map<std::string, std::map<std::string, v1::HealthCheck>, std::less<>> checks_
      ABSL_GUARDED_BY(mu_);
};

// "HEALTH_OK", "HEALTH_WARN", "HEALTH_ERR".
absl::string_view SeverityName(v1::Severity severity);

}  // namespace outpost::health

#endif  // OUTPOST_SERVER_HEALTH_HEALTH_REGISTRY_H_
