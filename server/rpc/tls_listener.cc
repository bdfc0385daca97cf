#include "server/rpc/tls_listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "server/event/moment.h"
#include "server/event/thread_role.h"
#include "server/log/log.h"

namespace outpost::rpc {
namespace {

constexpr int kBacklog = 4096;
constexpr int kAtOnce = 64;   // connections of one socket, before the others have their turn
constexpr int kBreath = 100;  // ms, where there are no descriptors left

// Whose the other end of a connection is.
struct Remote {
  std::string host;  // an IPv4 address, or the network of an IPv6 address
  std::string peer;  // as gRPC names it
};

Remote RemoteOf(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = {};
  in_addr v4 = {};
  in_port_t port = 0;
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    port = ntohs(v6.sin6_port);
    if (!IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
      // Whoever has one address of a network has all 2^64 of it.
      in6_addr network = v6.sin6_addr;
      std::fill(std::begin(network.s6_addr) + 8, std::end(network.s6_addr), 0);
      inet_ntop(AF_INET6, &network, text, sizeof text);
      std::string host = text;
      inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
      const std::string scope = v6.sin6_scope_id == 0 ? "" : absl::StrCat("%25", v6.sin6_scope_id);
      return {.host = std::move(host), .peer = absl::StrCat("ipv6:%5B", text, scope, "%5D:", port)};
    }
    memcpy(&v4, &v6.sin6_addr.s6_addr[12], sizeof v4);
  } else {
    const auto& in = reinterpret_cast<const sockaddr_in&>(address);
    port = ntohs(in.sin_port);
    v4 = in.sin_addr;
  }
  inet_ntop(AF_INET, &v4, text, sizeof text);
  return {.host = text, .peer = absl::StrCat("ipv4:", text, ":", port)};
}

void SetOption(int fd, int level, int name, int value) {
  setsockopt(fd, level, name, &value, sizeof value);
}

// A socket that listens at an address; -1, and errno says why there is none.
int Listen(const addrinfo& address, bool is_one_of_many) {
  const int fd = socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  SetOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (address.ai_family == AF_INET6) {
    SetOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, is_one_of_many ? 1 : 0);
  }
  if (bind(fd, address.ai_addr, address.ai_addrlen) == 0 && listen(fd, kBacklog) == 0) return fd;
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

int PortOf(int fd) {
  sockaddr_storage own = {};
  socklen_t size = sizeof own;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) != 0) return 0;
  return ntohs(own.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(own).sin6_port
                                         : reinterpret_cast<const sockaddr_in&>(own).sin_port);
}

bool HasEnded(int fd) {
  char byte = 0;
  return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

}  // namespace

TlsListener::~TlsListener() {
  Stop();
  CloseListening();
  if (wake_ >= 0) close(wake_);
}

absl::Status TlsListener::Bind(const std::string& host_and_port) {
  const auto failed = [&](const std::string& why) {
    return absl::UnavailableError(
        absl::StrCat("can't listen on ", host_and_port, ": ", why,
                     "; is it HOST:PORT, is the host this machine's, is the port free?"));
  };
  const size_t colon = host_and_port.rfind(':');
  if (colon == std::string::npos) return failed("it has no port");
  std::string host = host_and_port.substr(0, colon);
  if (host.size() > 1 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  const std::string port = host_and_port.substr(colon + 1);
  addrinfo hints = {};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error =
      getaddrinfo(host.empty() ? nullptr : host.c_str(), port.c_str(), &hints, &found);
  if (error != 0) return failed(gai_strerror(error));
  const absl::Cleanup free_found = [found] { freeaddrinfo(found); };
  if (wake_ < 0) wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_ < 0) return failed(strerrordesc_np(errno));

  int given = 0;
  std::string why;
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    // All have the port that the first was given.
    if (given != 0 && address->ai_family == AF_INET6) {
      reinterpret_cast<sockaddr_in6*>(address->ai_addr)->sin6_port =
          htons(static_cast<in_port_t>(given));
    } else if (given != 0) {
      reinterpret_cast<sockaddr_in*>(address->ai_addr)->sin_port =
          htons(static_cast<in_port_t>(given));
    }
    const int fd = Listen(*address, found->ai_next != nullptr);
    if (fd >= 0) {
      listening_.push_back(fd);
      given = PortOf(fd);
      continue;
    }
    why = strerrordesc_np(errno);
    // A name may have an address of a kind that this machine has not.
    if (errno != EADDRNOTAVAIL && errno != EAFNOSUPPORT) return failed(why);
  }
  if (given == 0) return failed(why);
  ports_.push_back(given);
  return absl::OkStatus();
}

void TlsListener::Start(Acceptor acceptor) {
  acceptor_ = std::move(acceptor);
  thread_ = std::thread([this] { Run(); });
}

void TlsListener::Stop() {
  if (!thread_.joinable()) return;
  stopping_ = true;
  eventfd_write(wake_, 1);
  thread_.join();
  CloseListening();
}

void TlsListener::CloseListening() {
  for (const int fd : std::exchange(listening_, {})) close(fd);
}

void TlsListener::Called(const std::string& peer) {
  if (pace_.Worth(peer)) eventfd_write(wake_, 1);
}

void TlsListener::Run() {
  event::BeginBackground("tls-listener");
  std::vector<pollfd> waited;
  for (const int fd : listening_) waited.push_back({.fd = fd, .events = POLLIN, .revents = 0});
  waited.push_back({.fd = wake_, .events = POLLIN, .revents = 0});
  while (!stopping_) {
    const absl::Duration after = pace_.NextAfter(event::Moment::Now().steady);
    const int timeout =
        after == absl::InfiniteDuration()
            ? -1
            : static_cast<int>(absl::ToInt64Milliseconds(absl::Ceil(after, absl::Milliseconds(1))));
    if (poll(waited.data(), waited.size(), timeout) < 0 && errno != EINTR) break;
    eventfd_t ignored = 0;
    eventfd_read(wake_, &ignored);
    for (const pollfd& socket : waited) {
      if (socket.fd != wake_ && socket.revents != 0) Accept(socket.fd);
    }
    Begin();
  }
  for (const auto& waiting : pace_.TakeAll()) close(waiting.fd);
}

void TlsListener::Accept(int listening) {
  for (int i = 0; i < kAtOnce; ++i) {
    sockaddr_storage address = {};
    socklen_t size = sizeof address;
    const int fd = accept4(listening, reinterpret_cast<sockaddr*>(&address), &size,
                           SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        log::Get("rpc").error("can't accept a connection: {}", strerrordesc_np(errno));
        pollfd stop = {.fd = wake_, .events = POLLIN, .revents = 0};
        poll(&stop, 1, kBreath);
      }
      return;
    }
    SetOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    SetOption(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
              static_cast<int>(absl::ToInt64Milliseconds(user_timeout_)));
    Remote remote = RemoteOf(address);
    const auto too_many =
        pace_.Add({.fd = fd, .host = std::move(remote.host), .peer = std::move(remote.peer)});
    if (too_many.has_value()) close(too_many->fd);
    Begin();
  }
}

void TlsListener::Begin() {
  const absl::Duration now = event::Moment::Now().steady;
  while (const auto next = pace_.Next(now)) {
    if (HasEnded(next->fd)) {
      close(next->fd);
      pace_.Withdraw(next->peer);
      continue;
    }
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
    connection.listener_fd = listening_.front();
    connection.fd = next->fd;
    acceptor_->HandleNewConnection(&connection);
  }
  if (const auto longest = pace_.Longest(); longest.waiting > 0 && told_.Take(now)) {
    log::Get("rpc").warn(
        "{} connections by TLS wait for their handshake, {} of them from {}: too many were of "
        "nobody who may do anything here; {} a second begin",
        pace_.waiting(), longest.waiting, longest.host, HandshakePace::kPerSecond);
  }
}

}  // namespace outpost::rpc
