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

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/auth/entities.h"
#include "server/event/moment.h"
#include "server/log/log.h"

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

UnixListener::UnixListener(Settings settings)
    : settings_(std::move(settings)),
      owner_(geteuid()),
      of_number_(std::make_unique<std::array<std::atomic<const Known*>, kNumbers>>()),
      pid_of_number_(std::make_unique<std::array<std::atomic<pid_t>, kNumbers>>()) {}

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
  ucred peer = {};
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    close(fd);
    return;
  }
  // A process of a module is the module, whoever's it is, and not the operator.
  const pid_t session = peer.pid > 0 ? getsid(peer.pid) : -1;
  Known& known =
      KnownPeer(peer.uid, session > 0 && settings_.module_of ? settings_.module_of(session) : "");
  const int number = NumberFor(known, fd);
  if (number < 0) {
    if (refusals_.Take(event::Moment::Now().steady)) {
      log::Get("rpc").warn("{} ({}) has too many connections; {} more were closed",
                           known.peer->name, known.peer->proof, refusals_.TakeRefused() + 1);
    }
    close(fd);
    return;
  }
  if (number != fd) close(fd);
  (*pid_of_number_)[static_cast<size_t>(number)].store(peer.pid, std::memory_order_relaxed);
  grpc::AddInsecureChannelFromFd(server, number);
}

UnixListener::Known& UnixListener::KnownPeer(uid_t uid, const std::string& module) {
  Known& known = known_[{uid, module}];
  if (known.peer != nullptr) return known;
  auth::Peer peer;
  peer.proof = absl::StrCat("uid ", uid);
  const auto named = settings_.users.find(uid);
  const std::string user = named != settings_.users.end() ? named->second : LoginOf(uid);
  if (!module.empty()) {
    peer.module = module;
    peer.name = absl::StrCat("module/", module);
  } else if (uid == 0 || uid == owner_) {
    peer.name = auth::kAdmin;
  } else {
    peer.name = absl::StrCat("user/", user);
    // The names with a meaning of their own are nobody's login.
    if (peer.name == auth::kAdmin || peer.name == auth::kPlaintextTcp ||
        !auth::ValidateEntityName(peer.name).ok()) {
      peer.name = absl::StrCat("user/uid-", uid);
    }
  }
  known.peer = std::make_shared<const auth::Peer>(std::move(peer));
  return known;
}

int UnixListener::NumberFor(Known& known, int fd) {
  int most = kMaxOfOthers;
  if (known.peer->name == auth::kAdmin) {
    most = static_cast<int>(kNumbers);
  } else if (settings_.is_known && !settings_.is_known(known.peer->name)) {
    most = kMaxOfStrangers;
  }
  int number = fd;
  while (number >= 0 && static_cast<size_t>(number) < kNumbers) {
    auto& owner = (*of_number_)[static_cast<size_t>(number)];
    const Known* const of = owner.load(std::memory_order_relaxed);
    if (of == &known) return number;
    if (of == nullptr && known.numbers < most) {
      ++known.numbers;
      owner.store(&known, std::memory_order_release);
      return number;
    }
    const int next = fcntl(fd, F_DUPFD_CLOEXEC, number + 1);
    if (number != fd) close(number);
    number = next;
  }
  if (number >= 0 && number != fd) close(number);
  return -1;
}

UnixListener::Connection UnixListener::PeerOf(absl::string_view peer) const {
  size_t number = 0;
  if (!absl::ConsumePrefix(&peer, "fd:") || !absl::SimpleAtoi(peer, &number) ||
      number >= kNumbers) {
    return {};
  }
  const Known* const known = (*of_number_)[number].load(std::memory_order_acquire);
  if (known == nullptr) return {};
  return {known->peer, (*pid_of_number_)[number].load(std::memory_order_relaxed)};
}

}  // namespace outpost::rpc
