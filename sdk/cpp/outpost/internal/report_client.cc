#include "outpost/internal/report_client.h"

#include <utility>

#include "outpost/internal/manager_stubs.h"
#include "outpost/internal/utf8.h"
#include "outpost/internal/wire.h"

namespace outpost::internal {

absl::Status ReportClient::SetHealthChecks(const std::vector<HealthCheck>& checks) {
  if (absl::Status status = CheckHealthChecks(checks); !status.ok()) return status;
  {
    absl::MutexLock lock(&mu_);
    health_checks_ = checks;
  }
  return SendHealthChecks(checks);
}

absl::Status ReportClient::SendHealthChecks(const std::vector<HealthCheck>& checks) const {
  v1::HealthSetRequest request;
  for (const HealthCheck& check : checks) *request.add_checks() = ToProto(check);
  v1::HealthSetResponse response;
  return CallManager(connection_, &ManagerStubs::health, &v1::Health::Stub::Set, request,
                     &response);
}

absl::Status ReportClient::UpdateProgress(const ProgressEvent& event) {
  absl::Status status = SendProgress(event);
  if (absl::IsInvalidArgument(status) || absl::IsResourceExhausted(status)) return status;
  absl::MutexLock lock(&mu_);
  progress_.insert_or_assign(event.id, event);
  return status;
}

absl::Status ReportClient::SendProgress(const ProgressEvent& event) const {
  v1::ProgressUpdateRequest request;
  request.mutable_event()->set_id(ToUtf8(event.id));
  request.mutable_event()->set_message(ToUtf8(event.message));
  request.mutable_event()->set_progress(event.progress);
  request.mutable_event()->set_in_status(event.in_status);
  v1::ProgressUpdateResponse response;
  return CallManager(connection_, &ManagerStubs::progress, &v1::Progress::Stub::Update, request,
                     &response);
}

absl::Status ReportClient::CompleteProgress(absl::string_view id) {
  {
    absl::MutexLock lock(&mu_);
    progress_.erase(std::string(id));
  }
  v1::ProgressCompleteRequest request;
  request.set_id(ToUtf8(id));
  v1::ProgressCompleteResponse response;
  return CallManager(connection_, &ManagerStubs::progress, &v1::Progress::Stub::Complete, request,
                     &response);
}

absl::Status ReportClient::ClearProgress() {
  {
    absl::MutexLock lock(&mu_);
    progress_.clear();
  }
  v1::ProgressClearResponse response;
  return CallManager(connection_, &ManagerStubs::progress, &v1::Progress::Stub::Clear,
                     v1::ProgressClearRequest(), &response);
}

absl::Status ReportClient::SetUri(absl::string_view uri) {
  std::string text(uri);
  if (!IsUtf8(uri)) return absl::InvalidArgumentError("the URI is not UTF-8");
  {
    absl::MutexLock lock(&mu_);
    uri_ = text;
  }
  return SendUri(text);
}

absl::Status ReportClient::SendUri(const std::string& uri) const {
  v1::SetUriRequest request;
  request.set_uri(uri);
  v1::SetUriResponse response;
  return CallManager(connection_, &ManagerStubs::manager, &v1::Manager::Stub::SetUri, request,
                     &response);
}

absl::StatusOr<bool> ReportClient::IsAuthorized(
    const std::map<std::string, std::string>& arguments) const {
  const CallState* const call = ScopedCall::Current();
  if (call == nullptr) return false;
  v1::IsAuthorizedRequest request;
  request.set_caller(call->caller);
  request.set_permissions(call->permissions);
  request.mutable_arguments()->insert(arguments.begin(), arguments.end());
  v1::IsAuthorizedResponse response;
  absl::Status status = CallManager(connection_, &ManagerStubs::auth, &v1::Auth::Stub::IsAuthorized,
                                    request, &response);
  if (!status.ok()) return status;
  return response.authorized();
}

absl::Status ReportClient::Resend() {
  std::optional<std::vector<HealthCheck>> checks;
  std::map<std::string, ProgressEvent> progress;
  std::string uri;
  {
    absl::MutexLock lock(&mu_);
    checks = health_checks_;
    progress = progress_;
    uri = uri_;
  }
  absl::Status status;
  if (checks) status.Update(SendHealthChecks(*checks));
  for (const auto& [id, event] : progress) status.Update(SendProgress(event));
  if (!uri.empty()) status.Update(SendUri(uri));
  return status;
}

}  // namespace outpost::internal
