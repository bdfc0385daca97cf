#include "server/module/call_router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "outpost/internal/steady_wait.h"
#include "server/module/supervisor_fixture.h"

namespace outpost::module {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using Case = RecordingLink::Case;

template <typename T>
struct Awaited {
  absl::Notification done;
  T value;
  auto Callback() {
    return [this](T got) {
      value = std::move(got);
      done.Notify();
    };
  }
  T& Get() {
    EXPECT_TRUE(done.WaitForNotificationWithTimeout(absl::Seconds(20)));
    return value;
  }
};
using Command = Awaited<command::Result>;
using Remote = Awaited<RemoteOutcome>;

class CallRouterTest : public SupervisorTest {
 protected:
  CallRouterTest() {
    StartManager();
    router_ = std::make_unique<CallRouter>(&manager->supervisor());
  }
  std::unique_ptr<FakeModule> Module(const std::string& name, uint32_t max_concurrency = 4) {
    auto module = std::make_unique<FakeModule>(*manager, name);
    module->registration.set_max_concurrency(max_concurrency);
    EXPECT_TRUE(module->AttachAndServe()) << module->refusal.status;
    return module;
  }
  command::Invocation Hello(absl::Time deadline = absl::InfiniteFuture()) {
    return {.prefix = "hello",
            .command_json = R"({"prefix":"hello"})",
            .inbuf = std::nullopt,
            .deadline = deadline,
            .caller = "client",
            .parent_call = ""};
  }
  RemoteCall Call(const std::string& module, const std::string& method,
                  const std::string& parent = "") {
    RemoteCall call;
    call.module = module;
    call.method = method;
    call.parent_call = parent;
    call.caller = "client";
    return call;
  }

  std::unique_ptr<CallRouter> router_;
};

TEST_F(CallRouterTest, ACommandGoesToTheModuleAndItsResultBack) {
  const auto module = Module("m");
  Command result;
  command::Invocation invocation = Hello();
  invocation.inbuf = "";
  router_->RunCommand("m", invocation, result.Callback());
  const v1::RunCommand sent = module->link->Next(Case::kRunCommand).run_command();
  EXPECT_EQ(sent.prefix(), "hello");
  EXPECT_EQ(sent.caller(), "client");
  EXPECT_TRUE(sent.has_inbuf()) << "an empty file is not none";
  EXPECT_FALSE(sent.call_id().empty());
  v1::AttachRequest answer;
  answer.mutable_command_result()->set_id(sent.id());
  answer.mutable_command_result()->mutable_result()->set_retval(-2);
  answer.mutable_command_result()->mutable_result()->set_stdout_bytes("\xFF");
  answer.mutable_command_result()->mutable_result()->set_stderr("no such thing");
  module->session->HandleAnswer(sent.id(), answer);
  EXPECT_EQ(result.Get().retval, -2);
  EXPECT_EQ(result.Get().out, "\xFF");
  EXPECT_EQ(result.Get().err, "no such thing");
}

TEST_F(CallRouterTest, ACallGivesAResultOrTheErrorOfTheMethod) {
  const auto module = Module("m");
  Remote good, bad;
  router_->Call(Call("m", "add"), good.Callback());
  const v1::Call sent = module->link->Next(Case::kCall).call();
  EXPECT_EQ(sent.args_json(), "[]");
  EXPECT_EQ(sent.kwargs_json(), "{}");
  v1::AttachRequest answer;
  answer.mutable_call_result()->set_id(sent.id());
  answer.mutable_call_result()->set_result_json("3");
  module->session->HandleAnswer(sent.id(), answer);
  EXPECT_TRUE(good.Get().status.ok());
  EXPECT_EQ(good.Get().response.result_json(), "3");

  router_->Call(Call("m", "nosuch"), bad.Callback());
  const uint64_t id = module->link->Next(Case::kCall).call().id();
  answer.mutable_call_result()->mutable_error()->set_message("no method nosuch");
  module->session->HandleAnswer(id, answer);
  EXPECT_TRUE(bad.Get().status.ok()) << "an answer, not an error of the call";
  EXPECT_EQ(bad.Get().response.error().message(), "no method nosuch");
}

TEST_F(CallRouterTest, AModuleThatCannotAnswerIsAResultWithItsErrno) {
  Command unknown;
  router_->RunCommand("nosuch", Hello(), unknown.Callback());
  EXPECT_EQ(unknown.Get().retval, -EOPNOTSUPP);
  EXPECT_EQ(unknown.Get().err, "module 'nosuch' is not known");
  Remote call;
  router_->Call(Call("nosuch", "x"), call.Callback());
  EXPECT_EQ(call.Get().reason, "MODULE_NOT_ENABLED");
  EXPECT_TRUE(absl::IsFailedPrecondition(call.Get().status));

  const auto module = Module("m");
  Command late;
  router_->RunCommand("m", Hello(internal::SteadyNow() + absl::Milliseconds(20)), late.Callback());
  EXPECT_EQ(late.Get().retval, -ETIMEDOUT);
  EXPECT_EQ(late.Get().err, "command \"hello\": module m did not answer in time");

  Command lost;
  Remote lost_call;
  router_->RunCommand("m", Hello(), lost.Callback());
  router_->Call(Call("m", "x"), lost_call.Callback());
  module->Detach("has lost its session");
  EXPECT_EQ(lost.Get().retval, -EIO);
  EXPECT_THAT(lost.Get().err, StartsWith("command \"hello\": module m has lost its session before "
                                         "it answered"));
  EXPECT_EQ(lost_call.Get().reason, "MODULE_LOST");
  EXPECT_TRUE(absl::IsUnavailable(lost_call.Get().status));
}

TEST_F(CallRouterTest, AFailedModuleIsToldApartFromOneThatIsNotEnabled) {
  Install("picky", "exit 78");
  ASSERT_TRUE(manager->Enable("picky", absl::Seconds(20)).ok());
  Command command;
  router_->RunCommand("picky", Hello(), command.Callback());
  EXPECT_EQ(command.Get().retval, -EIO);
  EXPECT_THAT(command.Get().err,
              StartsWith("module 'picky' has experienced an error and cannot handle commands"));
  Remote call;
  router_->Call(Call("picky", "x"), call.Callback());
  EXPECT_EQ(call.Get().reason, "MODULE_NOT_RUNNING");
  EXPECT_TRUE(absl::IsUnavailable(call.Get().status));
}

TEST_F(CallRouterTest, AFullQueueHasAReason) {
  const auto module = Module("m", 1);
  for (size_t i = 0; i <= Session::kMaxWaiting; ++i) {
    router_->RunCommand("m", Hello(), [](const command::Result&) {});
  }
  Command over;
  router_->RunCommand("m", Hello(), over.Callback());
  EXPECT_EQ(over.Get().retval, -EAGAIN);
  Remote call;
  router_->Call(Call("m", "x"), call.Callback());
  EXPECT_EQ(call.Get().reason, "QUEUE_FULL");
  module->Detach();
}

TEST_F(CallRouterTest, ACycleIsAnErrorThatShowsTheChain) {
  const auto a = Module("a");
  const auto b = Module("b");
  Command command;
  Remote to_b, to_a, back;
  router_->RunCommand("a", Hello(), command.Callback());
  const std::string first = a->link->Next(Case::kRunCommand).run_command().call_id();
  router_->Call(Call("b", "work", first), to_b.Callback());
  const std::string second = b->link->Next(Case::kCall).call().call_id();
  // Another method of a module in the chain is no cycle.
  router_->Call(Call("a", "other", second), to_a.Callback());
  const std::string third = a->link->Next(Case::kCall).call().call_id();
  router_->Call(Call("b", "work", third), back.Callback());
  EXPECT_EQ(back.Get().reason, "CALL_CYCLE");
  EXPECT_EQ(back.Get().status,
            absl::FailedPreconditionError("a call would come back to one that waits for it: "
                                          "a.hello -> b.work() -> a.other() -> b.work()"));
  Command again;
  command::Invocation invocation = Hello();
  invocation.parent_call = third;
  router_->RunCommand("a", invocation, again.Callback());
  EXPECT_EQ(again.Get().retval, -EDEADLK);
  EXPECT_THAT(again.Get().err, HasSubstr("a.hello -> b.work() -> a.other() -> a.hello"));
  a->Detach();
  b->Detach();
  // All have ended: the same ids mean nothing any more.
  const auto b2 = Module("b");
  Remote fresh;
  router_->Call(Call("b", "work", third), fresh.Callback());
  b2->link->Next(Case::kCall);
  b2->Detach();
  EXPECT_EQ(fresh.Get().reason, "MODULE_LOST");
}

TEST_F(CallRouterTest, AModuleThatIsBusyWithItsOwnCallersIsAnErrorAndNoDeadlock) {
  const auto a = Module("a", 1);
  const auto b = Module("b", 1);
  Remote first, second, third;
  router_->Call(Call("a", "one"), first.Callback());
  router_->Call(Call("b", "two", a->link->Next(Case::kCall).call().call_id()), second.Callback());
  router_->Call(Call("a", "three", b->link->Next(Case::kCall).call().call_id()), third.Callback());
  EXPECT_EQ(third.Get().reason, "CALL_CYCLE");
  EXPECT_EQ(third.Get().status,
            absl::FailedPreconditionError(
                "module 'a' works on at most 1 requests at once, and would wait for itself: "
                "a.one() -> b.two() -> a.three(); it needs a greater max_concurrency"));
  a->Detach();
  b->Detach();
}

TEST_F(CallRouterTest, TheDeadlineOfTheParentIsThatOfTheChild) {
  const auto module = Module("m");
  Command parent;
  Remote child;
  router_->RunCommand("m", Hello(internal::SteadyNow() + absl::Seconds(30)), parent.Callback());
  router_->Call(Call("m", "x", module->link->Next(Case::kRunCommand).run_command().call_id()),
                child.Callback());
  const v1::Call sent = module->link->Next(Case::kCall).call();
  EXPECT_TRUE(sent.has_timeout());
  EXPECT_LE(sent.timeout().seconds(), 30);
  EXPECT_GE(sent.timeout().seconds(), 10);
  module->Detach();
}

TEST_F(CallRouterTest, CancelEndsARunningCommand) {
  const auto module = Module("m");
  Command command;
  const auto ticket = router_->RunCommand("m", Hello(), command.Callback());
  const uint64_t id = module->link->Next(Case::kRunCommand).run_command().id();
  ticket->Cancel();
  EXPECT_EQ(command.Get().retval, -ECANCELED);
  EXPECT_EQ(module->link->Next(Case::kCancel).cancel().id(), id);
  ticket->Cancel();
  module->Detach();
}

TEST_F(CallRouterTest, WhatWasCancelledBeforeTheModuleCameNeverReachesIt) {
  Install("m");
  ASSERT_TRUE(manager->Enable("m").ok());
  Command command;
  const auto ticket = router_->RunCommand("m", Hello(), command.Callback());
  ticket->Cancel();
  FakeModule module(*manager, "m", NextProcess().token);
  ASSERT_TRUE(module.AttachAndServe());
  EXPECT_EQ(command.Get().retval, -ECANCELED);
  EXPECT_EQ(command.Get().err, "command \"hello\": cancelled by the caller");
  EXPECT_TRUE(module.link->Waiting().empty());
}

}  // namespace
}  // namespace outpost::module
