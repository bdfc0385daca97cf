#include "server/rpc/unix_listener.h"

#include <fcntl.h>
#include <grpcpp/server_posix.h>
#include <poll.h>
#include <pwd.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/auth/entities.h"
#include "server/event/moment.h"
#include "server/event/thread_role.h"
#include "server/log/log.h"
#include "server/rpc/socket_peer.h"

namespace outpost::rpc {
namespace {

constexpr int kBacklog = 4096;  // as many as 1,000 modules at once could need, and more
constexpr int kBreath = 100;    // ms, where there are no descriptors left

std::string LoginOf(uid_t uid) {
  std::vector<char> buffer(size_t{16} << 10);
  passwd entry = {};
  passwd* found = nullptr;
  if (getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) {
    return "";
  }
  return found->pw_name;
}

}  // namespace

UnixListener::UnixListener(Settings settings) : settings_(std::move(settings)), owner_(geteuid()) {}

UnixListener::~UnixListener() {
  Stop();
  if (listening_ >= 0) close(listening_);
  if (stop_ >= 0) close(stop_);
}

absl::Status UnixListener::Bind() {
  const auto failed = [this](const char* what) {
    return absl::UnavailableError(absl::StrCat("can't listen on unix:", settings_.path, ": ", what,
                                               ": ", strerrordesc_np(errno)));
  };
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (settings_.path.size() >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return failed("bind");
  }
  settings_.path.copy(address.sun_path, settings_.path.size());
  listening_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  stop_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (listening_ < 0 || stop_ < 0) return failed("socket");
  if (bind(listening_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return failed("bind");
  }
  // Nobody can connect before listen().
  if (chmod(settings_.path.c_str(), settings_.mode) != 0) return failed("chmod");
  if (listen(listening_, kBacklog) != 0) return failed("listen");
  return absl::OkStatus();
}

void UnixListener::Start(grpc::Server* server) {
  thread_ = std::thread([this, server] { Run(server); });
}

void UnixListener::Stop() {
  if (!thread_.joinable()) return;
  eventfd_write(stop_, 1);
  thread_.join();
}

void UnixListener::Run(grpc::Server* server) {
  event::NameThread("listener");
  while (true) {
    pollfd waited[] = {{listening_, POLLIN, 0}, {stop_, POLLIN, 0}};
    if (poll(waited, std::size(waited), -1) < 0 && errno != EINTR) return;
    if (waited[1].revents != 0) return;
    if (waited[0].revents == 0) continue;
    const int fd = accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
      Accept(fd, server);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      log::Get("rpc").error("can't accept a connection: {}", strerrordesc_np(errno));
      pollfd stop = {stop_, POLLIN, 0};
      poll(&stop, 1, kBreath);
    }
  }
}

void UnixListener::Accept(int fd, grpc::Server* server) {
  const absl::StatusOr<SocketPeer> asked = PeerOfSocket(fd);
  if (!asked.ok()) return Refuse(fd, std::string(asked.status().message()));
  // A process of a module is the module, whoever's it is, and not the operator.
  const Kind kind = {asked->uid, asked->session > 0 && settings_.module_of
                                     ? settings_.module_of(asked->session)
                                     : ""};
  std::shared_ptr<const auth::Peer> peer = PeerFor(kind);
  auto standing = ConnectionNumbers::Standing::kKnown;
  if (peer->name == auth::kAdmin) {
    standing = ConnectionNumbers::Standing::kAdmin;
  } else if (settings_.is_known && !settings_.is_known(peer->name)) {
    standing = ConnectionNumbers::Standing::kStranger;
  }
  const int number = numbers_.Take(kind, standing, {.peer = peer, .pid = asked->pid}, fd);
  if (number < 0) {
    return Refuse(fd, absl::StrCat(peer->name, " (", peer->proof, ") has too many connections",
                                   standing == ConnectionNumbers::Standing::kStranger
                                       ? ", or all who are not known here together"
                                       : ""));
  }
  if (number != fd) close(fd);
  grpc::AddInsecureChannelFromFd(server, number);
}

void UnixListener::Refuse(int fd, const std::string& why) {
  close(fd);
  if (!refusals_.Take(event::Moment::Now().steady)) return;
  log::Get("rpc").warn("{}; {} such connections were closed", why, refusals_.TakeRefused() + 1);
}

std::shared_ptr<const auth::Peer> UnixListener::PeerFor(const Kind& kind) {
  if (peers_.size() >= kMaxRemembered && !peers_.contains(kind)) peers_.clear();
  std::shared_ptr<const auth::Peer>& known = peers_[kind];
  if (known != nullptr) return known;
  const auto& [uid, module] = kind;
  auth::Peer peer;
  peer.proof = absl::StrCat("uid ", uid);
  if (!module.empty()) {
    peer.module = module;
    peer.name = absl::StrCat("module/", module);
  } else if (uid == 0 || uid == owner_) {
    peer.name = auth::kAdmin;
  } else {
    const auto named = settings_.users.find(uid);
    peer.name =
        absl::StrCat("user/", named != settings_.users.end() ? named->second : LoginOf(uid));
    // The names with a meaning of their own are nobody's login.
    if (peer.name == auth::kAdmin || peer.name == auth::kPlaintextTcp ||
        !auth::ValidateEntityName(peer.name).ok()) {
      peer.name = absl::StrCat("user/uid-", uid);
    }
  }
  known = std::make_shared<const auth::Peer>(std::move(peer));
  return known;
}

UnixListener::Connection UnixListener::PeerOf(absl::string_view peer) const {
  int number = 0;
  if (!absl::ConsumePrefix(&peer, "fd:") || !absl::SimpleAtoi(peer, &number)) return {};
  return numbers_.Of(number);
}

}  // namespace outpost::rpc
