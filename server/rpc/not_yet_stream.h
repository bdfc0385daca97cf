// A server-streaming call that is not there yet.
#ifndef OUTPOST_SERVER_RPC_NOT_YET_STREAM_H_
#define OUTPOST_SERVER_RPC_NOT_YET_STREAM_H_

#include <grpcpp/support/server_callback.h>

#include "absl/strings/string_view.h"
#include "server/rpc/status.h"

namespace outpost::rpc {

// Ends with UNIMPLEMENTED and words on what will be there.
template <typename Response>
class NotYetStream final : public grpc::ServerWriteReactor<Response> {
 public:
  explicit NotYetStream(absl::string_view words) { this->Finish(NotYet(words)); }
  void OnDone() override { delete this; }
};

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_NOT_YET_STREAM_H_
