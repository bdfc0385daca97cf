// The session's stream as a module sees it: a real server and a real client.
#include "server/rpc/module_host_service.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "outpost/v1/error_details.pb.h"
#include "server/auth/caps.h"
#include "server/auth/peer.h"
#include "server/event/timer_queue.h"
#include "server/module/supervisor_fixture.h"
#include "server/rpc/identity.h"

namespace outpost::rpc {
namespace {

using testing::HasSubstr;
using Stream = grpc::ClientReaderWriter<v1::AttachRequest, v1::AttachResponse>;

// The reason in the ErrorInfo of `status`.
std::string Reason(const grpc::Status& status) {
  v1::RpcStatus details;
  v1::ErrorInfo info;
  if (!details.ParseFromString(status.error_details()) || details.details_size() != 1 ||
      !info.ParseFromString(details.details(0).value())) {
    return "";
  }
  return info.reason();
}

class ModuleHostTest : public module::SupervisorTest {
 protected:
  explicit ModuleHostTest(double registrations_per_second = 10) {
    StartManager([registrations_per_second](module::SupervisorOptions& options) {
      options.registrations_per_second = registrations_per_second;
    });
    auto audit =
        auth::AuditLog::Open(scratch.path() + "/audit.log", {}, [](uint64_t, const auto&) {});
    EXPECT_TRUE(audit.ok()) << audit.status();
    audit_ = *std::move(audit);
    service_ =
        std::make_unique<ModuleHostService>(&manager->supervisor(), &hub_, audit_.get(), &timers_);
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(service_.get());
    Caller admin;
    admin.name = auth::kAdmin;
    admin.caps = auth::Caps::AllowAll();
    builder.SetContextAllocator(MakeContextAllocator(admin));
    server_ = builder.BuildAndStart();
    stub_ = v1::ModuleHost::NewStub(
        grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials()));
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  }
  ~ModuleHostTest() override {
    (*manager)->Stop();
    server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(5));
  }

  static v1::AttachRequest Register(const std::string& name) {
    v1::AttachRequest message;
    v1::Register& registration = *message.mutable_register_();
    registration.set_name(name);
    registration.add_protocol_versions(1);
    registration.set_can_run(true);
    return message;
  }
  static v1::AttachRequest Running() {
    v1::AttachRequest message;
    message.mutable_serve_status()->set_state(v1::ServeStatus::STATE_RUNNING);
    return message;
  }
  // What is left in the stream is read, so that its status comes.
  static grpc::Status Finish(Stream& stream) {
    v1::AttachResponse rest;
    while (stream.Read(&rest)) {
    }
    return stream.Finish();
  }

  event::TimerQueue timers_;
  notify::NotificationHub hub_;
  std::unique_ptr<auth::AuditLog> audit_;
  std::unique_ptr<ModuleHostService> service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::ModuleHost::Stub> stub_;
  grpc::ClientContext context_;
};

TEST_F(ModuleHostTest, ASessionFromRegisterToHalfClose) {
  const auto stream = stub_->Attach(&context_);
  ASSERT_TRUE(stream->Write(Register("hand")));
  v1::AttachResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_TRUE(response.has_configure());
  v1::AttachRequest configured;
  configured.mutable_configured();
  stream->Write(configured);
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_TRUE(response.has_serve());
  stream->Write(Running());
  ASSERT_TRUE(manager->AwaitState("hand", v1::MODULE_STATE_RUNNING));

  absl::Notification answered;
  (*manager)->WhenRunning("hand", absl::InfiniteFuture(), [&](auto session) {
    ASSERT_TRUE(session.ok());
    v1::AttachResponse command;
    command.mutable_run_command()->set_prefix("hello");
    (*session)->Start(command, "hello", absl::InfiniteFuture(), [&](auto answer) {
      ASSERT_TRUE(answer.ok()) << answer.status();
      EXPECT_EQ(answer->command_result().result().stdout(), "hi");
      answered.Notify();
    });
  });
  ASSERT_TRUE(stream->Read(&response));
  v1::AttachRequest result;
  result.mutable_command_result()->set_id(response.run_command().id());
  result.mutable_command_result()->mutable_result()->set_stdout("hi");
  stream->Write(result);
  EXPECT_TRUE(answered.WaitForNotificationWithTimeout(absl::Seconds(20)));

  stream->WritesDone();
  const grpc::Status status = Finish(*stream);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(manager->Info("hand").name(), "") << "nothing of it stays";
}

TEST_F(ModuleHostTest, TheFirstMessageIsRegister) {
  const auto stream = stub_->Attach(&context_);
  stream->Write(Running());
  const grpc::Status status = Finish(*stream);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Reason(status), "PROTOCOL_ERROR");
  EXPECT_THAT(status.error_message(), HasSubstr("the first message"));
}

TEST_F(ModuleHostTest, RegisterComesOnceAlsoWhileConfigureIsBeingWritten) {
  for (int round = 0; round < 20; ++round) {
    grpc::ClientContext context;
    const auto stream = stub_->Attach(&context);
    stream->Write(Register("hand"));
    stream->Write(Register("hand"));
    const grpc::Status status = Finish(*stream);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
    EXPECT_EQ(Reason(status), "PROTOCOL_ERROR");
    ASSERT_TRUE(manager->Await("hand", [](const auto& info) { return info.name().empty(); }));
  }
}

TEST_F(ModuleHostTest, ARefusalHasItsReason) {
  v1::AttachRequest message = Register("hand");
  message.mutable_register_()->set_token("guessed");
  const auto stream = stub_->Attach(&context_);
  stream->Write(message);
  const grpc::Status status = Finish(*stream);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(Reason(status), "BAD_TOKEN");
  ASSERT_EQ(audit_->Last(9).size(), 1U);
  const std::string line = audit_->Last(1)[0];
  for (const char* part :
       {R"("who":"user/admin")", R"("method":"outpost.v1.ModuleHost.Attach")",
        R"("arguments":{"name":"hand"})", R"("result":-13)", R"("refused":true)"}) {
    EXPECT_THAT(line, testing::HasSubstr(part));
  }
  EXPECT_THAT(line, testing::Not(testing::HasSubstr("guessed")));
}

TEST_F(ModuleHostTest, ABrokenStreamEndsWhatIsInHand) {
  const auto stream = stub_->Attach(&context_);
  stream->Write(Register("hand"));
  v1::AttachRequest configured;
  configured.mutable_configured();
  stream->Write(configured);
  stream->Write(Running());
  ASSERT_TRUE(manager->AwaitState("hand", v1::MODULE_STATE_RUNNING));
  absl::Notification ended;
  absl::Status how;
  (*manager)->WhenRunning("hand", absl::InfiniteFuture(), [&](auto session) {
    ASSERT_TRUE(session.ok());
    v1::AttachResponse command;
    command.mutable_run_command()->set_prefix("hello");
    (*session)->Start(command, "hello", absl::InfiniteFuture(), [&](auto answer) {
      how = answer.status();
      ended.Notify();
    });
  });
  context_.TryCancel();
  ASSERT_TRUE(ended.WaitForNotificationWithTimeout(absl::Seconds(20)));
  EXPECT_TRUE(absl::IsAborted(how)) << how;
  Finish(*stream);
  EXPECT_TRUE(manager->Await("hand", [](const auto& info) { return info.name().empty(); }));
}

TEST_F(ModuleHostTest, OneThatDoesNotReadLosesItsSession) {
  const auto stream = stub_->Attach(&context_);
  stream->Write(Register("hand"));
  v1::AttachResponse response;
  ASSERT_TRUE(stream->Read(&response));
  const auto session = (*manager)->FindByKey(response.configure().session_key());
  ASSERT_NE(session, nullptr);
  v1::AttachResponse ping;
  ping.mutable_shutdown()->set_reason(std::string(1000, 'x'));
  int sent = 0;
  while (sent < 1'000'000 && session->Send(ping)) ++sent;
  EXPECT_LT(sent, 1'000'000);
  EXPECT_TRUE(manager->Await("hand", [](const auto& info) { return info.name().empty(); }));
  EXPECT_EQ(Finish(*stream).error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(ModuleHostTest, TheManagerCanEndASession) {
  const auto stream = stub_->Attach(&context_);
  stream->Write(Register("hand"));
  v1::AttachResponse response;
  ASSERT_TRUE(stream->Read(&response));
  (*manager)
      ->FindByKey(response.configure().session_key())
      ->Close(absl::UnavailableError("no time for you"), "");
  const grpc::Status status = Finish(*stream);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(status.error_message(), "no time for you");
}

// A module may register once in ten seconds.
class TooOftenTest : public ModuleHostTest {
 protected:
  TooOftenTest() : ModuleHostTest(0.1) {
    grpc::ClientContext context;
    const auto first = stub_->Attach(&context);
    v1::AttachResponse response;
    EXPECT_TRUE(first->Write(Register("often")) && first->Read(&response));
    first->WritesDone();
    EXPECT_TRUE(Finish(*first).ok());
    before_ = absl::Now();
    again_ = stub_->Attach(&context_);
    EXPECT_TRUE(again_->Write(Register("often")));
  }

  absl::Time before_;
  std::unique_ptr<Stream> again_;
};

TEST_F(TooOftenTest, WhoRegistersTooOftenWaitsForItsRefusal) {
  const grpc::Status status = Finish(*again_);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Reason(status), "TOO_MANY_REGISTRATIONS");
  EXPECT_GT(absl::Now() - before_, absl::Milliseconds(900));
}

TEST_F(TooOftenTest, OneThatWaitsForItsRefusalMayGo) {
  context_.TryCancel();
  EXPECT_EQ(Finish(*again_).error_code(), grpc::StatusCode::CANCELLED);
}

// The server waits for each stream to end.
TEST_F(TooOftenTest, AServerThatStopsWaitsForNoRefusal) {
  timers_.Stop();
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(100));
  EXPECT_FALSE(Finish(*again_).ok());
}

}  // namespace
}  // namespace outpost::rpc
