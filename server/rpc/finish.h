// Ending a call that needs no reactor of its own.
#ifndef OUTPOST_SERVER_RPC_FINISH_H_
#define OUTPOST_SERVER_RPC_FINISH_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "absl/status/status.h"
#include "server/rpc/status.h"

namespace outpost::rpc {

// Ends the call of `context` at once.
inline grpc::ServerUnaryReactor* FinishNow(grpc::CallbackServerContext* context,
                                           const grpc::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(status);
  return reactor;
}

inline grpc::ServerUnaryReactor* FinishNow(grpc::CallbackServerContext* context,
                                           const absl::Status& status) {
  return FinishNow(context, ToGrpc(status));
}

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_FINISH_H_
