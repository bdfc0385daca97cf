// Supervisor: a new process takes over from one that runs, or does not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "server/module/supervisor_fixture.h"

namespace outpost::module {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using Case = RecordingLink::Case;

class UpgradeTest : public SupervisorTest {
 protected:
  // Before what its callbacks write to.
  ~UpgradeTest() override { manager.reset(); }

  void StartHello() {
    Install("hello");
    StartManager();
    old = StartModule("hello");
    old_pid = static_cast<pid_t>(manager->Info("hello").pid());
  }
  void Upgrade(const std::string& path = "") {
    (*manager)->Upgrade("hello", path, "client", absl::InfiniteDuration(),
                        [this](absl::StatusOr<v1::ModuleInfo> info) {
                          outcome = std::move(info);
                          over.Notify();
                        });
  }
  // The new process attaches and is configured.
  void AttachNext() {
    next = std::make_unique<FakeModule>(*manager, "hello", NextProcess().token);
    ASSERT_TRUE(next->Attach()) << next->refusal.status;
    next->link->Next(Case::kConfigure);
  }
  // Runs a command of the module's; gives where it came.
  void Run(std::function<void(Session::Answer)> callback = [](const auto&) {}) {
    (*manager)->WhenRunning("hello", absl::InfiniteFuture(), [&](auto session) {
      ASSERT_TRUE(session.ok()) << session.status();
      v1::AttachResponse run;
      run.mutable_run_command()->set_prefix("hello");
      (*session)->Start(run, "command \"hello\"", absl::InfiniteFuture(), std::move(callback));
    });
  }
  static void Answer(FakeModule& module, const v1::AttachResponse& run) {
    v1::AttachRequest answer;
    answer.mutable_command_result()->set_id(run.run_command().id());
    answer.mutable_command_result()->mutable_result()->set_stdout("done");
    module.session->HandleAnswer(run.run_command().id(), answer);
  }

  std::unique_ptr<FakeModule> old;
  std::unique_ptr<FakeModule> next;
  pid_t old_pid = 0;
  absl::Notification over;
  absl::StatusOr<v1::ModuleInfo> outcome;
};

TEST_F(UpgradeTest, CommandsGoToTheNewProcessWhileTheOldOneDrains) {
  StartHello();
  bool first_answered = false;
  Run([&](const auto& answer) { first_answered = answer.ok(); });
  const v1::AttachResponse first = old->link->Next(Case::kRunCommand);
  bool second_answered = false;
  Run([&](const auto& answer) { second_answered = answer.ok(); });  // waits: one at a time
  Upgrade();
  AttachNext();
  next->SendConfigured();
  old->link->Next(Case::kDrain);
  const v1::AttachResponse second = next->link->Next(Case::kRunCommand);
  EXPECT_NE(second.run_command().id(), first.run_command().id());
  EXPECT_NE(manager->Info("hello").pid(), old_pid);
  EXPECT_EQ(manager->Info("hello").state(), v1::MODULE_STATE_RUNNING);
  EXPECT_THAT(manager->Info("hello").reason(), HasSubstr("which this one took over from"));
  Answer(*next, second);
  EXPECT_TRUE(second_answered);
  Run();
  next->link->Next(Case::kRunCommand);
  Answer(*old, first);
  EXPECT_TRUE(first_answered);
  EXPECT_THAT(next->link->Waiting(), testing::Not(testing::Contains(Case::kServe)));

  old->SendDrained();
  old->link->Next(Case::kShutdown);
  EXPECT_FALSE(over.HasBeenNotified());
  kill(old_pid, SIGTERM);
  over.WaitForNotification();
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->reason(), "");
  EXPECT_EQ(outcome->restarts(), 0u);
  next->link->Next(Case::kServe);
  next->SendServeStatus(v1::ServeStatus::STATE_RUNNING);
  EXPECT_TRUE((*manager)->IsRunning("hello"));
}

TEST_F(UpgradeTest, ASessionThatWasFoundBeforeTheChangeLeadsToTheNewProcess) {
  StartHello();
  std::shared_ptr<Session> found;
  (*manager)->WhenRunning("hello", absl::InfiniteFuture(), [&](auto s) { found = *s; });
  Upgrade();
  AttachNext();
  next->SendConfigured();
  v1::AttachResponse run;
  run.mutable_run_command()->set_prefix("late");
  bool cancelled = false;
  const RequestId id =
      found->Start(run, "command \"late\"", absl::InfiniteFuture(),
                   [&](const auto& answer) { cancelled = absl::IsCancelled(answer.status()); });
  EXPECT_EQ(next->link->Next(Case::kRunCommand).run_command().prefix(), "late");
  found->Cancel(id);
  EXPECT_TRUE(cancelled);
  EXPECT_EQ(next->link->Next(Case::kCancel).cancel().id(), id);
}

TEST_F(UpgradeTest, ANewProcessThatIsNotReadyInTimeIsRolledBack) {
  Install("hello");
  StartManager([](auto& options) {
    options.module_settings = {{"hello", {"ready-timeout", {"0.5"}}}};
  });
  old = StartModule("hello");
  Upgrade();
  const pid_t second = NextProcess().pid;
  over.WaitForNotification();
  EXPECT_EQ(outcome.status(),
            absl::AbortedError("module 'hello' was not upgraded: the new process did not get ready "
                               "in 500ms; the old one goes on"));
  EXPECT_TRUE(AwaitEnd(second));
  Run();
  old->link->Next(Case::kRunCommand);
}

TEST_F(UpgradeTest, ANewProcessThatEndsIsRolledBackWithItsLastWords) {
  StartHello();
  const std::string other = scratch.File("other");
  std::filesystem::create_directory(other);
  std::ofstream(other + "/module.toml")
      << "argv = [\"/bin/sh\", \"-c\", \"echo no coffee; exit 3\"]\n";
  Upgrade(other);
  over.WaitForNotification();
  EXPECT_EQ(outcome.status(),
            absl::AbortedError("module 'hello' was not upgraded: the new process ended with exit "
                               "status 3: no coffee; the old one goes on"));
  EXPECT_EQ(manager->Info("hello").pid(), old_pid);
  EXPECT_EQ(manager->Info("hello").path(), scratch.File("modules/hello"));
  EXPECT_TRUE((*manager)->IsRunning("hello"));
}

TEST_F(UpgradeTest, ANewProcessThatCannotBeSetUpIsRolledBack) {
  StartHello();
  Upgrade();
  AttachNext();
  next->SendConfigured("no bean");
  over.WaitForNotification();
  EXPECT_THAT(std::string(outcome.status().message()), HasSubstr("can't be set up: no bean"));
  EXPECT_TRUE(next->link->closed().has_value());
  Run();
  old->link->Next(Case::kRunCommand);
}

TEST_F(UpgradeTest, WhatCannotBeUpgradedIsToldWhy) {
  Install("hello");
  StartManager();
  Upgrade();
  over.WaitForNotification();
  EXPECT_THAT(std::string(outcome.status().message()), StartsWith("module 'hello' is not enabled"));
  ASSERT_TRUE(manager->Enable("hello").ok());
  absl::Status second;
  (*manager)->Upgrade("hello", "", "client", absl::InfiniteDuration(),
                      [&](auto info) { second = info.status(); });
  EXPECT_THAT(std::string(second.message()), StartsWith("module 'hello' is starting: "));
}

TEST_F(UpgradeTest, TheNewDirectoryIsKeptOverARestartOfTheManager) {
  StartHello();
  const std::string other = scratch.File("hello-2");
  std::filesystem::copy(scratch.File("modules/hello"), other);
  Upgrade(other);
  AttachNext();
  next->SendConfigured();
  old->SendDrained();
  old->link->Next(Case::kShutdown);
  kill(old_pid, SIGTERM);
  over.WaitForNotification();
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->path(), other);
  const auto pid = outcome->pid();
  CrashManager();
  StartManager();
  EXPECT_EQ(manager->Info("hello").pid(), pid);
  EXPECT_EQ(manager->Info("hello").path(), other);
}

TEST_F(UpgradeTest, OneWhoseDirectoryIsGoneIsStartedFromAnother) {
  StartHello();
  const std::string other = scratch.File("hello-2");
  std::filesystem::copy(scratch.File("modules/hello"), other);
  Upgrade(other);
  AttachNext();
  next->SendConfigured();
  const auto pid = static_cast<pid_t>(manager->Info("hello").pid());
  kill(old_pid, SIGKILL);
  over.WaitForNotification();
  std::filesystem::remove_all(other);
  CrashManager();
  kill(pid, SIGKILL);
  ASSERT_TRUE(AwaitEnd(pid));
  StartManager();
  ASSERT_TRUE(manager->AwaitState("hello", v1::MODULE_STATE_FAILED));
  EXPECT_THAT(manager->Info("hello").reason(), StartsWith(other + ": there is no module"));

  absl::Notification started;
  (*manager)->Upgrade("hello", scratch.File("modules/hello"), "client", absl::InfiniteDuration(),
                      [&](const absl::StatusOr<v1::ModuleInfo>& info) {
                        EXPECT_TRUE(info.ok()) << info.status();
                        started.Notify();
                      });
  FakeModule back(*manager, "hello", NextProcess().token);
  ASSERT_TRUE(back.AttachAndServe()) << back.refusal.status;
  started.WaitForNotification();
  EXPECT_EQ(manager->Info("hello").path(), scratch.File("modules/hello"));
}

TEST_F(UpgradeTest, WhatAnUpgradeLeavesWhenTheManagerCrashesIsEnded) {
  StartHello();
  Upgrade();
  const pid_t second = NextProcess().pid;
  CrashManager();
  StartManager();
  EXPECT_TRUE(AwaitEnd(second));
  EXPECT_EQ(manager->Info("hello").pid(), old_pid);
}

TEST_F(UpgradeTest, DisableEndsBoth) {
  StartHello();
  Upgrade();
  const pid_t second = NextProcess().pid;
  std::thread ending([&] {
    old->link->Next(Case::kDrain);
    old->SendDrained();
    old->link->Next(Case::kShutdown);
    kill(old_pid, SIGTERM);
  });
  ASSERT_TRUE(manager->Disable("hello").ok());
  ending.join();
  EXPECT_TRUE(AwaitEnd(second));
  EXPECT_TRUE(AwaitEnd(old_pid));
  over.WaitForNotification();
  EXPECT_EQ(outcome.status(),
            absl::AbortedError("module 'hello' was not upgraded: the new process was ended, as the "
                               "module is to end"));
}

}  // namespace
}  // namespace outpost::module
