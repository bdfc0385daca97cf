// That connections come to gRPC, by either protocol; and what becomes of those beyond.
//
// The server here speaks without TLS: what the listener does is the same. A connection that has
// been given to gRPC has its first frame from there.
#include "server/rpc/tls_listener.h"

#include <arpa/inet.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/rpc/handshake_pace.h"

namespace outpost::rpc {
namespace {

constexpr int kPatience = 60'000;  // ms

// Answers each call with the name of its peer.
class Named final : public grpc::CallbackGenericService {
 public:
  class Call final : public grpc::ServerGenericBidiReactor {
   public:
    explicit Call(const std::string& peer) : answer_(peer) {
      const grpc::Slice slice(answer_);
      bytes_ = grpc::ByteBuffer(&slice, 1);
      StartWriteAndFinish(&bytes_, grpc::WriteOptions(), grpc::Status::OK);
    }
    void OnDone() override { delete this; }

   private:
    const std::string answer_;
    grpc::ByteBuffer bytes_;
  };
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    return new Call(context->peer());
  }
};

class TlsListenerTest : public testing::Test {
 protected:
  void Start() {
    grpc::ServerBuilder builder;
    builder.RegisterCallbackGenericService(&named_);
    auto acceptor = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
        grpc::InsecureServerCredentials());
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
    listener_.Start(std::move(acceptor));
  }
  ~TlsListenerTest() override {
    for (const int fd : open_) close(fd);
    listener_.Stop();
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
  }

  // What the server calls who calls it at `address`.
  static std::string CallAt(const std::string& address) {
    grpc::ChannelArguments alone;
    alone.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    grpc::GenericStub stub(
        grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), alone));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(kPatience));
    context.set_wait_for_ready(true);
    const grpc::ByteBuffer request;
    grpc::ByteBuffer response;
    grpc::CompletionQueue queue;
    const auto call = stub.PrepareUnaryCall(&context, "/a.Service/Method", request, &queue);
    call->StartCall();
    grpc::Status status;
    call->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    if (!status.ok()) return status.error_message();
    grpc::Slice slice;
    response.DumpToSingleSlice(&slice);
    return {reinterpret_cast<const char*>(slice.begin()), slice.size()};
  }

  // A connection that says nothing.
  int Silent() {
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<in_port_t>(listener_.ports().front()));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    open_.push_back(fd);
    return fd;
  }
  // Waits for something from the server, and says what: its first frame, or the end ("").
  static std::string Hear(int fd) {
    pollfd waited = {.fd = fd, .events = POLLIN, .revents = 0};
    EXPECT_EQ(poll(&waited, 1, kPatience), 1);
    char bytes[64];
    const ssize_t got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    return got > 0 ? std::string(bytes, static_cast<size_t>(got)) : "";
  }

  Named named_;
  TlsListener listener_{absl::Seconds(10)};
  std::unique_ptr<grpc::Server> server_;
  std::vector<int> open_;
};

TEST_F(TlsListenerTest, ACallerIsCalledAsGrpcCallsThem) {
  const bool has_v6 = listener_.Bind("[::1]:0").ok();  // some machines have none
  ASSERT_TRUE(listener_.Bind("127.0.0.1:0").ok());
  ASSERT_TRUE(listener_.Bind("localhost:0").ok());
  ASSERT_TRUE(listener_.Bind(":0").ok());
  Start();
  for (size_t i = has_v6 ? 1 : 0; i < listener_.ports().size(); ++i) {
    const int port = listener_.ports()[i];
    EXPECT_GT(port, 0);
    const std::string peer = CallAt(absl::StrCat("ipv4:127.0.0.1:", port));
    EXPECT_TRUE(absl::StartsWith(peer, "ipv4:127.0.0.1:")) << peer;
    listener_.Called(peer);
    EXPECT_TRUE(listener_.pace().IsKnown("127.0.0.1"));
  }
  if (!has_v6) GTEST_SKIP() << "this machine has no IPv6";
  EXPECT_FALSE(listener_.pace().IsKnown("::"));
  const std::string peer = CallAt(absl::StrCat("ipv6:[::1]:", listener_.ports().front()));
  listener_.Called(peer);
  EXPECT_TRUE(listener_.pace().IsKnown("::")) << peer;  // all of the network
}

TEST_F(TlsListenerTest, IPv4AtASocketForBoth) {
  if (!listener_.Bind("[::]:0").ok()) GTEST_SKIP() << "this machine has no IPv6";
  Start();
  listener_.Called(CallAt(absl::StrCat("ipv4:127.0.0.1:", listener_.ports().front())));
  EXPECT_TRUE(listener_.pace().IsKnown("127.0.0.1"));
}

TEST_F(TlsListenerTest, TooManyThatSayNothing) {
  ASSERT_TRUE(listener_.Bind("127.0.0.1:0").ok());
  Start();
  std::vector<int> begun;
  for (int i = 0; i < static_cast<int>(HandshakePace::kBurst); ++i) begun.push_back(Silent());
  for (const int fd : begun) EXPECT_NE(Hear(fd), "");
  // Twice as many as may wait: the oldest hear that they have to go, but for a few whose turn comes
  // meanwhile.
  std::vector<int> beyond;
  for (size_t i = 0; i < 2 * HandshakePace::kMaxOfHost; ++i) beyond.push_back(Silent());
  size_t ended = 0;
  for (size_t i = 0; i < HandshakePace::kMaxOfHost; ++i) ended += Hear(beyond[i]).empty() ? 1 : 0;
  EXPECT_GT(ended, HandshakePace::kMaxOfHost / 2);
  EXPECT_LE(listener_.pace().waiting(), HandshakePace::kMaxOfHost);
  // Those that wait when it stops, go.
  listener_.Stop();
  EXPECT_EQ(Hear(beyond.back()), "");
  EXPECT_EQ(listener_.pace().waiting(), 0);
}

TEST_F(TlsListenerTest, WhereItCantListen) {
  ASSERT_TRUE(listener_.Bind("127.0.0.1:0").ok());
  for (const auto& [address, word] : {
           std::pair(absl::StrCat("127.0.0.1:", listener_.ports().front()), "in use"),
           std::pair(std::string("192.0.2.1:0"), "assign"),
           std::pair(std::string("no-such-host.invalid:0"), "no-such-host.invalid"),
           std::pair(std::string("localhost"), "port"),
       }) {
    const absl::Status status = listener_.Bind(address);
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_TRUE(absl::StrContains(status.message(), address)) << status;
    EXPECT_TRUE(absl::StrContains(status.message(), word)) << status;
  }
  EXPECT_EQ(listener_.ports().size(), 1);
}

}  // namespace
}  // namespace outpost::rpc
