// The adaptor of outpost.v1.Progress. gRPC calls it from its own threads.
#ifndef OUTPOST_SERVER_RPC_PROGRESS_SERVICE_H_
#define OUTPOST_SERVER_RPC_PROGRESS_SERVICE_H_

#include "outpost/v1/progress.grpc.pb.h"
#include "server/progress/progress_registry.h"

namespace outpost::rpc {

class ProgressService final : public v1::Progress::CallbackService {
 public:
  // `progress` outlives the service.
  explicit ProgressService(progress::ProgressRegistry* progress) : progress_(progress) {}

  grpc::ServerUnaryReactor* Update(grpc::CallbackServerContext* context,
                                   const v1::ProgressUpdateRequest* request,
                                   v1::ProgressUpdateResponse* response) override;
  grpc::ServerUnaryReactor* Complete(grpc::CallbackServerContext* context,
                                     const v1::ProgressCompleteRequest* request,
                                     v1::ProgressCompleteResponse* response) override;
  grpc::ServerUnaryReactor* Clear(grpc::CallbackServerContext* context,
                                  const v1::ProgressClearRequest* request,
                                  v1::ProgressClearResponse* response) override;
  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* context,
                                 const v1::ProgressListRequest* request,
                                 v1::ProgressListResponse* response) override;

 private:
  progress::ProgressRegistry* const progress_;
};

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_PROGRESS_SERVICE_H_
