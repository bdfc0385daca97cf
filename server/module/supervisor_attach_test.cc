// Supervisor: who may attach, and what a refusal says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "server/module/supervisor_fixture.h"

namespace outpost::module {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Case = RecordingLink::Case;

class AttachTest : public SupervisorTest {
 protected:
  // Attaches, and gives what was said where that was refused: "REASON: message".
  std::string Refusal(FakeModule& module) {
    if (module.Attach()) return "";
    return absl::StrCat(module.refusal.reason, ": ", module.refusal.status.ToString());
  }
};

void AddCommand(FakeModule& module, const std::string& signature) {
  auto& command = *module.registration.add_commands();
  command.set_signature(signature);
  command.set_permissions("r");
}

TEST_F(AttachTest, AModuleStartedByHandIsThereAsLongAsItsSession) {
  StartManager();
  FakeModule module(*manager, "hand");
  AddCommand(module, "hand wave");
  module.registration.set_pid(4711);
  ASSERT_TRUE(module.Attach()) << module.refusal.status;
  EXPECT_FALSE(module.link->Next(Case::kConfigure).configure().has_orphan_grace());
  module.SendConfigured();
  module.SendServeStatus(v1::ServeStatus::STATE_RUNNING);
  const v1::ModuleInfo info = manager->Info("hand");
  EXPECT_EQ(info.state(), v1::MODULE_STATE_RUNNING);
  EXPECT_FALSE(info.supervised());
  EXPECT_FALSE(info.enabled());
  EXPECT_EQ(info.pid(), 4711);
  EXPECT_THAT(manager->commands().List("hand", false), SizeIs(1));
  EXPECT_EQ(manager->Restart("hand").status(),
            absl::FailedPreconditionError("module 'hand' was not started by this manager; start "
                                          "it again where it was started"));
  module.Detach();
  EXPECT_EQ(manager->Info("hand").name(), "") << "nothing of it stays";
  EXPECT_THAT(manager->commands().List("hand", false), IsEmpty());
}

TEST_F(AttachTest, NothingStaysOfNamesWithoutEnd) {
  StartManager([](SupervisorOptions& options) { options.registrations_per_second = 1000; });
  const size_t options = manager->config().List("", /*only_set=*/false).size();
  // Events of modules that were started by hand share a bound, and are written by and by.
  const auto other_keys = [&] {
    const auto all = manager->store().List("");
    return std::count_if(all.begin(), all.end(), [](const auto& entry) {
      return !absl::StartsWith(entry.first, "events/");
    });
  };
  const auto keys = other_keys();
  for (int i = 0; i < 50; ++i) {
    FakeModule module(*manager, absl::StrCat("passing", i));
    AddCommand(module, absl::StrCat("passing", i, " by"));
    ASSERT_TRUE(module.AttachAndServe()) << module.refusal.status;
    module.Detach();
  }
  EXPECT_THAT((*manager)->List(), IsEmpty());
  EXPECT_THAT(manager->commands().List("", true), IsEmpty());
  EXPECT_EQ(manager->config().List("", /*only_set=*/false).size(), options);
  EXPECT_EQ(other_keys(), keys);
}

TEST_F(AttachTest, OptionsOfNamesWithoutEndAreBounded) {
  const auto configure = [](SupervisorOptions& options) {
    options.registrations_per_second = 1000;
  };
  const auto come_and_go = [&](const std::string& name, const std::string& token = "") {
    FakeModule module(*manager, name, token);
    module.registration.add_options()->set_name("color");
    ASSERT_TRUE(module.AttachAndServe()) << module.refusal.status;
    module.Detach();
  };
  const auto knows = [&](const std::string& name) {
    return manager->config().Get(absl::StrCat("mgr/", name, "/color")).ok();
  };
  Install("own");
  StartManager(configure);
  ASSERT_TRUE(manager->Enable("own").ok());
  come_and_go("own", NextProcess().token);
  ASSERT_TRUE(manager->Disable("own").ok());
  come_and_go("set");
  absl::Notification set;
  manager->config().Set("mgr/set/color", "red", "client", [&](const auto& value) {
    EXPECT_TRUE(value.ok()) << value.status();
    set.Notify();
  });
  set.WaitForNotification();
  come_and_go("first");
  for (int i = 1; i < 100; ++i) come_and_go(absl::StrCat("passing", i));
  come_and_go("first");  // it is the last now
  EXPECT_TRUE(knows("passing1"));
  come_and_go("one_more");
  EXPECT_FALSE(knows("passing1"));
  for (const char* name : {"own", "set", "first", "passing2"}) EXPECT_TRUE(knows(name)) << name;
  // In the store as well, where writes are done in their order; and for what the next manager
  // finds.
  (*manager)->Stop();
  manager.reset();
  StartManager(configure);
  EXPECT_FALSE(knows("passing1"));
  EXPECT_TRUE(knows("first"));
  ASSERT_TRUE(manager->store().WriteAndWait({{}, {{"after", std::nullopt}}}).ok());
  EXPECT_THAT(manager->store().List("schema/"), SizeIs(102));
  for (int i = 0; i < 100; ++i) come_and_go(absl::StrCat("later", i));
  for (const char* name : {"own", "set", "later0"}) EXPECT_TRUE(knows(name)) << name;
  EXPECT_FALSE(knows("first"));
  ASSERT_TRUE(manager->store().WriteAndWait({{}, {{"after", std::nullopt}}}).ok());
  EXPECT_THAT(manager->store().List("schema/"), SizeIs(102));
}

TEST_F(AttachTest, AnOperatorMayDisableWhatWasStartedByHandAndLetItInAgain) {
  StartManager();
  FakeModule module(*manager, "hand");
  ASSERT_TRUE(module.AttachAndServe());
  EXPECT_EQ(manager->Disable("hand")->state(), v1::MODULE_STATE_DISABLED);
  EXPECT_EQ(module.link->closed(), absl::CancelledError("the grace is over"))
      << "it did not end by itself";
  FakeModule again(*manager, "hand");
  EXPECT_EQ(Refusal(again),
            "MODULE_DISABLED: FAILED_PRECONDITION: module 'hand' was disabled; `outpost module "
            "enable hand` lets it attach again");
  ASSERT_TRUE(manager->Enable("hand").ok());
  EXPECT_TRUE(again.AttachAndServe()) << again.refusal.status;
}

TEST_F(AttachTest, ANameBelongsToOne) {
  Install("hello");
  StartManager();
  FakeModule hand(*manager, "hand");
  ASSERT_TRUE(hand.AttachAndServe());
  FakeModule second(*manager, "hand");
  EXPECT_EQ(Refusal(second),
            "NAME_TAKEN: ALREADY_EXISTS: module 'hand' is running; end that one first, or register "
            "under another name");
  EXPECT_EQ(manager->Info("hand").state(), v1::MODULE_STATE_RUNNING);

  ASSERT_TRUE(manager->Enable("hello").ok());
  const StartedProcess process = NextProcess();
  FakeModule impostor(*manager, "hello");
  EXPECT_EQ(Refusal(impostor),
            absl::StrCat("NAME_TAKEN: ALREADY_EXISTS: module 'hello' is starting as process ",
                         process.pid,
                         "; end that one first (`outpost module disable hello`), or "
                         "register under another name"));
}

TEST_F(AttachTest, ATokenMustBeThatOfTheProcess) {
  Install("hello");
  StartManager();
  ASSERT_TRUE(manager->Enable("hello").ok());
  const StartedProcess process = NextProcess();
  const std::string refusal =
      "BAD_TOKEN: UNAUTHENTICATED: the token of module 'hello' is not that of a process of this "
      "manager's";
  FakeModule guesser(*manager, "hello", std::string(64, '0'));
  EXPECT_EQ(Refusal(guesser), refusal);
  FakeModule other_name(*manager, "other", process.token);
  EXPECT_THAT(Refusal(other_name), HasSubstr("BAD_TOKEN"));
  FakeModule right(*manager, "hello", process.token);
  EXPECT_EQ(Refusal(right), "");
  // Of a process that has ended it is worth nothing.
  ASSERT_TRUE(manager->Disable("hello").ok());
  FakeModule late(*manager, "hello", process.token);
  EXPECT_EQ(Refusal(late), refusal);
}

TEST_F(AttachTest, ABadRegisterNamesTheField) {
  StartManager();
  FakeModule no_name(*manager, "");
  EXPECT_THAT(Refusal(no_name), HasSubstr("BAD_REGISTER: INVALID_ARGUMENT: module name \"\""));
  FakeModule reserved(*manager, "manager");
  EXPECT_EQ(Refusal(reserved),
            "BAD_REGISTER: INVALID_ARGUMENT: module name \"manager\": the "
            "manager itself uses it; choose another");
  FakeModule command(*manager, "m");
  AddCommand(command, "m do name=x,type=CephNoSuchType");
  EXPECT_THAT(Refusal(command), HasSubstr("BAD_REGISTER: INVALID_ARGUMENT: "));
  EXPECT_THAT(Refusal(command), HasSubstr("CephNoSuchType"));
  FakeModule option(*manager, "m");
  AddCommand(option, "m do");
  option.registration.add_options()->set_name("bad/name");
  EXPECT_THAT(Refusal(option), HasSubstr("BAD_REGISTER: INVALID_ARGUMENT: "));
  EXPECT_THAT(Refusal(option), HasSubstr("bad/name"));
  EXPECT_THAT(manager->commands().List("m", false), IsEmpty());
  EXPECT_EQ(manager->Info("m").name(), "");
  FakeModule many(*manager, "m");
  for (int i = 0; i < 4097; ++i) AddCommand(many, absl::StrCat("m do", i));
  EXPECT_EQ(Refusal(many),
            "BAD_REGISTER: INVALID_ARGUMENT: Register of module 'm' has 4097 "
            "commands and 0 options; at most 4096 and 4096 are allowed");
}

TEST_F(AttachTest, AnotherProtocolIsRefused) {
  StartManager();
  FakeModule future(*manager, "future");
  future.registration.clear_protocol_versions();
  future.registration.add_protocol_versions(2);
  EXPECT_EQ(Refusal(future),
            "PROTOCOL_VERSION: FAILED_PRECONDITION: module 'future' does not speak version 1 of "
            "the protocol, the only one that this manager speaks; use an SDK of the manager's "
            "release");
}

TEST_F(AttachTest, ACommandBelongsToOneModuleAndTheLoserSaysSo) {
  Install("loser", "while [ ! -e end ]; do sleep 0.02; done; exit 2");
  StartManager([](auto& options) {
    options.policy.first_backoff = options.policy.max_backoff = absl::Hours(1);
  });
  FakeModule first(*manager, "first");
  AddCommand(first, "do it");
  ASSERT_TRUE(first.AttachAndServe());

  ASSERT_TRUE(manager->Enable("loser").ok());
  FakeModule second(*manager, "loser", NextProcess().token);
  AddCommand(second, "do it");
  const std::string refusal = Refusal(second);
  EXPECT_THAT(refusal, HasSubstr("COMMAND_TAKEN: ALREADY_EXISTS: "));
  EXPECT_THAT(refusal, HasSubstr("first"));
  EXPECT_EQ(manager->commands().List("do", false)[0]->provider.module, "first");
  // `module ls` says why it does not run.
  std::ofstream(scratch.File("modules/loser/end")).flush();
  ASSERT_TRUE(manager->AwaitState("loser", v1::MODULE_STATE_BACKOFF));
  EXPECT_EQ(manager->Info("loser").reason(),
            absl::StrCat("ended with exit status 2 after it was refused: ",
                         std::string(second.refusal.status.message())));
}

TEST_F(AttachTest, ARefusedSecondRegisterLeavesTheFirstSessionAlone) {
  Install("hello");
  StartManager();
  FakeModule other(*manager, "other");
  AddCommand(other, "other do");
  ASSERT_TRUE(other.AttachAndServe());
  ASSERT_TRUE(manager->Enable("hello").ok());
  const StartedProcess process = NextProcess();
  FakeModule first(*manager, "hello", process.token);
  AddCommand(first, "hello");
  ASSERT_TRUE(first.AttachAndServe());

  FakeModule taken(*manager, "hello", process.token);
  AddCommand(taken, "other do");
  EXPECT_THAT(Refusal(taken), HasSubstr("COMMAND_TAKEN"));
  FakeModule bad_option(*manager, "hello", process.token);
  AddCommand(bad_option, "hello new");
  bad_option.registration.add_options()->set_name("bad/name");
  EXPECT_THAT(Refusal(bad_option), HasSubstr("BAD_REGISTER"));

  EXPECT_FALSE(first.link->closed());
  EXPECT_TRUE((*manager)->IsRunning("hello"));
  const auto commands = manager->commands().List("hello", false);
  ASSERT_THAT(commands, SizeIs(1)) << "as they were";
  EXPECT_EQ(commands[0]->signature.prefix(), "hello");
}

TEST_F(AttachTest, ANewerSessionOfTheSameProcessTakesThePlaceOfTheOlder) {
  Install("hello");
  StartManager();
  ASSERT_TRUE(manager->Enable("hello").ok());
  const StartedProcess process = NextProcess();
  FakeModule first(*manager, "hello", process.token);
  ASSERT_TRUE(first.AttachAndServe());
  absl::Status ended;
  v1::AttachResponse request;
  request.mutable_run_command()->set_prefix("x");
  first.session->Start(request, "x", absl::InfiniteFuture(),
                       [&](const Session::Answer& answer) { ended = answer.status(); });
  FakeModule second(*manager, "hello", process.token);
  ASSERT_TRUE(second.AttachAndServe()) << second.refusal.status;
  EXPECT_EQ(first.link->closed(), absl::AbortedError("replaced by a newer session"));
  EXPECT_THAT(ended.ToString(), HasSubstr("module hello has attached again before it answered"));
  EXPECT_EQ((*manager)->FindByKey(first.session->key()), nullptr);
  EXPECT_EQ((*manager)->FindByKey(second.session->key()), second.session);
  first.Detach();  // noticed late: nothing of the new one's
  first.SendServeStatus(v1::ServeStatus::STATE_FAILED, "old news");
  EXPECT_EQ(manager->Info("hello").state(), v1::MODULE_STATE_RUNNING);
  EXPECT_EQ(manager->Info("hello").pid(), process.pid);
}

TEST_F(AttachTest, NobodyIsLetInWhileItIsBeingEnded) {
  Install("hello", "trap '' TERM; while :; do sleep 0.05; done");
  StartManager([](auto& options) { options.policy.shutdown_grace = absl::Milliseconds(700); });
  ASSERT_TRUE(manager->Enable("hello").ok());
  const StartedProcess process = NextProcess();
  FakeModule module(*manager, "hello", process.token);
  ASSERT_TRUE(module.Attach());
  module.SendConfigured("no database");
  EXPECT_EQ(manager->Info("hello").state(), v1::MODULE_STATE_STOPPING);
  // It may not escape by attaching again, or by saying that it runs after all.
  module.SendServeStatus(v1::ServeStatus::STATE_RUNNING);
  FakeModule again(*manager, "hello", process.token);
  EXPECT_EQ(Refusal(again),
            ": UNAVAILABLE: module 'hello' is being ended: can't be set up: no database");
  EXPECT_TRUE(AwaitEnd(process.pid));
  EXPECT_TRUE(manager->AwaitState("hello", v1::MODULE_STATE_STARTING));

  const StartedProcess next = NextProcess();
  (*manager)->Disable("hello", "client", [](auto) {});
  ASSERT_TRUE(manager->AwaitState("hello", v1::MODULE_STATE_STOPPING));
  FakeModule stopping(*manager, "hello", next.token);
  EXPECT_EQ(Refusal(stopping),
            "MODULE_DISABLED: FAILED_PRECONDITION: module 'hello' is being stopped");
  (*manager)->Stop();
  FakeModule late(*manager, "late");
  EXPECT_EQ(Refusal(late), ": UNAVAILABLE: the manager stops");
}

}  // namespace
}  // namespace outpost::module
