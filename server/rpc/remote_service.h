// The adaptor of outpost.v1.Remote. gRPC calls it from its own threads.
#ifndef OUTPOST_SERVER_RPC_REMOTE_SERVICE_H_
#define OUTPOST_SERVER_RPC_REMOTE_SERVICE_H_

#include "outpost/v1/remote.grpc.pb.h"
#include "server/module/call_router.h"
#include "server/rpc/callers_at_work.h"

namespace outpost::rpc {

class RemoteService final : public v1::Remote::CallbackService {
 public:
  // Both outlive the service.
  RemoteService(module::CallRouter* router, CallersAtWork* at_work)
      : router_(router), at_work_(at_work) {}

  grpc::ServerUnaryReactor* Call(grpc::CallbackServerContext* context,
                                 const v1::RemoteCallRequest* request,
                                 v1::RemoteCallResponse* response) override;

 private:
  module::CallRouter* const router_;
  CallersAtWork* const at_work_;
};

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_REMOTE_SERVICE_H_
