#include "absl/strings/str_cat.h"
#include "server/rpc/finish.h"
#include "server/rpc/identity.h"
#include "server/rpc/state_services.h"

namespace outpost::rpc {

grpc::ServerUnaryReactor* HealthService::Set(grpc::CallbackServerContext* context,
                                             const v1::HealthSetRequest* request,
                                             v1::HealthSetResponse*) {
  const absl::StatusOr<Caller> caller = IdentifyCaller(*context, *supervisor_);
  if (!caller.ok()) return FinishNow(context, caller.status());
  if (caller->module.empty()) {
    return FinishNow(
        context, absl::PermissionDeniedError("health checks are raised by modules; the call has no "
                                             "outpost-session metadata"));
  }
  return FinishNow(
      context, health_->Set(caller->module, {request->checks().begin(), request->checks().end()}));
}

grpc::ServerUnaryReactor* HealthService::Get(grpc::CallbackServerContext* context,
                                             const v1::HealthGetRequest*,
                                             v1::HealthGetResponse* response) {
  health::Report report = health_->Get();
  response->set_status(report.status);
  for (auto& check : report.checks) *response->add_checks() = std::move(check);
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* HealthService::Mute(grpc::CallbackServerContext* context,
                                              const v1::HealthMuteRequest*,
                                              v1::HealthMuteResponse*) {
  return FinishNow(context, NotYet("muting a health check, for a time or for good"));
}

grpc::ServerUnaryReactor* HealthService::Unmute(grpc::CallbackServerContext* context,
                                                const v1::HealthUnmuteRequest*,
                                                v1::HealthUnmuteResponse*) {
  return FinishNow(context, NotYet("taking back the muting of a health check"));
}

grpc::ServerUnaryReactor* HealthService::History(grpc::CallbackServerContext* context,
                                                 const v1::HealthHistoryRequest*,
                                                 v1::HealthHistoryResponse*) {
  return FinishNow(context, NotYet("when each health check came and went"));
}

}  // namespace outpost::rpc
