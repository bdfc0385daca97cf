
#include <optional>
#include <utility>

#include "server/event/proto_time.h"
#include "server/rpc/finish.h"
#include "server/rpc/identity.h"
#include "server/rpc/state_services.h"

namespace outpost::rpc {

grpc::ServerUnaryReactor* HealthService::Set(grpc::CallbackServerContext* context,
                                             const v1::HealthSetRequest* request,
                                             v1::HealthSetResponse*) {
  const absl::StatusOr<std::string> module =
      CallingModule(*context, "health checks are raised by modules");
  if (!module.ok()) return FinishNow(context, module.status());
  return FinishNow(context,
                   health_->Set(*module, {request->checks().begin(), request->checks().end()}));
}

grpc::ServerUnaryReactor* HealthService::Get(grpc::CallbackServerContext* context,
                                             const v1::HealthGetRequest*,
                                             v1::HealthGetResponse* response) {
  health::Report report = health_->Get();
  response->set_status(report.status);
  for (auto& check : report.checks) *response->add_checks() = std::move(check);
  for (auto& mute : report.mutes) *response->add_mutes() = std::move(mute);
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* HealthService::Mute(grpc::CallbackServerContext* context,
                                              const v1::HealthMuteRequest* request,
                                              v1::HealthMuteResponse*) {
  std::optional<absl::Duration> ttl;
  if (request->has_ttl()) {
    ttl = event::FromProto(request->ttl());
  }
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  health_->Mute(request->code(), ttl, request->sticky(),
                [reactor](const absl::Status& status) { reactor->Finish(ToGrpc(status)); });
  return reactor;
}

grpc::ServerUnaryReactor* HealthService::Unmute(grpc::CallbackServerContext* context,
                                                const v1::HealthUnmuteRequest* request,
                                                v1::HealthUnmuteResponse*) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  health_->Unmute(request->code(),
                  [reactor](const absl::Status& status) { reactor->Finish(ToGrpc(status)); });
  return reactor;
}

grpc::ServerUnaryReactor* HealthService::History(grpc::CallbackServerContext* context,
                                                 const v1::HealthHistoryRequest* request,
                                                 v1::HealthHistoryResponse* response) {
  for (auto& event : health_->History(request->limit() == 0 ? 100 : request->limit())) {
    *response->add_events() = std::move(event);
  }
  return FinishNow(context, grpc::Status::OK);
}

}  // namespace outpost::rpc
