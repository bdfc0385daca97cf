// TlsListener accepts connections at the TCP ports for TLS, and gives each to the gRPC server when
// it is its turn to have a handshake (handshake_pace.h).
//
// **Thread safety.** Called may be called from any thread; the others from one.
#ifndef OUTPOST_SERVER_RPC_TLS_LISTENER_H_
#define OUTPOST_SERVER_RPC_TLS_LISTENER_H_

#include <grpcpp/server_builder.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/log/rate_limit.h"
#include "server/rpc/handshake_pace.h"

namespace outpost::rpc {

class TlsListener {
 public:
  using Acceptor = std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor>;

  // `user_timeout`: after so long without an acknowledgement of what was sent, a connection is
  // closed (TCP_USER_TIMEOUT, tcp(7)).
  explicit TlsListener(absl::Duration user_timeout) : user_timeout_(user_timeout) {}
  // Stops.
  ~TlsListener();
  TlsListener(const TlsListener&) = delete;
  TlsListener& operator=(const TlsListener&) = delete;

  // Listens at each address of HOST:PORT. UNAVAILABLE says why it can't.
  absl::Status Bind(const std::string& host_and_port);
  // The ports, one for each Bind; where 0 was asked for, the one that was given.
  const std::vector<int>& ports() const { return ports_; }

  // Gives connections to `acceptor`, of a server that has started, until Stop.
  void Start(Acceptor acceptor);
  // Listens no more, and closes those that wait.
  void Stop();

  // Somebody who has rights calls from `peer`, as gRPC names it: "ipv4:10.1.2.3:4711".
  void Called(const std::string& peer);

  const HandshakePace& pace() const { return pace_; }

 private:
  void CloseListening();
  void Run();
  // Takes all that wait at a listening socket.
  void Accept(int listening);
  // Begins each handshake whose turn it is.
  void Begin();

  const absl::Duration user_timeout_;
  std::vector<int> listening_;
  std::vector<int> ports_;
  int wake_ = -1;  // an eventfd
  Acceptor acceptor_;
  HandshakePace pace_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
  log::RateLimit told_{1, 1.0 / 60};  // of the thread
};

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_TLS_LISTENER_H_
