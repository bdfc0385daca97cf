// UnixListener accepts connections at the manager's socket, asks the kernel who is at the
// other end of each, and gives them to the gRPC server.
//
// gRPC tells of such a connection only the number of its file descriptor, and a number can
// be another connection's by the time that a call of the first is looked at. So a number
// belongs, from the first connection that has it, to one kind of peer for ever.
//
// **Thread safety.** PeerOf may be called from any thread; Start and Stop from one.
//
// **Invariants.** All connections that ever have the same number are of one user, and of
// one module or none: what is said of a number is true of each.
#ifndef OUTPOST_SERVER_RPC_UNIX_LISTENER_H_
#define OUTPOST_SERVER_RPC_UNIX_LISTENER_H_

#include <grpcpp/server.h>
#include <sys/types.h>

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/auth/peer.h"
#include "server/log/rate_limit.h"

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
  struct Connection {
    std::shared_ptr<const auth::Peer> peer;  // null: it is none of these
    pid_t pid = 0;                           // of who connected, or did last
  };

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
  static constexpr size_t kNumbers = 65536;
  // How many numbers may ever belong to the same user, but the owner: that bounds their
  // connections.
  static constexpr int kMaxOfOthers = 4096;
  static constexpr int kMaxOfStrangers = 16;  // who may do nothing, and are told so

  using Kind = std::pair<uid_t, std::string>;  // a user, and one of the modules or ""
  struct Known {
    std::shared_ptr<const auth::Peer> peer;
    int numbers = 0;
  };

  void Run(grpc::Server* server);
  void Accept(int fd, grpc::Server* server);
  Known& KnownPeer(uid_t uid, const std::string& module);
  // `fd`, or a copy of it, under a number that is of `known`, or will be; -1: there is none.
  int NumberFor(Known& known, int fd);

  const Settings settings_;
  const uid_t owner_;
  int listening_ = -1;
  int stop_ = -1;  // an eventfd
  std::thread thread_;
  // Of the thread.
  std::map<Kind, Known> known_;
  log::RateLimit refusals_{5, 1};
  // By number; set once.
  const std::unique_ptr<std::array<std::atomic<const Known*>, kNumbers>> of_number_;
  const std::unique_ptr<std::array<std::atomic<pid_t>, kNumbers>> pid_of_number_;
};

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_UNIX_LISTENER_H_
