#include "server/command/dispatcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "server/module/supervisor_fixture.h"

namespace outpost::command {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using Case = module::RecordingLink::Case;

// A cluster that answers each command with its JSON.
class EchoSource : public cluster::Source {
 public:
  absl::string_view name() const override { return "echo"; }
  absl::Status Start() override { return absl::OkStatus(); }
  void Stop() override {}
  void RunCommand(cluster::ClusterCommand command, ResultCallback done) override {
    done({.retval = -7, .out = command.command_json, .err = command.service_type + command.inbuf});
  }
  std::vector<Declaration> Commands() const override { return commands; }
  void OnCommandsChanged(std::function<void()>) override {}

  std::vector<Declaration> commands = {
      {"osd out name=ids,type=CephString,n=N", "take OSDs out", "rw", false}};
};

class DispatcherTest : public module::SupervisorTest {
 protected:
  DispatcherTest() {
    StartManager();
    router_ = std::make_unique<module::CallRouter>(&manager->supervisor());
    dispatcher_ = std::make_unique<Dispatcher>(&manager->commands(), router_.get(), &source_);
    dispatcher_->AddBuiltin(
        {"echo name=text,type=CephString", "say it again", "r", true},
        [](BuiltinCall call, ResultCallback done) {
          done({.retval = 0,
                .out = call.args["text"].get<std::string>() + "|" + call.format + "|" +
                       call.inbuf.value_or("none") + "|" + call.caller + "|" +
                       (call.args.contains("format") ? "format" : ""),
                .err = ""});
        });
    EXPECT_TRUE(dispatcher_->PublishBuiltins().ok());
    dispatcher_->PublishClusterCommands();
  }

  Response Run(Request request) {
    absl::Notification done;
    Response response;
    request.caller = "client";
    dispatcher_->Run(std::move(request), [&](Response got) {
      response = std::move(got);
      done.Notify();
    });
    EXPECT_TRUE(done.WaitForNotificationWithTimeout(absl::Seconds(20)));
    return response;
  }
  static Request Words(std::vector<std::string> words) {
    Request request;
    request.words = std::move(words);
    return request;
  }
  static Request Json(const std::string& json) {
    Request request;
    request.command_json = json;
    return request;
  }

  EchoSource source_;
  std::unique_ptr<module::CallRouter> router_;
  std::unique_ptr<Dispatcher> dispatcher_;
};

TEST_F(DispatcherTest, ACommandOfTheManagerRunsHere) {
  Request request = Words({"echo", "hello"});
  request.format = "json";
  request.inbuf = "input";
  const Response response = Run(std::move(request));
  EXPECT_EQ(response.result.retval, 0);
  EXPECT_EQ(response.result.out, "hello|json|input|client|");
  EXPECT_EQ(response.prefix, "echo");
  EXPECT_EQ(response.provider, "manager");
  EXPECT_TRUE(response.poll);
  const auto counted = dispatcher_->counters(Provider::Kind::kManager).snapshot();
  EXPECT_EQ(counted.succeeded, 1u);
  EXPECT_EQ(counted.latency.count(), 1u);
}

TEST_F(DispatcherTest, TheFormatMayStandInTheJson) {
  EXPECT_EQ(Run(Json(R"({"prefix":"echo","text":"x","format":"xml"})")).result.out,
            "x|xml|none|client|")
      << "and is no argument";
  Request both = Json(R"({"prefix":"echo","text":"x","format":"xml"})");
  both.format = "yaml";
  EXPECT_EQ(Run(std::move(both)).result.out, "x|yaml|none|client|");
}

TEST_F(DispatcherTest, ACommandOfTheClusterGoesToItsSource) {
  Request request = Words({"osd", "out", "1", "2"});
  request.format = "json";
  request.inbuf = "input";
  const Response response = Run(std::move(request));
  EXPECT_EQ(response.provider, "cluster");
  EXPECT_EQ(response.result.retval, -7);
  EXPECT_EQ(response.result.err, "moninput");
  EXPECT_EQ(dispatcher_->counters(Provider::Kind::kCluster).snapshot().failed, 1u);
  EXPECT_EQ(dispatcher_->counters(Provider::Kind::kManager).snapshot().latency.count(), 0u);
  EXPECT_EQ(nlohmann::json::parse(response.result.out),
            nlohmann::json::parse(R"({"prefix":"osd out","ids":["1","2"],"format":"json"})"));
  source_.commands.clear();
  dispatcher_->PublishClusterCommands();
  EXPECT_EQ(Run(Words({"osd", "out", "1"})).result.retval, -EINVAL);
}

TEST_F(DispatcherTest, ACommandOfAModuleGoesToItAndCanBeCancelled) {
  module::FakeModule module(*manager, "m");
  module.registration.add_commands()->set_signature("m greet name=who,type=CephString");
  ASSERT_TRUE(module.AttachAndServe()) << module.refusal.status;
  Request request = Json(R"({"prefix":"m greet","who":"you","format":"json"})");
  request.caller = "module/other";
  absl::Notification done;
  Response response;
  auto cancel = dispatcher_->Run(std::move(request), [&](Response got) {
    response = std::move(got);
    done.Notify();
  });
  const v1::RunCommand sent = module.link->Next(Case::kRunCommand).run_command();
  EXPECT_EQ(sent.prefix(), "m greet");
  EXPECT_EQ(nlohmann::json::parse(sent.command_json()),
            nlohmann::json::parse(R"({"prefix":"m greet","who":"you","format":"json"})"));
  EXPECT_EQ(sent.caller(), "module/other");
  EXPECT_FALSE(sent.has_inbuf());
  ASSERT_TRUE(cancel);
  cancel();
  ASSERT_TRUE(done.WaitForNotificationWithTimeout(absl::Seconds(20)));
  EXPECT_EQ(response.result.retval, -ECANCELED);
  EXPECT_EQ(response.provider, "module/m");
  EXPECT_EQ(module.link->Next(Case::kCancel).cancel().id(), sent.id());
}

TEST_F(DispatcherTest, ACommandOfAModuleThatIsNotEnabledSaysSo) {
  Install("m");
  ASSERT_TRUE(manager->Enable("m").ok());
  module::FakeModule module(*manager, "m", NextProcess().token);
  module.registration.add_commands()->set_signature("m greet");
  ASSERT_TRUE(module.AttachAndServe());
  ASSERT_TRUE(manager->Disable("m").ok());
  const Response response = Run(Words({"m", "greet"}));
  EXPECT_EQ(response.result.retval, -EOPNOTSUPP);
  EXPECT_EQ(response.result.err,
            "Module 'm' is not enabled/loaded (required by command 'm greet'): use `outpost module "
            "enable m` to enable it");
  EXPECT_EQ(response.provider, "module/m");
}

TEST_F(DispatcherTest, AnUnknownCommandMayBeOneOfAClusterThatWasNeverReached) {
  source_.commands.clear();
  dispatcher_->PublishClusterCommands();
  const std::string hint =
      "\nThe cluster has not been reached yet, and so its commands are not known; see `outpost "
      "health detail`";
  EXPECT_THAT(Run(Words({"osd", "set", "noout"})).result.err, EndsWith(hint));
  EXPECT_THAT(Run(Json(R"({"prefix":"osd set"})")).result.err, EndsWith(hint));
  // It is not to blame for arguments that do not fit.
  EXPECT_THAT(Run(Words({"echo"})).result.err, Not(HasSubstr("has not been reached")));
}

TEST_F(DispatcherTest, WhatIsNotACommandIsAResult) {
  for (const Request& request :
       {Words({"ecco", "x"}), Words({"echo"}), Words({}), Json("{"), Json("[]"),
        Json(R"({"prefix":"nosuch"})"), Json(R"({"prefix":"echo"})")}) {
    const Response response = Run(request);
    EXPECT_EQ(response.result.retval, -EINVAL);
    EXPECT_NE(response.result.err, "");
    EXPECT_EQ(response.prefix, "");
  }
  EXPECT_EQ(dispatcher_->invalid_commands(), 7u);
  EXPECT_THAT(Run(Words({"ecco", "x"})).result.err, HasSubstr("echo"));
}

TEST_F(DispatcherTest, ABadBuiltinIsRefusedByName) {
  Dispatcher dispatcher(&manager->commands(), router_.get(), &source_);
  dispatcher.AddBuiltin({"broken name=x,type=NoSuchType", "", "r", false}, nullptr);
  const absl::Status status = dispatcher.PublishBuiltins();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(status.ToString(), HasSubstr("broken"));
}

}  // namespace
}  // namespace outpost::command
