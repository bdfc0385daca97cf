// A stream that ends as soon as it begins.
#ifndef OUTPOST_SERVER_RPC_REFUSED_STREAM_H_
#define OUTPOST_SERVER_RPC_REFUSED_STREAM_H_

#include <grpcpp/support/server_callback.h>

#include "absl/status/status.h"
#include "server/rpc/status.h"

namespace outpost::rpc {

// A `Reactor` that says why, and deletes itself.
template <typename Reactor>
class RefusedReactor final : public Reactor {
 public:
  explicit RefusedReactor(const grpc::Status& status) { this->Finish(status); }
  explicit RefusedReactor(const absl::Status& status) : RefusedReactor(ToGrpc(status)) {}
  void OnDone() override { delete this; }
};

template <typename Response>
using RefusedStream = RefusedReactor<grpc::ServerWriteReactor<Response>>;

// One stream too many: OpenStreams said so.
template <typename Reactor>
RefusedReactor<Reactor>* TooManyStreams(const absl::Status& status) {
  return new RefusedReactor<Reactor>(ToGrpc(status, "TOO_MANY_STREAMS"));
}

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_REFUSED_STREAM_H_
