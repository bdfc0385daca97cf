// Config.Watch and KeyValue.Watch as a client sees them: a real server and a real client.
#include "server/rpc/watch_stream.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "server/module/supervisor_fixture.h"
#include "server/rpc/state_services.h"

namespace outpost::rpc {
namespace {

using testing::HasSubstr;

// A store that counts who watches it.
class CountedStore final : public store::StateStore {
 public:
  explicit CountedStore(store::StateStore& store) : store_(store) {}

  absl::string_view name() const override { return store_.name(); }
  store::StoreStats stats() const override { return store_.stats(); }
  std::optional<std::string> Get(absl::string_view key) const override { return store_.Get(key); }
  std::vector<std::pair<std::string, std::string>> List(absl::string_view prefix) const override {
    return store_.List(prefix);
  }
  void Write(store::Batch batch, WriteDone done) override {
    store_.Write(std::move(batch), std::move(done));
  }
  std::unique_ptr<store::WatchHandle> Watch(absl::string_view prefix,
                                            WatchCallback callback) override {
    return std::make_unique<Handle>(this, store_.Watch(prefix, std::move(callback)));
  }

  // Waits until `count` watch; false after 20 s.
  bool AwaitWatches(int count) {
    absl::MutexLock lock(&mu_);
    auto reached = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return watches_ == count; };
    return mu_.AwaitWithTimeout(absl::Condition(&reached), absl::Seconds(20));
  }

 private:
  class Handle final : public store::WatchHandle {
   public:
    Handle(CountedStore* store, std::unique_ptr<store::WatchHandle> handle)
        : store_(store), handle_(std::move(handle)) {
      store_->Count(1);
    }
    ~Handle() override {
      handle_.reset();
      store_->Count(-1);
    }

   private:
    CountedStore* const store_;
    std::unique_ptr<store::WatchHandle> handle_;
  };

  void Count(int change) {
    absl::MutexLock lock(&mu_);
    watches_ += change;
  }

  store::StateStore& store_;
  absl::Mutex mu_;
  int watches_ ABSL_GUARDED_BY(mu_) = 0;
};

// A cluster that answers when the test lets it.
class HeldSource final : public cluster::Source {
 public:
  absl::string_view name() const override { return "held"; }
  absl::Status Start() override { return absl::OkStatus(); }
  void Stop() override {}
  void RunCommand(cluster::ClusterCommand command, command::ResultCallback done) override {
    absl::MutexLock lock(&mu_);
    commands_.push_back(command.command_json);
    waiting_.push_back(std::move(done));
  }
  std::vector<command::Declaration> Commands() const override { return {}; }
  void OnCommandsChanged(std::function<void()>) override {}

  // Answers the next command; returns what it was.
  std::string Answer(command::Result result) {
    command::ResultCallback done;
    std::string command;
    {
      absl::MutexLock lock(&mu_);
      auto asked = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return !waiting_.empty(); };
      mu_.Await(absl::Condition(&asked));
      done = std::move(waiting_.front());
      command = commands_.front();
      waiting_.erase(waiting_.begin());
      commands_.erase(commands_.begin());
    }
    done(std::move(result));
    return command;
  }

 private:
  absl::Mutex mu_;
  std::vector<std::string> commands_ ABSL_GUARDED_BY(mu_);
  std::vector<command::ResultCallback> waiting_ ABSL_GUARDED_BY(mu_);
};

class WatchTest : public module::SupervisorTest {
 protected:
  WatchTest() {
    StartManager();
    counted_ = std::make_unique<CountedStore>(manager->store());
    key_value_ = std::make_unique<KeyValueService>(counted_.get());
    config_ = std::make_unique<ConfigService>(&manager->config(), &source_);
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(key_value_.get());
    builder.RegisterService(config_.get());
    server_ = builder.BuildAndStart();
    channel_ =
        grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials());
    keys_ = v1::KeyValue::NewStub(channel_);
    options_ = v1::Config::NewStub(channel_);
  }
  ~WatchTest() override {
    server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(5));
    (*manager)->Stop();
  }

  // A watch of the keys of "demo" that has begun.
  struct KeyWatch {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<v1::KeyValueWatchResponse>> reader;
    std::string Next() {
      v1::KeyValueWatchResponse response;
      if (!reader->Read(&response))
        return absl::StrCat("ended: ", reader->Finish().error_message());
      const v1::KeyValueChange& change = response.change();
      return absl::StrCat(change.key(), change.has_value() ? "=" + change.value() : " is gone");
    }
  };
  std::unique_ptr<KeyWatch> WatchKeys(const std::string& prefix = "") {
    auto watch = std::make_unique<KeyWatch>();
    SetDeadline(watch->context);
    v1::KeyValueWatchRequest request;
    request.set_module("demo");
    request.set_prefix(prefix);
    watch->reader = keys_->Watch(&watch->context, request);
    watch->reader->WaitForInitialMetadata();
    return watch;
  }

  static void SetDeadline(grpc::ClientContext& context) {
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  }

  void Put(const std::string& key, const std::string& value) {
    ASSERT_TRUE(counted_->WriteAndWait({{}, {{absl::StrCat("kv/", key), value}}}).ok());
  }

  HeldSource source_;
  std::unique_ptr<CountedStore> counted_;
  std::unique_ptr<KeyValueService> key_value_;
  std::unique_ptr<ConfigService> config_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::KeyValue::Stub> keys_;
  std::unique_ptr<v1::Config::Stub> options_;
};

TEST_F(WatchTest, EachChangeOfTheModulesKeysIsToldInOrder) {
  const auto all = WatchKeys(), some = WatchKeys("a/");
  Put("demo/a/1", "x");
  Put("demo/b", "");
  Put("demo2/a/1", "of another module");
  Put("demo/a/1", "x");  // again the same value: a change, too
  ASSERT_TRUE(counted_->WriteAndWait({{}, {{"kv/demo/a/1", std::nullopt}}}).ok());
  EXPECT_EQ(all->Next(), "a/1=x");
  EXPECT_EQ(all->Next(), "b=");
  EXPECT_EQ(all->Next(), "a/1=x");
  EXPECT_EQ(all->Next(), "a/1 is gone");
  EXPECT_EQ(some->Next(), "a/1=x");
  EXPECT_EQ(some->Next(), "a/1=x");
  EXPECT_EQ(some->Next(), "a/1 is gone");
}

TEST_F(WatchTest, OfAWatcherThatEndsNothingStays) {
  std::vector<std::unique_ptr<KeyWatch>> watches;
  watches.reserve(20);
  for (int i = 0; i < 20; ++i) watches.push_back(WatchKeys());
  EXPECT_TRUE(counted_->AwaitWatches(20));
  // Half of them end while they are told of changes.
  std::thread writer([&] {
    for (int i = 0; i < 200; ++i) Put("demo/k", absl::StrCat(i));
  });
  for (int i = 0; i < 10; ++i) watches[i]->context.TryCancel();
  for (int i = 0; i < 10; ++i) watches[i].reset();
  writer.join();
  EXPECT_TRUE(counted_->AwaitWatches(10));
  watches.clear();  // gRPC cancels a call whose context goes
  EXPECT_TRUE(counted_->AwaitWatches(0));
}

TEST_F(WatchTest, ARefusedWatchHasNoFeed) {
  grpc::ClientContext context;
  SetDeadline(context);
  v1::KeyValueWatchRequest request;  // of no module
  const auto reader = keys_->Watch(&context, request);
  v1::KeyValueWatchResponse response;
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_TRUE(counted_->AwaitWatches(0));
}

TEST_F(WatchTest, WhoDoesNotReadIsCutOffAndHoldsNoMemory) {
  const auto sleeper = WatchKeys();
  const std::string large(1 << 20, 'x');
  for (int i = 0; i < 64; ++i) Put(absl::StrCat("demo/", i), large);
  int told = 0;
  v1::KeyValueWatchResponse response;
  while (sleeper->reader->Read(&response)) EXPECT_EQ(response.change().key(), absl::StrCat(told++));
  const grpc::Status status = sleeper->reader->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), HasSubstr("watch again"));
  EXPECT_LT(told, 64);
  EXPECT_TRUE(counted_->AwaitWatches(0));
}

TEST_F(WatchTest, OfOptionsASlowReaderGetsTheNewestValues) {
  v1::OptionDescriptor text;
  text.set_name("text");
  v1::OptionDescriptor secret;
  secret.set_name("secret");
  secret.set_secret(true);
  const std::vector<v1::OptionDescriptor> options = {text, secret};
  ASSERT_TRUE(manager->config().DeclareModule("demo", {options.begin(), options.end()}).ok());
  grpc::ClientContext context;
  SetDeadline(context);
  v1::ConfigWatchRequest request;
  request.set_module("demo");
  const auto reader = options_->Watch(&context, request);
  reader->WaitForInitialMetadata();

  auto set = [&](const char* key, const std::string& value) {
    absl::Notification done;
    manager->config().Set(key, value, "test", [&](const absl::StatusOr<v1::OptionValue>& result) {
      EXPECT_TRUE(result.ok()) << result.status();
      done.Notify();
    });
    done.WaitForNotification();
  };
  // More than 16 MiB in all: who were told each of them would have been cut off.
  for (int i = 0; i < 400; ++i) {
    set("mgr/demo/text", absl::StrCat(i, std::string(60'000, 'x')));
  }
  set("mgr/demo/secret", "hunter2");
  set("mgr/demo/text", "the last");
  std::vector<std::string> last;
  int told = 0;
  v1::ConfigWatchResponse response;
  while (reader->Read(&response)) {
    ++told;
    EXPECT_EQ(response.module(), "demo");
    if (response.option().name() == "secret") {
      EXPECT_EQ(response.option().value(), "<redacted>");
    }
    if (response.option().value() == "the last") break;
  }
  EXPECT_EQ(response.option().value(), "the last");
  EXPECT_LT(told, 402);
  context.TryCancel();
}

TEST_F(WatchTest, TheServerEndsWatchesWhenItStops) {
  const auto watch = WatchKeys();
  server_->Shutdown(std::chrono::system_clock::now());
  EXPECT_THAT(watch->Next(), HasSubstr("ended"));
  EXPECT_TRUE(counted_->AwaitWatches(0));
}

TEST_F(WatchTest, AnOptionOfTheClusterIsAskedOfIt) {
  auto ask = [&](const std::string& entity, command::Result result, std::string* command) {
    std::thread cluster([&] { *command = source_.Answer(std::move(result)); });
    grpc::ClientContext context;
    SetDeadline(context);
    v1::GetClusterOptionRequest request;
    request.set_entity(entity);
    request.set_name("debug_osd");
    v1::GetClusterOptionResponse response;
    const grpc::Status status = options_->GetClusterOption(&context, request, &response);
    cluster.join();
    return status.ok() ? response.value()
                       : absl::StrCat(status.error_code(), ": ", status.error_message());
  };
  std::string command;
  EXPECT_EQ(ask("", {0, "1/5\n", ""}, &command), "1/5");
  EXPECT_EQ(command, R"({"key":"debug_osd","prefix":"config get","who":"mgr"})");
  EXPECT_EQ(ask("osd.3", {0, "two\nlines\n", ""}, &command), "two\nlines");
  EXPECT_THAT(command, HasSubstr(R"("who":"osd.3")"));
  EXPECT_EQ(ask("", {-ENOENT, "", "unrecognized key 'debug_osd'"}, &command),
            "5: option debug_osd of mgr: unrecognized key 'debug_osd'");
  EXPECT_THAT(ask("", {-ENOTCONN, "", "no monitor answers"}, &command), HasSubstr("14: "));
  EXPECT_THAT(ask("", {-ETIMEDOUT, "", "late"}, &command), HasSubstr("4: "));
  EXPECT_THAT(ask("", {-EACCES, "", "access denied"}, &command), HasSubstr("7: "));
}

}  // namespace
}  // namespace outpost::rpc
