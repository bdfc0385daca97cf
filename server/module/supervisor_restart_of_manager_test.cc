// Supervisor: what the next manager finds in the store, and the processes that
// outlived the last.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "server/module/supervisor_fixture.h"

namespace outpost::module {
namespace {

using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class RestartOfManagerTest : public SupervisorTest {};

TEST_F(RestartOfManagerTest, InitialModulesAreEnabledOnlyTheFirstTime) {
  Install("one");
  Install("two");
  StartManager({}, {"one"});
  EXPECT_TRUE(manager->Info("one").enabled());
  NextProcess();
  ASSERT_TRUE(manager->Disable("one").ok());
  ASSERT_TRUE(manager->Enable("two").ok());
  NextProcess();
  (*manager)->Stop();
  manager.reset();
  StartManager({}, {"one"});
  EXPECT_FALSE(manager->Info("one").enabled());
  EXPECT_TRUE(manager->Info("two").enabled());
  EXPECT_EQ(NextProcess().pid, manager->Info("two").pid());
}

TEST_F(RestartOfManagerTest, AnInitialModuleMustBeInstalled) {
  Install("one");
  manager = std::make_unique<TestManager>(scratch.path());
  EXPECT_EQ((*manager)->Start({"one", "nosuch"}),
            absl::NotFoundError(absl::StrCat("initial module 'nosuch' is not installed in ",
                                             scratch.File("modules"))));
  EXPECT_THAT(manager->store().List("module/"), IsEmpty());
}

TEST_F(RestartOfManagerTest, AProcessThatOutlivedItsManagerIsAdopted) {
  Install("hello", "while [ ! -e say ]; do sleep 0.02; done; echo still here; exec sleep 600");
  StartManager();
  ASSERT_TRUE(manager->Enable("hello").ok());
  const StartedProcess process = NextProcess();
  FakeModule module(*manager, "hello", process.token);
  ASSERT_TRUE(module.AttachAndServe());
  CrashManager();

  // Before the new manager knows of it, it is told to come again.
  manager = std::make_unique<TestManager>(scratch.path());
  FakeModule early(*manager, "hello", process.token);
  EXPECT_FALSE(early.Attach());
  EXPECT_EQ(early.refusal.status, absl::UnavailableError("the manager starts"));
  EXPECT_EQ(early.refusal.reason, "NOT_ACTIVE");
  ASSERT_TRUE((*manager)->Start({}).ok());
  const v1::ModuleInfo info = manager->Info("hello");
  EXPECT_EQ(info.state(), v1::MODULE_STATE_STARTING);
  EXPECT_EQ(info.reason(), "has outlived the last manager; is expected to attach again");
  EXPECT_EQ(info.pid(), process.pid);
  EXPECT_TRUE(info.supervised());
  EXPECT_THAT(info.isolation(), Not(IsEmpty())) << "what it is held to is known as before";

  FakeModule again(*manager, "hello", process.token);
  ASSERT_TRUE(again.AttachAndServe()) << again.refusal.status;
  EXPECT_EQ(manager->Info("hello").restarts(), 0u);
  std::ofstream(scratch.File("modules/hello/say")).flush();
  EXPECT_TRUE(manager->Await("hello", [&](const auto&) {
    const auto described = (*manager)->Describe("hello");
    return described->stderr_tail_size() == 1 && described->stderr_tail(0) == "still here";
  }));
  EXPECT_EQ(manager->Disable("hello")->state(), v1::MODULE_STATE_DISABLED);
  EXPECT_TRUE(AwaitEnd(process.pid));
}

TEST_F(RestartOfManagerTest, TheRunDirectoryMayHaveAnyName) {
  const std::string directory = scratch.File("run \xff\\\"1");
  std::filesystem::create_directory(directory);
  const auto there = [&](SupervisorOptions& options) { options.run_directory = directory; };
  Install("hello", "while [ ! -e say ]; do sleep 0.02; done; echo still here; exec sleep 600");
  StartManager(there);
  ASSERT_TRUE(manager->Enable("hello").ok());
  const StartedProcess process = NextProcess();
  CrashManager();
  StartManager(there);
  EXPECT_EQ(manager->Info("hello").pid(), process.pid);
  FakeModule again(*manager, "hello", process.token);
  ASSERT_TRUE(again.AttachAndServe()) << again.refusal.status;
  std::ofstream(scratch.File("modules/hello/say")).flush();
  EXPECT_TRUE(manager->Await("hello", [&](const auto&) {
    const auto described = (*manager)->Describe("hello");
    return described->stderr_tail_size() == 1 && described->stderr_tail(0) == "still here";
  }));
}

TEST_F(RestartOfManagerTest, AnAdoptedProcessThatEndsIsStartedAgain) {
  Install("hello");
  StartManager();
  ASSERT_TRUE(manager->Enable("hello").ok());
  const StartedProcess process = NextProcess();
  CrashManager();
  StartManager();
  ASSERT_EQ(manager->Info("hello").pid(), process.pid);
  kill(process.pid, SIGKILL);
  const StartedProcess next = NextProcess();
  EXPECT_NE(next.pid, process.pid);
  FakeModule module(*manager, "hello", next.token);
  EXPECT_TRUE(module.AttachAndServe());
}

TEST_F(RestartOfManagerTest, WhatDiedMeanwhileIsStartedAnew) {
  Install("hello");
  StartManager();
  ASSERT_TRUE(manager->Enable("hello").ok());
  const StartedProcess process = NextProcess();
  manager->AwaitState("hello", v1::MODULE_STATE_STARTING);
  CrashManager();
  kill(process.pid, SIGKILL);
  ASSERT_TRUE(AwaitEnd(process.pid));
  StartManager();
  const StartedProcess next = NextProcess();
  EXPECT_EQ(manager->Info("hello").pid(), next.pid);
  FakeModule old(*manager, "hello", process.token);
  EXPECT_FALSE(old.Attach());
  EXPECT_EQ(old.refusal.reason, "BAD_TOKEN");
}

TEST_F(RestartOfManagerTest, WhatWasAboutToBeStartedAgainIsStartedAnew) {
  Install("hello", "exit 1");
  StartManager([](auto& options) { options.policy.first_backoff = absl::Hours(1); });
  ASSERT_TRUE(manager->Enable("hello").ok());
  NextProcess();
  ASSERT_TRUE(manager->AwaitState("hello", v1::MODULE_STATE_BACKOFF));
  CrashManager();
  StartManager();
  EXPECT_EQ(manager->Info("hello").restarts(), 0u);
  NextProcess();
  ASSERT_TRUE(manager->AwaitState("hello", v1::MODULE_STATE_BACKOFF));
  ASSERT_TRUE(manager->Disable("hello").ok());
  ASSERT_TRUE(manager->store().WriteAndWait({}).ok());  // all writes before it are done, too
  EXPECT_THAT(manager->store().List("module/process/"), IsEmpty());
}

TEST_F(RestartOfManagerTest, ARecordOfAnotherBootOrWithoutSenseMeansNoProcess) {
  Install("hello");
  Install("other");
  StartManager();
  ASSERT_TRUE(manager->Enable("hello").ok());
  const StartedProcess process = NextProcess();
  ASSERT_TRUE(manager->store().WriteAndWait({}).ok());  // all writes before it are done, too
  auto record = nlohmann::json::parse(*manager->store().Get("module/process/hello"));
  EXPECT_EQ(record["pid"], process.pid);
  EXPECT_EQ(record.dump().find(process.token), std::string::npos) << "only its fingerprint";
  record["boot_id"] = "another boot";
  ASSERT_TRUE(manager->store()
                  .WriteAndWait({{},
                                 {{"module/process/hello", record.dump()},
                                  {"module/process/other", "{\"pid\": \"seven\"}"},
                                  {"module/process/stranger", "not JSON"}}})
                  .ok());
  CrashManager();
  StartManager();
  const StartedProcess next = NextProcess();
  EXPECT_NE(next.pid, process.pid);
  EXPECT_EQ(manager->Info("hello").pid(), next.pid);
  EXPECT_EQ(manager->Info("other").state(), v1::MODULE_STATE_DISABLED);
  EXPECT_EQ(manager->Info("stranger").name(), "");
  kill(process.pid, SIGKILL);
}

TEST_F(RestartOfManagerTest, AProcessThatIsNotEnabledAnyMoreIsEnded) {
  Install("hello");
  StartManager();
  ASSERT_TRUE(manager->Enable("hello").ok());
  const StartedProcess process = NextProcess();
  ASSERT_TRUE(manager->store().WriteAndWait({{}, {{"module/enabled/hello", "false"}}}).ok());
  CrashManager();
  StartManager();
  EXPECT_TRUE(AwaitEnd(process.pid));
  EXPECT_TRUE(manager->AwaitState("hello", v1::MODULE_STATE_DISABLED));
}

TEST_F(RestartOfManagerTest, OneThatDoesNotAttachToTheNewManagerIsReplaced) {
  Install("hello");
  StartManager();
  ASSERT_TRUE(manager->Enable("hello").ok());
  const StartedProcess process = NextProcess();
  CrashManager();
  StartManager([](auto& options) { options.policy.ready_timeout = absl::Milliseconds(50); });
  ASSERT_TRUE(manager->AwaitState("hello", v1::MODULE_STATE_BACKOFF));
  EXPECT_EQ(manager->Info("hello").reason(),
            "outlived the last manager, but did not attach to this one");
  EXPECT_TRUE(AwaitEnd(process.pid));
}

TEST_F(RestartOfManagerTest, CommandsOfAModuleThatDoesNotRunAreKnown) {
  Install("hello");
  StartManager();
  ASSERT_TRUE(manager->Enable("hello").ok());
  FakeModule module(*manager, "hello", NextProcess().token);
  module.registration.add_commands()->set_signature("hello world");
  ASSERT_TRUE(module.AttachAndServe());
  ASSERT_TRUE(manager->Disable("hello").ok());
  EXPECT_THAT(manager->commands().List("hello", false), SizeIs(1));
  (*manager)->Stop();
  manager.reset();
  StartManager();
  EXPECT_THAT(manager->commands().List("hello", false), SizeIs(1));
  EXPECT_EQ((*manager)->Describe("hello")->commands_size(), 1);
}

TEST_F(RestartOfManagerTest, WhatIsEnabledButGoneIsTold) {
  Install("hello");
  StartManager();
  ASSERT_TRUE(manager->Enable("hello").ok());
  NextProcess();
  (*manager)->Stop();
  manager.reset();
  std::filesystem::remove_all(scratch.File("modules/hello"));
  StartManager();
  EXPECT_EQ(manager->Info("hello").state(), v1::MODULE_STATE_FAILED);
  EXPECT_EQ(manager->Info("hello").reason(),
            absl::StrCat("not installed in ", scratch.File("modules")));
  EXPECT_EQ(manager->HealthDetail("MGR_MODULE_ERROR").size(), 1u);
}

}  // namespace
}  // namespace outpost::module
