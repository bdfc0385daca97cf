// Supervisor: when a process is started again, and what is told of how it ended.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/module/supervisor_fixture.h"

namespace outpost::module {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Case = RecordingLink::Case;

class PolicyTest : public SupervisorTest {
 protected:
  // A manager whose module "hello" has this policy.
  void Start(RestartPolicy restart, const std::string& then) {
    Install("hello", then);
    StartManager([restart](auto& options) { options.policy.restart = restart; });
    ASSERT_TRUE(manager->Enable("hello").ok());
    process = NextProcess();
  }

  StartedProcess process;
};

TEST_F(PolicyTest, AlwaysStartsAgainWhatEndedWell) {
  Start(RestartPolicy::kAlways, "exit 0");
  EXPECT_NE(NextProcess().pid, process.pid);
}

TEST_F(PolicyTest, OnFailureLeavesWhatEndedWell) {
  Start(RestartPolicy::kOnFailure, "exit 0");
  ASSERT_TRUE(manager->AwaitState("hello", v1::MODULE_STATE_ENDED));
  EXPECT_EQ(manager->Info("hello").reason(),
            "ended with exit status 0; its restart policy is on-failure");
  EXPECT_EQ(manager->Info("hello").restart_policy(), "on-failure");
  EXPECT_THAT(manager->HealthDetail("MGR_MODULE_ERROR"), IsEmpty());
  EXPECT_THAT(manager->HealthDetail("RECENT_MGR_MODULE_CRASH"), IsEmpty());
  ASSERT_TRUE(manager->Restart("hello").ok());
  EXPECT_NE(NextProcess().pid, process.pid);
}

TEST_F(PolicyTest, OnFailureStartsAgainWhatFailed) {
  Start(RestartPolicy::kOnFailure, "exit 3");
  EXPECT_NE(NextProcess().pid, process.pid);
}

TEST_F(PolicyTest, NeverLeavesWhatFailedAndHealthTellsOfIt) {
  Start(RestartPolicy::kNever, "echo no coffee >&2; exit 3");
  ASSERT_TRUE(manager->AwaitState("hello", v1::MODULE_STATE_FAILED));
  const std::string reason =
      "ended with exit status 3: no coffee; its restart policy is never: `outpost module restart "
      "hello` starts it";
  EXPECT_EQ(manager->Info("hello").reason(), reason);
  EXPECT_THAT(manager->HealthDetail("MGR_MODULE_ERROR"),
              ElementsAre("Module 'hello' has failed: " + reason));
}

TEST_F(PolicyTest, AManifestAndAnOperatorSayOtherwise) {
  Install("hello", "exit 0");
  std::ofstream(scratch.File("modules/hello/module.toml"), std::ios::app)
      << "[process]\nrestart = \"on-failure\"\n";
  StartManager([](auto& options) { options.policy.restart = RestartPolicy::kNever; });
  EXPECT_EQ(manager->Info("hello").restart_policy(), "on-failure");
  manager.reset();
  StartManager([](auto& options) {
    options.module_settings = {{"hello", {"restart", {"always"}}}, {"*", {"restart", {"never"}}}};
  });
  EXPECT_EQ(manager->Info("hello").restart_policy(), "always");
}

TEST_F(PolicyTest, WhatFailsTooOftenIsStartedSlowlyAndNeverGivenUp) {
  Install("hello", "exit 1");
  StartManager([](auto& options) {
    options.policy.first_backoff = options.policy.max_backoff = absl::Milliseconds(1);
    options.policy.start_limit = 3;
    options.policy.start_limit_backoff = absl::Milliseconds(700);
  });
  ASSERT_TRUE(manager->Enable("hello").ok());
  for (int i = 0; i < 3; ++i) NextProcess();
  ASSERT_TRUE(manager->Await("hello", [](const auto& info) {
    return info.reason() ==
           "ended with exit status 1 (it fails too often: its starts are slow now)";
  }));
  const v1::ModuleInfo info = manager->Info("hello");
  EXPECT_EQ(info.state(), v1::MODULE_STATE_BACKOFF);
  EXPECT_EQ(info.failures(), 3u);
  const absl::Time slow = absl::Now();
  NextProcess();
  EXPECT_GE(absl::Now() - slow, absl::Milliseconds(400));
}

TEST_F(PolicyTest, HealthTellsOfWhatFailsUntilItRuns) {
  Install("hello", "echo >> starts; [ $(wc -l < starts) -lt 5 ] && exit 1; exec sleep 600");
  StartManager([](auto& options) {
    options.policy.first_backoff = options.policy.max_backoff = absl::Milliseconds(1);
    options.policy.start_limit = 0;
  });
  const auto told = [this] {
    std::vector<std::string> changes;
    for (const v1::HealthEvent& event : manager->health().History(100)) {
      if (event.check().code() != "MGR_MODULE_ERROR") continue;
      changes.emplace_back(event.cleared() ? "cleared" : "raised");
    }
    return changes;
  };
  ASSERT_TRUE(manager->Enable("hello").ok());
  for (int i = 0; i < 4; ++i) NextProcess();
  const StartedProcess last = NextProcess();
  EXPECT_THAT(told(), ElementsAre("raised")) << "to be started again is not to be well";
  FakeModule module(*manager, "hello", last.token);
  ASSERT_TRUE(module.AttachAndServe()) << module.refusal.status;
  EXPECT_THAT(told(), ElementsAre("cleared", "raised")) << "the newest first";
}

TEST_F(PolicyTest, WhatIsNotConfiguredIsStartedAgainWhenItsOptionsChange) {
  Install("hello", "exec sleep 600");
  StartManager();
  ASSERT_TRUE(manager->Enable("hello").ok());
  FakeModule module(*manager, "hello", NextProcess().token);
  v1::OptionDescriptor* option = module.registration.add_options();
  option->set_name("place");
  option->set_type(v1::OPTION_TYPE_STR);
  ASSERT_TRUE(module.AttachAndServe()) << module.refusal.status;
  ASSERT_TRUE(manager->Disable("hello").ok());
  std::filesystem::remove_all(scratch.File("modules/hello"));
  Install("hello", "echo where >&2; exit 6");
  ASSERT_TRUE(manager->Enable("hello").ok());
  process = NextProcess();
  ASSERT_TRUE(manager->AwaitState("hello", v1::MODULE_STATE_CANNOT_RUN));
  EXPECT_EQ(manager->Info("hello").reason(),
            "is not configured (ended with exit status 6: where); it is started again when one of "
            "its options changes");
  EXPECT_EQ(manager->HealthDetail("MGR_MODULE_DEPENDENCY").size(), 1u);
  absl::Notification set;
  manager->config().Set("mgr/hello/place", "Mars", "a test", [&](const auto&) { set.Notify(); });
  set.WaitForNotification();
  EXPECT_NE(NextProcess().pid, process.pid);
}

TEST_F(PolicyTest, AnOptionThatChangesWhileItEndsAsNotConfiguredIsNotLost) {
  Install("hello", "trap 'exit 6' USR1; echo armed > \"$ATTACH\"; sleep 600 & wait");
  StartManager();
  ASSERT_TRUE(manager->Enable("hello").ok());
  const StartedProcess first = NextProcess();
  FakeModule module(*manager, "hello", first.token);
  v1::OptionDescriptor* option = module.registration.add_options();
  option->set_name("place");
  option->set_type(v1::OPTION_TYPE_STR);
  ASSERT_TRUE(module.Attach()) << module.refusal.status;
  NextProcess();  // armed
  // It has looked at its options, and is about to end: it does not hear of this any more.
  absl::Notification set;
  manager->config().Set("mgr/hello/place", "Mars", "a test", [&](const auto&) { set.Notify(); });
  set.WaitForNotification();
  kill(first.pid, SIGUSR1);
  const StartedProcess second = NextProcess();
  EXPECT_NE(second.pid, first.pid);
  NextProcess();  // armed
  kill(second.pid, SIGUSR1);
  EXPECT_TRUE(manager->AwaitState("hello", v1::MODULE_STATE_CANNOT_RUN));
}

TEST_F(PolicyTest, TheLastProcessIsToldWithItsLastLines) {
  Start(RestartPolicy::kNever, "echo one; echo two >&2; kill -SEGV $$");
  ASSERT_TRUE(manager->AwaitState("hello", v1::MODULE_STATE_FAILED));
  const v1::ProcessExit last = manager->Info("hello").last_process();
  EXPECT_EQ(last.pid(), process.pid);
  EXPECT_EQ(last.signal(), SIGSEGV);
  EXPECT_EQ(last.exit_status(), 0);
  EXPECT_EQ(last.reason(), "");
  EXPECT_THAT(last.output(), ElementsAre("one", "two"));
  EXPECT_LT(absl::AbsDuration(absl::FromUnixSeconds(last.time().seconds()) - absl::Now()),
            absl::Minutes(1));
}

TEST_F(PolicyTest, ASendersWordThatServeIsStuckEndsIt) {
  Install("hello");
  StartManager();
  auto module = StartModule("hello");
  const pid_t pid = static_cast<pid_t>(manager->Info("hello").pid());
  v1::AttachRequest heartbeat;
  heartbeat.mutable_heartbeat()->set_stuck("Serve has not moved");
  (*manager)->Handle(module->session, heartbeat);
  ASSERT_TRUE(AwaitEnd(pid));
  ASSERT_TRUE(manager->Await("hello", [](const auto& info) { return info.has_last_process(); }));
  const v1::ProcessExit last = manager->Info("hello").last_process();
  EXPECT_EQ(last.reason(), "is stuck: Serve has not moved");
  EXPECT_EQ(last.signal(), SIGQUIT);
}

TEST_F(PolicyTest, TheCommandThatItRanIsNamed) {
  Install("hello");
  StartManager([](auto& options) { options.policy.restart = RestartPolicy::kNever; });
  auto module = StartModule("hello");
  v1::AttachResponse run;
  run.mutable_run_command()->set_prefix("hello bye");
  absl::Notification ended;
  module->session->Start(run, "command \"hello bye\"", absl::InfiniteFuture(),
                         [&](const auto& answer) {
                           EXPECT_EQ(answer.status().code(), absl::StatusCode::kAborted);
                           ended.Notify();
                         });
  kill(static_cast<pid_t>(manager->Info("hello").pid()), SIGKILL);
  ASSERT_TRUE(manager->AwaitState("hello", v1::MODULE_STATE_FAILED));
  EXPECT_THAT(manager->Info("hello").reason(),
              HasSubstr("ended with signal 9 (Killed) while it ran command \"hello bye\""));
  ended.WaitForNotification();
}

}  // namespace
}  // namespace outpost::module
