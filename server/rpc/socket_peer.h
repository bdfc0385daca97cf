// SocketPeer is who is at the other end of a connection at a unix socket, by the kernel.
//
// **Thread safety.** Functions of their arguments, and of the processes that there are.
#ifndef OUTPOST_SERVER_RPC_SOCKET_PEER_H_
#define OUTPOST_SERVER_RPC_SOCKET_PEER_H_

#include <sys/types.h>

#include "absl/status/statusor.h"

namespace outpost::rpc {

struct SocketPeer {
  uid_t uid = 0;
  pid_t pid = 0;      // of the process that connected; 0: it has none in this pid namespace
  pid_t session = 0;  // that it belongs to (getsid(2)); 0: that can't be told
};

// NOT_FOUND: the process has ended since, and its pid may be another's by now; whose session it
// was in, nobody can tell. UNAVAILABLE: it is no such connection.
absl::StatusOr<SocketPeer> PeerOfSocket(int fd);

// The session of `pid`, as far as it can be told of a kernel that has no SO_PEERPIDFD (before
// Linux 6.5): `pid` may be another process's than that of `uid` which has connected. So a session
// counts only if its leader runs as `uid`; else 0.
pid_t SessionByUser(pid_t pid, uid_t uid);

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_SOCKET_PEER_H_
