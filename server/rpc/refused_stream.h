// A server-streaming call that ends as soon as it begins.
#ifndef OUTPOST_SERVER_RPC_REFUSED_STREAM_H_
#define OUTPOST_SERVER_RPC_REFUSED_STREAM_H_

#include <grpcpp/support/server_callback.h>

#include "absl/status/status.h"
#include "server/rpc/status.h"

namespace outpost::rpc {

// Says why, and deletes itself.
template <typename Response>
class RefusedStream final : public grpc::ServerWriteReactor<Response> {
 public:
  explicit RefusedStream(const grpc::Status& status) { this->Finish(status); }
  explicit RefusedStream(const absl::Status& status) : RefusedStream(ToGrpc(status)) {}
  void OnDone() override { delete this; }
};

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_REFUSED_STREAM_H_
