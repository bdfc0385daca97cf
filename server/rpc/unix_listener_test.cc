#include "server/rpc/unix_listener.h"

#include <fcntl.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace outpost::rpc {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(60);

// Calls that last until the test lets them end.
class Held final : public grpc::CallbackGenericService {
 public:
  class Call final : public grpc::ServerGenericBidiReactor {
   public:
    void OnCancel() override { cancelled.Notify(); }
    void OnDone() override { done.Notify(); }

    std::string peer;
    absl::Notification cancelled;
    absl::Notification done;
  };

  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    absl::MutexLock lock(&mu_);
    call_ = std::make_shared<Call>();
    call_->peer = context->peer();
    return call_.get();
  }
  std::shared_ptr<Call> Next() {
    absl::MutexLock lock(&mu_);
    const auto is_there = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return call_ != nullptr; };
    if (!mu_.AwaitWithTimeout(absl::Condition(&is_there), kPatience)) return nullptr;
    return std::move(call_);
  }

 private:
  absl::Mutex mu_;
  std::shared_ptr<Call> call_ ABSL_GUARDED_BY(mu_);
};

class UnixListenerTest : public testing::Test {
 protected:
  UnixListenerTest() : listener_({.path = path_}) {
    grpc::ServerBuilder builder;
    builder.RegisterCallbackGenericService(&held_);
    server_ = builder.BuildAndStart();
    EXPECT_TRUE(listener_.Bind().ok());
    listener_.Start(server_.get());
  }
  ~UnixListenerTest() override {
    listener_.Stop();
    server_->Shutdown(std::chrono::system_clock::now());
    std::filesystem::remove_all(directory_);
  }

  // A call on a connection of its own.
  struct Client {
    explicit Client(const std::string& path) {
      grpc::ChannelArguments alone;
      alone.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
      stub = std::make_unique<grpc::GenericStub>(
          grpc::CreateCustomChannel("unix:" + path, grpc::InsecureChannelCredentials(), alone));
      context.set_wait_for_ready(true);
      call = stub->PrepareCall(&context, "/a.Service/Method", &queue);
      call->StartCall(nullptr);
    }
    ~Client() {
      context.TryCancel();
      queue.Shutdown();
      void* tag = nullptr;
      bool ok = false;
      while (queue.Next(&tag, &ok)) {
      }
    }
    grpc::CompletionQueue queue;
    grpc::ClientContext context;
    std::unique_ptr<grpc::GenericStub> stub;
    std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call;
  };

  static int NumberOf(absl::string_view peer) {
    int number = -1;
    EXPECT_TRUE(absl::ConsumePrefix(&peer, "fd:") && absl::SimpleAtoi(peer, &number)) << peer;
    return number;
  }
  static bool IsOpen(int number) { return fcntl(number, F_GETFD) >= 0; }

  // Short: the path of a socket has 107 bytes at most.
  static std::string MakeDirectory() {
    std::string path = "/tmp/outpost-XXXXXX";
    EXPECT_NE(mkdtemp(path.data()), nullptr);
    return path;
  }

  const std::string directory_ = MakeDirectory();
  const std::string path_ = directory_ + "/socket";
  Held held_;
  UnixListener listener_;
  std::unique_ptr<grpc::Server> server_;
};

TEST_F(UnixListenerTest, WhoseAConnectionIs) {
  const Client client(path_);
  const auto call = held_.Next();
  ASSERT_NE(call, nullptr);
  const UnixListener::Connection connection = listener_.PeerOf(call->peer);
  ASSERT_NE(connection.peer, nullptr);
  EXPECT_EQ(connection.peer->name, auth::kAdmin);
  EXPECT_EQ(connection.pid, getpid());
  for (const char* other : {"fd:60000", "fd:", "fd:-1", "fd:99999999999", "ipv4:1.2.3.4:5", ""}) {
    EXPECT_EQ(listener_.PeerOf(other).peer, nullptr) << other;
  }
  call->Finish(grpc::Status::OK);
  EXPECT_TRUE(call->done.WaitForNotificationWithTimeout(kPatience));
}

// What connection_numbers.h builds on: a number is not given to another connection while gRPC has
// a call of the first.
TEST_F(UnixListenerTest, ANumberIsKeptUntilTheLastCallIsOver) {
  auto client = std::make_unique<Client>(path_);
  const auto call = held_.Next();
  ASSERT_NE(call, nullptr);
  const int number = NumberOf(call->peer);
  client = nullptr;
  ASSERT_TRUE(call->cancelled.WaitForNotificationWithTimeout(kPatience));
  pollfd gone = {.fd = number, .events = POLLRDHUP, .revents = 0};
  ASSERT_EQ(poll(&gone, 1, static_cast<int>(absl::ToInt64Milliseconds(kPatience))), 1);
  // Whoever connects meanwhile gets others, and gRPC has time enough to close it.
  for (int i = 0; i < 50; ++i) {
    const Client other(path_);
    const auto another = held_.Next();
    ASSERT_NE(another, nullptr);
    EXPECT_NE(NumberOf(another->peer), number);
    another->Finish(grpc::Status::OK);
    ASSERT_TRUE(another->done.WaitForNotificationWithTimeout(kPatience));
  }
  EXPECT_TRUE(IsOpen(number));
  call->Finish(grpc::Status::OK);
  ASSERT_TRUE(call->done.WaitForNotificationWithTimeout(kPatience));
  const absl::Time deadline = absl::Now() + kPatience;
  while (IsOpen(number) && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_FALSE(IsOpen(number));
}

}  // namespace
}  // namespace outpost::rpc
