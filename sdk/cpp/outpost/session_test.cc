// A module and a manager over a real socket: what is sent when, what comes back,
// and what happens when either goes away.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <stdexcept>

#include "absl/synchronization/notification.h"
#include "outpost/everything_module.h"
#include "outpost/testing/fake_manager.h"
#include "outpost/testing/running_module.h"

namespace outpost {
namespace {

using ::testing::ElementsAre;
using testing::FakeManager;
using ::testing::HasSubstr;
using testing::kPatience;
using testing::RunningModule;

using SessionTest = AttachedTest;

TEST_F(SessionTest, RegistersWhatTheConstructorDeclared) {
  const v1::Register r = manager_->registration();
  EXPECT_EQ(r.name(), "tested");
  EXPECT_EQ(r.version(), "7");
  EXPECT_THAT(r.sdk(), HasSubstr("outpost-cpp"));
  EXPECT_THAT(r.protocol_versions(), ElementsAre(1));
  EXPECT_EQ(r.commands(0).signature(),
            "every echo name=text,type=CephString "
            "name=num,type=CephInt,range=0|10,req=false "
            "name=factor,type=CephFloat,req=false");
  EXPECT_EQ(r.commands(0).permissions(), "rw");
  EXPECT_EQ(r.commands(0).description(), "Give back the arguments");
  ASSERT_EQ(r.options_size(), 6);
  EXPECT_EQ(r.options(0).name(), "log_level");
  EXPECT_EQ(r.options(4).name(), "times");
  EXPECT_EQ(r.options(4).type(), v1::OPTION_TYPE_INT);
  EXPECT_EQ(r.options(4).default_value(), "1");
  EXPECT_EQ(r.options(4).min(), "1");
  EXPECT_EQ(r.options(4).max(), "9");
  EXPECT_EQ(r.options(5).type(), v1::OPTION_TYPE_SECS);
  EXPECT_FALSE(r.options(5).has_default_value());
  EXPECT_THAT(r.notify_types(), ElementsAre("osd_map", "clog", "command"));
  EXPECT_THAT(r.methods(), ElementsAre("add", "refuse", "self_test"));
  EXPECT_TRUE(r.can_run());
  EXPECT_TRUE(r.has_serve());
  EXPECT_EQ(r.max_concurrency(), 2);
  EXPECT_EQ(r.pid(), getpid());
  EXPECT_EQ(manager_->configured_error(), "");
  EXPECT_TRUE(module().started_.HasBeenNotified());
  EXPECT_EQ(module().Name(), "tested");
  EXPECT_EQ(module().MgrId(), "x");
}

TEST_F(SessionTest, CommandGetsTypedArgumentsAndInput) {
  const CommandResult with_defaults =
      manager_->RunCommand({{"prefix", "every echo"}, {"text", "hi"}});
  EXPECT_EQ(with_defaults.retval, 0);
  EXPECT_EQ(with_defaults.out, "hi 3 0.5 (none) user/admin");
  EXPECT_EQ(with_defaults.err, "a note");
  const CommandResult full = manager_->RunCommand(
      {{"prefix", "every echo"}, {"text", "hi"}, {"num", 9}, {"factor", 2}}, "in");
  EXPECT_EQ(full.out, "hi 9 2 in user/admin");
  const CommandResult empty_input =
      manager_->RunCommand({{"prefix", "every echo"}, {"text", "hi"}}, "");
  EXPECT_EQ(empty_input.out, "hi 3 0.5  user/admin");
}

TEST_F(SessionTest, CommandThatFailsSaysHow) {
  const CommandResult missing = manager_->RunCommand({{"prefix", "every echo"}});
  EXPECT_EQ(missing.retval, -EINVAL);
  EXPECT_EQ(missing.err, "missing required parameter text");
  const CommandResult type =
      manager_->RunCommand({{"prefix", "every echo"}, {"text", "x"}, {"num", "y"}});
  EXPECT_EQ(type.retval, -EINVAL);
  EXPECT_EQ(type.err, "argument num: \"y\" is not an integer");
  const CommandResult range =
      manager_->RunCommand({{"prefix", "every echo"}, {"text", "x"}, {"num", 11}});
  EXPECT_EQ(range.err, "argument num: 11 not in range [0, 10]");
  const CommandResult status = manager_->RunCommand({{"prefix", "every fail"}});
  EXPECT_EQ(status.retval, -ENOENT);
  EXPECT_EQ(status.err, "there is no such thing");
  const CommandResult thrown = manager_->RunCommand({{"prefix", "every throw"}});
  EXPECT_EQ(thrown.retval, -EINVAL);
  EXPECT_THAT(thrown.err, HasSubstr("boom"));
  EXPECT_TRUE(manager_->WaitForLog("boom"));
  const CommandResult unknown = manager_->RunCommand({{"prefix", "no such"}});
  EXPECT_EQ(unknown.retval, -EINVAL);
  EXPECT_EQ(unknown.err, "No handler found for 'no such'");
}

TEST_F(SessionTest, OutputThatIsNotUtf8ArrivesWhole) {
  EXPECT_EQ(manager_->RunCommand({{"prefix", "every bytes"}}).out, std::string("a\xff\0z", 4));
}

TEST_F(SessionTest, AtMostMaxConcurrencyCommandsRunAtOnce) {
  std::vector<uint64_t> ids;
  ids.reserve(4);
  for (int i = 0; i < 4; ++i) ids.push_back(manager_->StartCommand({{"prefix", "every block"}}));
  // Two block both threads: whoever is answered now did not need one.
  EXPECT_TRUE(manager_->Ping());
  ASSERT_TRUE(module().running_.AwaitAtLeast(2));
  module().release_.Notify();
  for (uint64_t id : ids) EXPECT_EQ(manager_->AwaitCommand(id).out, "released");
  EXPECT_EQ(module().running_.most(), 2);
}

TEST_F(SessionTest, CancelReachesTheHandlerAndIsAnswered) {
  const uint64_t id = manager_->StartCommand({{"prefix", "every block"}});
  ASSERT_TRUE(module().running_.AwaitAtLeast(1));
  manager_->CancelCommand(id);
  EXPECT_EQ(manager_->AwaitCommand(id).out, "cancelled");
}

TEST_F(SessionTest, CommandWhoseTimeIsOverIsNotRun) {
  const CommandResult late = manager_->RunCommand({{"prefix", "every echo"}, {"text", "x"}},
                                                  std::nullopt, absl::ZeroDuration());
  EXPECT_EQ(late.retval, -ETIMEDOUT);
}

TEST_F(SessionTest, DrainedComesAfterTheLastAnswer) {
  const uint64_t id = manager_->StartCommand({{"prefix", "every block"}});
  ASSERT_TRUE(module().running_.AwaitAtLeast(1));
  module().release_.Notify();
  EXPECT_TRUE(manager_->Drain());
  EXPECT_EQ(manager_->AwaitCommand(id).retval, 0);
  EXPECT_TRUE(manager_->Drain());  // nothing in hand
}

TEST_F(SessionTest, MethodsAnswerAndFail) {
  EXPECT_EQ(manager_->CallMethod("add", {1, 2}, {{"third", 4}}).result_json(), "7");
  const v1::CallResult refused = manager_->CallMethod("refuse");
  EXPECT_EQ(refused.error().kind(), "RAISED");
  EXPECT_EQ(refused.error().type(), "PERMISSION_DENIED");
  EXPECT_EQ(refused.error().message(), "not you");
  const v1::CallResult unknown = manager_->CallMethod("subtract");
  EXPECT_EQ(unknown.error().kind(), "METHOD_NOT_FOUND");
  EXPECT_EQ(unknown.error().message(),
            "there is no method \"subtract\", only add, refuse, self_test");
  const v1::CallResult thrown = manager_->CallMethod("add", Json::array());
  EXPECT_EQ(thrown.error().kind(), "RAISED");
}

TEST_F(SessionTest, NotificationsArriveAndAreAcknowledged) {
  ASSERT_TRUE(manager_->WaitForSubscriber());
  manager_->SetStructure("osd_map", {{"epoch", 1}});
  EXPECT_TRUE(module().AwaitNotified(
      [](const Notification& n) { return n.type == "osd_map" && n.version == 1; }));
  manager_->SetStructure("osd_map", {{"epoch", 2}});
  EXPECT_TRUE(module().AwaitNotified(
      [](const Notification& n) { return n.type == "osd_map" && n.version == 2; }));
  manager_->PublishEvent("clog", "7", {{"message", "m"}});
  EXPECT_TRUE(module().AwaitNotified([](const Notification& n) {
    return n.type == "clog" && n.id == "7" && n.payload == R"({"message":"m"})";
  }));
  EXPECT_TRUE(manager_->WaitForAcks());
}

TEST_F(SessionTest, ServeRunsUntilShutdown) {
  EXPECT_EQ(manager_->Serve()->state(), v1::ServeStatus::STATE_RUNNING);
  ASSERT_TRUE(module().serving_.AwaitAtLeast(1));
  manager_->Shutdown(kPatience);
  EXPECT_EQ(module_->Wait(), 0);
  EXPECT_EQ(module().serving_.now(), 0);
  EXPECT_TRUE(module().shut_down_);
  EXPECT_TRUE(manager_->WaitForGoodbye());
}

TEST_F(SessionTest, SignalEndsItToo) {
  EXPECT_EQ(manager_->Serve()->state(), v1::ServeStatus::STATE_RUNNING);
  EXPECT_EQ(module_->Stop(), 0);
  EXPECT_TRUE(manager_->WaitForGoodbye());
}

TEST_F(SessionTest, AttachesAgainAfterACrashAndCatchesUp) {
  ASSERT_TRUE(manager_->Serve());
  ASSERT_TRUE(manager_->WaitForSubscriber());
  ASSERT_TRUE(module().SetHealthChecks({{.code = "EVERY_WARN", .summary = "s"}}).ok());
  ASSERT_TRUE(manager_->WaitForHealthCheck("EVERY_WARN"));
  manager_->SetStructure("osd_map", {{"epoch", 1}});
  ASSERT_TRUE(module().Get("osd_map").ok());
  manager_->Crash();
  // What is kept may be used until the module has noticed.
  const absl::Time deadline = absl::Now() + testing::kPatience;
  while (module().Get("osd_map").ok()) ASSERT_LT(absl::Now(), deadline);
  EXPECT_TRUE(absl::IsUnavailable(module().Get("osd_map").status()));
  ASSERT_TRUE(manager_->SetOption("times", "8").ok());  // while the module can't hear it
  manager_->Restart();
  ASSERT_TRUE(manager_->WaitForModule());
  EXPECT_EQ(manager_->attach_count(), 2);
  EXPECT_EQ(manager_->registration().name(), "tested");
  EXPECT_TRUE(module().AwaitChanged("times=8"));
  EXPECT_TRUE(manager_->WaitForHealthCheck("EVERY_WARN"));
  EXPECT_TRUE(module().AwaitNotified(
      [](const Notification& n) { return n.type == "osd_map" && n.after_reattach; }));
  ASSERT_TRUE(manager_->WaitForSubscriber());
  EXPECT_EQ(module().Get("osd_map")->version(), 1);
  EXPECT_EQ(manager_->Serve()->state(), v1::ServeStatus::STATE_RUNNING);
  EXPECT_EQ(module().serving_.now(), 1);
  EXPECT_EQ(module().serving_.entered(), 1);  // it never ended
  EXPECT_EQ(manager_->RunCommand({{"prefix", "every echo"}, {"text", "x"}}).retval, 0);
  EXPECT_TRUE(manager_->WaitForLog("attached again"));
}

TEST_F(SessionTest, WorkInHandIsCancelledWhenTheSessionBreaks) {
  manager_->StartCommand({{"prefix", "every block"}});
  ASSERT_TRUE(module().running_.AwaitAtLeast(1));
  manager_->BreakSession();
  module().release_.WaitForNotification();  // the handler's stop_callback opens it
  ASSERT_TRUE(manager_->WaitForModule());
  EXPECT_EQ(manager_->RunCommand({{"prefix", "every echo"}, {"text", "x"}}).retval, 0);
}

TEST_F(SessionTest, ASubscriptionThatEndsIsMadeAgain) {
  ASSERT_TRUE(manager_->WaitForSubscriber());
  manager_->BreakSession();
  ASSERT_TRUE(manager_->WaitForModule());
  ASSERT_TRUE(manager_->WaitForSubscriber());
  manager_->PublishEvent("clog", "after", {});
  EXPECT_TRUE(module().AwaitNotified([](const Notification& n) { return n.id == "after"; }));
}

TEST_F(SessionTest, RefusalsEndIt) {
  manager_->Refuse(absl::AlreadyExistsError("another process is tested"), "NAME_TAKEN");
  manager_->BreakSession();
  EXPECT_EQ(module_->Wait(), 78);
  EXPECT_TRUE(module().shut_down_);
}

TEST_F(SessionTest, AStandbyManagerIsAskedAgain) {
  manager_->Refuse(absl::UnavailableError("x is a standby"), "NOT_ACTIVE");
  manager_->BreakSession();
  ASSERT_TRUE(manager_->WaitForRefusal());
  manager_->Refuse(absl::OkStatus(), "");
  EXPECT_TRUE(manager_->WaitForModule());
}

// Serve and Start that end in every way.
class Fragile : public Module {
 public:
  Fragile() : Module({}) {}
  static absl::Status CanRun() { return can_run; }
  absl::Status Start() override { return start; }
  absl::Status Serve(ServeContext&) override {
    if (throws) throw std::runtime_error("serve went wrong");
    return serve;
  }
  static inline absl::Status can_run, start, serve;
  static inline std::atomic<bool> throws = false;
};

class FragileTest : public ::testing::Test {
 protected:
  FragileTest() {
    Fragile::can_run = Fragile::start = Fragile::serve = absl::OkStatus();
    Fragile::throws = false;
  }
  std::unique_ptr<FakeManager> manager_ = FakeManager::Start();
};

TEST_F(FragileTest, ServeThatReturnsIsFine) {
  RunningModule<Fragile> module(manager_->address());
  ASSERT_TRUE(manager_->WaitForModule());
  manager_->Serve();
  EXPECT_TRUE(manager_->WaitForServeStatus(v1::ServeStatus::STATE_RETURNED));
  EXPECT_EQ(module.Stop(), 0);
}

TEST_F(FragileTest, ServeThatFailsOrThrowsIsTold) {
  Fragile::serve = absl::InternalError("no disk");
  RunningModule<Fragile> module(manager_->address());
  ASSERT_TRUE(manager_->WaitForModule());
  manager_->Serve();
  EXPECT_EQ(manager_->WaitForServeStatus(v1::ServeStatus::STATE_FAILED)->error(), "no disk");
  Fragile::throws = true;
  manager_->Serve();  // once more
  EXPECT_TRUE(manager_->WaitForLog("Serve failed: serve went wrong"));
}

TEST_F(FragileTest, StartThatFailsIsTold) {
  Fragile::start = absl::InternalError("no licence");
  RunningModule<Fragile> module(manager_->address());
  EXPECT_TRUE(manager_->WaitForLog("no licence"));
  EXPECT_EQ(manager_->configured_error(), "no licence");
  manager_->Shutdown(kPatience);
  EXPECT_EQ(module.Wait(), 0);
}

TEST_F(FragileTest, AModuleThatCannotRunStaysAttached) {
  Fragile::can_run = absl::UnavailableError("libhello is missing");
  RunningModule<Fragile> module(manager_->address());
  ASSERT_TRUE(manager_->WaitForModule());
  EXPECT_FALSE(manager_->registration().can_run());
  EXPECT_EQ(manager_->registration().can_run_error(), "libhello is missing");
}

// A module without anything.
class Bare : public Module {
 public:
  Bare() : Module({}) {}
  using Module::Get;
};

TEST(BareTest, HasNoServeAndAnswersServeAtOnce) {
  const auto manager = FakeManager::Start();
  RunningModule<Bare> module(manager->address());
  ASSERT_TRUE(manager->WaitForModule());
  EXPECT_FALSE(manager->registration().has_serve());
  EXPECT_EQ(manager->Serve()->state(), v1::ServeStatus::STATE_RUNNING);
}

TEST(BareTest, CallsInTheConstructorAreRefusedWithAHint) {
  Bare module;
  const absl::Status status = module.Get("osd_map").status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(status.message(), HasSubstr("constructor"));
}

TEST(BareTest, WaitsForAManagerAndEndsOnASignal) {
  RunningModule<Bare> module("unix:/nonexistent/outpost.sock");
  EXPECT_EQ(module.Stop(), 0);
}

TEST(BareTest, EndsWhenNoManagerComesBackInTime) {
  auto manager = FakeManager::Start({.orphan_grace = absl::Milliseconds(100)});
  RunningModule<Bare> module(manager->address());
  ASSERT_TRUE(manager->WaitForModule());
  manager->Crash();
  EXPECT_EQ(module.Wait(), 75);
}

class Twice : public Module {
 public:
  Twice() : Module({}) {
    commands().Add("same").Handle([] { return CommandResult::Ok(); });
    commands().AddRaw("same name=x,type=CephString", "", "r",
                      [](const CommandContext&, const Json&) { return CommandResult::Ok(); });
  }
};

TEST(BareTest, DeclarationsThatAreWrongEndIt) {
  const auto manager = FakeManager::Start();
  RunningModule<Twice> module(manager->address());
  EXPECT_EQ(module.Wait(), 78);
  EXPECT_EQ(module.message(), "command \"same\" is declared twice");
}

class WrongOption : public Module {
 public:
  WrongOption() : Module({}) { options().Add<int64_t>("n", 5, "", {.min = 7}); }
};

class WrongMethod : public Module {
 public:
  WrongMethod() : Module({}) {
    methods().Add("self_test", [](const Json&, const Json&) { return Json(); });
  }
};

TEST(BareTest, OptionsAndMethodsThatAreWrongEndItToo) {
  const auto manager = FakeManager::Start();
  RunningModule<WrongOption> option(manager->address());
  EXPECT_EQ(option.Wait(), 78);
  EXPECT_EQ(option.message(), "option \"n\": its default, 5, is not between its min and max");
  RunningModule<WrongMethod> method(manager->address());
  EXPECT_EQ(method.Wait(), 78);
  EXPECT_EQ(method.message(), "method \"self_test\" is declared twice");
}

}  // namespace
}  // namespace outpost
