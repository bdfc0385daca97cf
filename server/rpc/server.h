// The gRPC server: where it listens, the gate before its services, and what it is besides
// them (reflection, grpc.health.v1, channelz).
#ifndef OUTPOST_SERVER_RPC_SERVER_H_
#define OUTPOST_SERVER_RPC_SERVER_H_

#include <grpcpp/server.h>
#include <grpcpp/support/server_callback.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/auth/audit_log.h"
#include "server/auth/certificate_peers.h"
#include "server/auth/entities.h"
#include "server/module/supervisor.h"
#include "server/rpc/call_pace.h"
#include "server/rpc/gate.h"
#include "server/rpc/tls_listener.h"
#include "server/rpc/unix_listener.h"

namespace outpost::rpc {

class OpenStreams;

// Where certificates are, and whose they may be.
struct TlsOptions {
  std::vector<std::string> listen = {};  // host:port
  std::string directory;                 // of tls.crt, tls.key and ca.crt
  std::string trust_domain;
  std::string revoked;  // a file, that need not be there
};

struct ServerOptions {
  UnixListener::Settings socket;
  std::vector<std::string> plaintext_tcp;  // host:port
  int max_message_bytes = 65 << 20;        // the largest input file, and what goes with it
  int max_calls_per_connection = 10'000;   // at once; a client's further calls wait in it
  // Without a sign of life (an answer to a ping) for so long, a connection is closed; also one
  // that does not come to be in that time.
  absl::Duration dead_peer = absl::Seconds(40);
  const OpenStreams* streams = nullptr;  // null: they are not limited
  TlsOptions tls = {};
};

class Server {
 public:
  struct Parts {  // all outlive the server
    const module::Supervisor* supervisor;
    const auth::Entities* entities;
    auth::AuditLog* audit;
  };
  // A service, by its full name: {v1::Config::service_full_name(), &config}.
  using Service = std::pair<std::string, grpc::Service*>;

  // A server that answers, at its socket after AcceptLocal. UNAVAILABLE names the address that it
  // can't listen on. NOT_FOUND names an RPC for which nobody has said who may call it. The services
  // outlive the server.
  static absl::StatusOr<std::unique_ptr<Server>> Start(ServerOptions options, Parts parts,
                                                       const std::vector<Service>& services);
  ~Server();

  // From now on connections at the socket are accepted: those that wait there, too. Whose
  // process is whose has to be known by then.
  void AcceptLocal() { socket_.Start(server_.get()); }
  // The ports of tls.listen; where 0 was asked for, the one that was given.
  const std::vector<int>& tls_ports() const { return tls_.ports(); }
  // The ports of plaintext_tcp; where 0 was asked for, the one that was given.
  const std::vector<int>& plaintext_ports() const { return plaintext_ports_; }
  // What grpc.health.v1 says.
  void SetServing(bool serving);
  // Takes no more calls, and gives those in flight `grace`.
  void Shutdown(absl::Duration grace);

 private:
  Server(ServerOptions options, Parts parts);
  Origin OriginOf(const grpc::CallbackServerContext& context) const;

  const ServerOptions options_;
  const std::shared_ptr<const auth::Peer> plaintext_peer_;
  const std::unique_ptr<auth::CertificatePeers> certificates_;
  UnixListener socket_;
  TlsListener tls_;
  Gate gate_;
  CallPace pace_;
  std::vector<std::unique_ptr<GatedService>> services_;
  std::vector<int> plaintext_ports_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_SERVER_H_
