#include "server/rpc/socket_peer.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <string>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

// Linux 6.5, and glibc does not have it yet.
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

namespace outpost::rpc {
namespace {

absl::Status HasEnded(const SocketPeer& peer) {
  return absl::NotFoundError(absl::StrCat("process ", peer.pid, " of uid ", peer.uid,
                                          " has connected, and ended before it was asked who it "
                                          "is"));
}

}  // namespace

pid_t SessionByUser(pid_t pid, uid_t uid) {
  const pid_t session = getsid(pid);
  if (session <= 0) return 0;
  std::ifstream status(absl::StrCat("/proc/", session, "/status"));
  std::string word;
  while (status >> word) {
    if (word != "Uid:") continue;
    uid_t real = 0;
    uid_t effective = 0;
    if (status >> real >> effective && effective == uid) return session;
    break;
  }
  return 0;
}

absl::StatusOr<SocketPeer> PeerOfSocket(int fd) {
  ucred credentials = {};
  socklen_t size = sizeof credentials;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return absl::UnavailableError(absl::StrCat("SO_PEERCRED: ", strerrordesc_np(errno)));
  }
  SocketPeer peer = {.uid = credentials.uid, .pid = credentials.pid};
  if (peer.pid <= 0) return peer;
  int pidfd = -1;
  size = sizeof pidfd;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) != 0) {
    // As kernels of different age put it; one that has not the option says ENOPROTOOPT.
    if (errno == ESRCH || errno == EINVAL) return HasEnded(peer);
    peer.session = SessionByUser(peer.pid, peer.uid);
    return peer;
  }
  const absl::Cleanup close_it = [pidfd] { close(pidfd); };
  // While the process is there, its pid is no other's.
  const pid_t session = getsid(peer.pid);
  pollfd end = {.fd = pidfd, .events = POLLIN, .revents = 0};
  if (session < 0 || poll(&end, 1, 0) != 0) return HasEnded(peer);
  peer.session = session;
  return peer;
}

}  // namespace outpost::rpc
