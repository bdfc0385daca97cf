#include "server/rpc/progress_service.h"

#include "server/rpc/finish.h"
#include "server/rpc/identity.h"

namespace outpost::rpc {

grpc::ServerUnaryReactor* ProgressService::Update(grpc::CallbackServerContext* context,
                                                  const v1::ProgressUpdateRequest* request,
                                                  v1::ProgressUpdateResponse*) {
  const absl::StatusOr<std::string> module =
      CallingModule(*context, "progress is reported by modules");
  if (!module.ok()) return FinishNow(context, module.status());
  return FinishNow(context, progress_->Update(*module, request->event()));
}

grpc::ServerUnaryReactor* ProgressService::Complete(grpc::CallbackServerContext* context,
                                                    const v1::ProgressCompleteRequest* request,
                                                    v1::ProgressCompleteResponse*) {
  const absl::StatusOr<std::string> module =
      CallingModule(*context, "progress is reported by modules");
  if (!module.ok()) return FinishNow(context, module.status());
  progress_->Complete(*module, request->id());
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* ProgressService::Clear(grpc::CallbackServerContext* context,
                                                 const v1::ProgressClearRequest*,
                                                 v1::ProgressClearResponse*) {
  const Caller& caller = CallerOf(*context);
  progress_->Clear(caller.module);
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* ProgressService::List(grpc::CallbackServerContext* context,
                                                const v1::ProgressListRequest*,
                                                v1::ProgressListResponse* response) {
  for (auto& event : progress_->Events()) *response->add_events() = std::move(event);
  for (auto& event : progress_->Completed()) *response->add_completed() = std::move(event);
  return FinishNow(context, grpc::Status::OK);
}

}  // namespace outpost::rpc
