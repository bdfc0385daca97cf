// UnixListener accepts connections at the manager's socket, asks the kernel who is at the
// other end of each, and gives them to the gRPC server.
//
// gRPC tells of such a connection only the number of its file descriptor, and a number can
// be another connection's by the time that a call of the first is looked at: see
// connection_numbers.h.
//
// **Thread safety.** PeerOf may be called from any thread; Start and Stop from one.
//
// **Invariants.** Whose process has ended before it was asked who it is, is nobody: the connection
// is closed. Its pid could be a module's by then.
#ifndef OUTPOST_SERVER_RPC_UNIX_LISTENER_H_
#define OUTPOST_SERVER_RPC_UNIX_LISTENER_H_

#include <grpcpp/server.h>
#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/auth/peer.h"
#include "server/log/rate_limit.h"
#include "server/rpc/connection_numbers.h"

namespace outpost::rpc {

class UnixListener {
 public:
  struct Settings {
    std::string path;
    mode_t mode = 0666;
    // Who a user of this machine is here: {1000, "alice"}; whoever is not in it, is called
    // as the machine calls them.
    std::map<uid_t, std::string> users = {};
    // The module of which the process leads this session (getsid(2)); empty: none.
    std::function<std::string(pid_t session)> module_of = {};
    // Whether somebody may do anything here at all.
    std::function<bool(const std::string& name)> is_known = {};
  };
  using Connection = ConnectionNumbers::Connection;

  explicit UnixListener(Settings settings);
  // Stops.
  ~UnixListener();

  // Binds the socket. UNAVAILABLE says why it can't.
  absl::Status Bind();
  // Gives connections to `server`, until Stop.
  void Start(grpc::Server* server);
  void Stop();

  // The connection that gRPC calls `peer`, "fd:17".
  Connection PeerOf(absl::string_view peer) const;

 private:
  static constexpr size_t kMaxRemembered = 4096;  // peers

  using Kind = ConnectionNumbers::Kind;

  void Run(grpc::Server* server);
  void Accept(int fd, grpc::Server* server);
  void Refuse(int fd, const std::string& why);
  std::shared_ptr<const auth::Peer> PeerFor(const Kind& kind);

  const Settings settings_;
  const uid_t owner_;
  int listening_ = -1;
  int stop_ = -1;  // an eventfd
  std::thread thread_;
  // Of the thread.
  std::map<Kind, std::shared_ptr<const auth::Peer>> peers_;
  log::RateLimit refusals_{5, 1};

  ConnectionNumbers numbers_;
};

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_UNIX_LISTENER_H_
