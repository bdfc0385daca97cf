#include "server/rpc/callback_threads.h"

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"

namespace outpost::rpc {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);

// A server of the callback API. Its method "/thread" answers the name of the thread that it
// runs on; "/block" does not return before Release().
class Service : public grpc::CallbackGenericService {
 public:
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    if (context->method() == "/block") Block();
    char name[16] = {};
    pthread_getname_np(pthread_self(), name, sizeof name);
    return new Answer(name);
  }

  // True: `n` calls of "/block" are at it.
  bool AwaitBlocked(int n) {
    absl::MutexLock lock(&mu_);
    const auto reached = [this, n]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return blocked_ == n; };
    return mu_.AwaitWithTimeout(absl::Condition(&reached), kPatience);
  }
  void Release() {
    absl::MutexLock lock(&mu_);
    released_ = true;
  }

 private:
  class Answer : public grpc::ServerGenericBidiReactor {
   public:
    explicit Answer(const std::string& text) {
      const grpc::Slice slice(text);
      buffer_ = grpc::ByteBuffer(&slice, 1);
      StartWriteAndFinish(&buffer_, grpc::WriteOptions(), grpc::Status::OK);
    }
    void OnDone() override { delete this; }

   private:
    grpc::ByteBuffer buffer_;
  };

  void Block() {
    absl::MutexLock lock(&mu_);
    ++blocked_;
    mu_.Await(absl::Condition(&released_));
    --blocked_;
  }

  absl::Mutex mu_;
  int blocked_ ABSL_GUARDED_BY(mu_) = 0;
  bool released_ ABSL_GUARDED_BY(mu_) = false;
};

class CallbackThreadsTest : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/callback-threads-XXXXXX";
    directory_ = mkdtemp(pattern);
    Start();
  }
  void TearDown() override {
    Stop();
    rmdir(directory_.c_str());
  }

  void Start() {
    service_ = std::make_unique<Service>();
    grpc::ServerBuilder builder;
    const std::string address = "unix:" + directory_ + "/socket";
    builder.AddListeningPort(address, grpc::InsecureServerCredentials());
    builder.RegisterCallbackGenericService(service_.get());
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
    channel_ = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  }
  void Stop() {
    service_->Release();
    server_->Shutdown();
    server_.reset();
  }

  // What the server answers. On this thread's own queue: no thread of ours is the client's.
  std::string Call(const std::string& method) {
    grpc::GenericStub stub(channel_);
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    grpc::CompletionQueue queue;
    const grpc::Slice empty("");
    const grpc::ByteBuffer request(&empty, 1);
    const auto call = stub.PrepareUnaryCall(&context, method, request, &queue);
    call->StartCall();
    grpc::ByteBuffer response;
    grpc::Status status;
    call->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    if (!status.ok()) return status.error_message();
    grpc::Slice slice;
    if (!response.DumpToSingleSlice(&slice).ok()) return "no answer";
    return std::string(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }

  // Calls of "/block" that are under way, each on a thread of its own.
  std::vector<std::thread> BlockThem(int n) {
    std::vector<std::thread> callers;
    for (int i = 0; i < n; ++i) {
      callers.emplace_back([this] { EXPECT_EQ(Call("/block"), "grpc-callback"); });
      // One after another: each takes the place of the one before.
      EXPECT_TRUE(service_->AwaitBlocked(i + 1));
    }
    return callers;
  }

  std::string directory_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

int Threads() {
  return static_cast<int>(CallbackThreads::LimitsFor(std::thread::hardware_concurrency()).threads);
}

TEST_F(CallbackThreadsTest, AreThoseThatGrpcUses) { EXPECT_EQ(Call("/thread"), "grpc-callback"); }

TEST_F(CallbackThreadsTest, ACallbackThatBlocksHoldsUpNoOther) {
  std::vector<std::thread> callers = BlockThem(Threads() - 1);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(Call("/thread"), "grpc-callback");
  service_->Release();
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(Call("/thread"), "grpc-callback");
}

TEST_F(CallbackThreadsTest, WhenAllBlockTheNextWaitsForOne) {
  std::vector<std::thread> callers = BlockThem(Threads());
  absl::Notification answered;
  std::thread caller([&] {
    EXPECT_EQ(Call("/thread"), "grpc-callback");
    answered.Notify();
  });
  // Long enough for an answer, had anybody been there to give it.
  EXPECT_FALSE(answered.WaitForNotificationWithTimeout(absl::Milliseconds(50)));
  service_->Release();
  caller.join();
  for (std::thread& other : callers) other.join();
}

TEST_F(CallbackThreadsTest, WorkAgainAfterTheLastServerIsGone) {
  EXPECT_EQ(Call("/thread"), "grpc-callback");
  Stop();
  Start();
  EXPECT_EQ(Call("/thread"), "grpc-callback");
}

TEST_F(CallbackThreadsTest, ManyAtOnce) {
  std::vector<std::thread> callers;
  callers.reserve(16);
  for (int i = 0; i < 16; ++i) {
    callers.emplace_back([this] {
      for (int j = 0; j < 200; ++j) EXPECT_EQ(Call("/thread"), "grpc-callback");
    });
  }
  for (std::thread& caller : callers) caller.join();
}

TEST(LimitsTest, GrowWithTheMachine) {
  EXPECT_EQ(CallbackThreads::LimitsFor(0).pollers, 1);  // not known
  EXPECT_EQ(CallbackThreads::LimitsFor(2).pollers, 1);
  EXPECT_EQ(CallbackThreads::LimitsFor(16).pollers, 4);
  EXPECT_EQ(CallbackThreads::LimitsFor(2).threads, 8);
  EXPECT_EQ(CallbackThreads::LimitsFor(256).threads, 32);
}

}  // namespace
}  // namespace outpost::rpc
