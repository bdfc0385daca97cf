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

namespace outpost::rpc {

struct ServerOptions {
  std::string socket;                      // the path of the unix socket
  std::vector<std::string> plaintext_tcp;  // host:port
};

// A server that answers. `bound_tcp` gets the ports, where 0 was asked for the
// one that was given. The socket has mode 0600. UNAVAILABLE names the address
// that it can't listen on. The services outlive the server.
absl::StatusOr<std::unique_ptr<grpc::Server>> StartServer(
    const ServerOptions& options, const std::vector<grpc::Service*>& services,
    std::vector<int>* bound_tcp);

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_SERVER_H_
