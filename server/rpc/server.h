// The gRPC server: where it listens, and what it is besides our services
// (reflection, grpc.health.v1, channelz).
#ifndef OUTPOST_SERVER_RPC_SERVER_H_
#define OUTPOST_SERVER_RPC_SERVER_H_

#include <grpcpp/server.h>
#include <grpcpp/support/server_callback.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace outpost::rpc {

class OpenStreams;

struct ServerOptions {
  std::string socket;                      // the path of the unix socket
  std::vector<std::string> plaintext_tcp;  // host:port
  int max_message_bytes = 65 << 20;        // the largest input file, and what goes with it
  int max_calls_per_connection = 10'000;   // at once; a client's further calls wait in it
  // Without a sign of life (an answer to a ping) for so long, a connection is closed; also one
  // that does not come to be in that time.
  absl::Duration dead_peer = absl::Seconds(40);
  const OpenStreams* streams = nullptr;  // null: they are not limited
};

// A server that answers. `bound_tcp` gets the ports, where 0 was asked for the
// one that was given. The socket has mode 0600. UNAVAILABLE names the address
// that it can't listen on. The services outlive the server.
absl::StatusOr<std::unique_ptr<grpc::Server>> StartServer(
    const ServerOptions& options, const std::vector<grpc::Service*>& services,
    std::vector<int>* bound_tcp);

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_SERVER_H_
