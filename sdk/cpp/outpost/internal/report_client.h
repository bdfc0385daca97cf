// ReportClient tells the manager what the module wants seen: health checks, progress
// events, where it serves; and asks it what its callers may do.
//
// **Thread safety.** All methods may be called from any thread; they block until the
// manager answers.
//
// **Invariants.** What is kept here is what the module said last, whether or not a
// manager was there to hear it: Resend says it to the next one.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_REPORT_CLIENT_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_REPORT_CLIENT_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "outpost/health.h"
#include "outpost/internal/manager_connection.h"
#include "outpost/progress.h"

namespace outpost::internal {

class ReportClient {
 public:
  // `connection` outlives this.
  explicit ReportClient(const ManagerConnection& connection) : connection_(connection) {}

  // INVALID_ARGUMENT names the check and the field, and nothing is sent.
  absl::Status SetHealthChecks(const std::vector<HealthCheck>& checks);
  absl::Status UpdateProgress(const ProgressEvent& event);
  absl::Status CompleteProgress(absl::string_view id);
  absl::Status ClearProgress();
  absl::Status SetUri(absl::string_view uri);

  // Of the call that this thread works on; false: on none.
  absl::StatusOr<bool> IsAuthorized(const std::map<std::string, std::string>& arguments) const;

  // Says everything again, to a manager that has not heard it. The first error.
  absl::Status Resend();

 private:
  absl::Status SendHealthChecks(const std::vector<HealthCheck>& checks) const;
  absl::Status SendProgress(const ProgressEvent& event) const;
  absl::Status SendUri(const std::string& uri) const;

  const ManagerConnection& connection_;

  absl::Mutex mu_;
  std::optional<std::vector<HealthCheck>> health_checks_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, ProgressEvent> progress_ ABSL_GUARDED_BY(mu_);  // by id
  std::string uri_ ABSL_GUARDED_BY(mu_);
};

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_REPORT_CLIENT_H_
