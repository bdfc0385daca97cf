// Supervisor: processes from enable to disable, and all that goes wrong between.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "server/event/moment.h"
#include "server/log/log.h"
#include "server/module/supervisor_fixture.h"

namespace outpost::module {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;
using Case = RecordingLink::Case;

class LifecycleTest : public SupervisorTest {};

TEST_F(LifecycleTest, EnableStartsAProcessThatRunsWhenItServes) {
  Install("hello");
  StartManager();
  EXPECT_EQ(manager->Info("hello").state(), v1::MODULE_STATE_DISABLED);
  const auto enabled = manager->Enable("hello");
  ASSERT_TRUE(enabled.ok()) << enabled.status();
  EXPECT_TRUE(enabled->enabled());
  EXPECT_EQ(enabled->state(), v1::MODULE_STATE_STARTING);
  const StartedProcess process = NextProcess();
  EXPECT_EQ(enabled->pid(), process.pid);
  EXPECT_EQ(process.token.size(), 64u);

  FakeModule module(*manager, "hello", process.token);
  module.registration.set_sdk("test 1");
  ASSERT_TRUE(module.Attach()) << module.refusal.status;
  EXPECT_EQ(manager->Info("hello").state(), v1::MODULE_STATE_CONFIGURING);
  const v1::AttachResponse configure = module.link->Next(Case::kConfigure);
  EXPECT_EQ(configure.configure().protocol_version(), 1u);
  EXPECT_EQ(configure.configure().manager_id(), "x");
  EXPECT_EQ(configure.configure().session_key(), module.session->key());
  EXPECT_EQ(configure.configure().orphan_grace().seconds(), 30);
  EXPECT_FALSE((*manager)->IsRunning("hello"));
  module.SendConfigured();
  module.link->Next(Case::kServe);
  module.SendServeStatus(v1::ServeStatus::STATE_RUNNING);
  EXPECT_TRUE((*manager)->IsRunning("hello"));
  const v1::ModuleInfo info = manager->Info("hello");
  EXPECT_EQ(info.state(), v1::MODULE_STATE_RUNNING);
  EXPECT_TRUE(info.supervised());
  EXPECT_GT(info.rss_bytes(), 0u);
  EXPECT_EQ(info.usage().rss_bytes(), info.rss_bytes());
  EXPECT_GE(info.usage().threads(), 1u);
  EXPECT_GE(info.usage().open_files(), 1u);
  EXPECT_EQ(info.sdk(), "test 1");
  EXPECT_EQ((*manager)->FindByKey(module.session->key()), module.session);
  EXPECT_EQ((*manager)->FindByKey("other"), nullptr);
}

// For those that are held back: none but one starts, for as long as it takes.
void OneByOne(SupervisorOptions& options) {
  options.turns = {.at_once = 1, .turn = absl::InfiniteDuration()};
}

TEST_F(LifecycleTest, ModulesStartWhenItIsTheirTurn) {
  constexpr char kWaits[] = "waits for its turn to start";
  for (const char* name : {"one", "two", "three", "four"}) Install(name);
  StartManager(OneByOne);
  ASSERT_TRUE(manager->Enable("one").ok());
  const StartedProcess one = NextProcess();
  for (const char* name : {"two", "three", "four"}) {
    const auto waits = manager->Enable(name);
    ASSERT_TRUE(waits.ok());
    EXPECT_EQ(waits->state(), v1::MODULE_STATE_STARTING);
    EXPECT_EQ(waits->pid(), 0);
    EXPECT_EQ(waits->reason(), kWaits);
  }
  // Asked for again, it waits as before; who is not wanted any more, waits no more.
  ASSERT_TRUE(manager->Enable("two").ok());
  ASSERT_TRUE(manager->Disable("three").ok());
  EXPECT_EQ(manager->Info("three").state(), v1::MODULE_STATE_DISABLED);

  FakeModule module(*manager, "one", one.token);
  ASSERT_TRUE(module.Attach());
  EXPECT_EQ(manager->Info("two").pid(), 0);
  module.Serve();
  const StartedProcess two = NextProcess();
  EXPECT_EQ(manager->Info("two").pid(), two.pid);
  EXPECT_EQ(manager->Info("two").reason(), "");
  EXPECT_EQ(manager->Info("four").pid(), 0);
  // One that ends makes room as one does that runs; its own next start waits behind the other.
  kill(two.pid, SIGKILL);
  const StartedProcess four = NextProcess();
  EXPECT_EQ(manager->Info("four").pid(), four.pid);
  EXPECT_EQ(manager->Info("three").state(), v1::MODULE_STATE_DISABLED);
  EXPECT_TRUE(
      manager->Await("two", [&](const v1::ModuleInfo& info) { return info.reason() == kWaits; }));
  kill(four.pid, SIGKILL);
  const StartedProcess again = NextProcess();
  EXPECT_EQ(manager->Info("two").pid(), again.pid);
}

TEST_F(LifecycleTest, OneThatTakesItsTimeToStartKeepsNobodyForLong) {
  for (const char* name : {"slow", "other"}) Install(name);
  StartManager([](SupervisorOptions& options) {
    options.turns = {.at_once = 1, .turn = absl::Milliseconds(1)};
  });
  ASSERT_TRUE(manager->Enable("slow").ok());
  const pid_t slow = NextProcess().pid;
  ASSERT_TRUE(manager->Enable("other").ok());
  const pid_t other = NextProcess().pid;
  EXPECT_EQ(manager->Info("other").pid(), other);
  EXPECT_EQ(manager->Info("slow").pid(), slow);
}

TEST_F(LifecycleTest, WhatWaitsForItsTurnIsNotStartedByHand) {
  for (const char* name : {"one", "two"}) Install(name);
  StartManager(OneByOne);
  ASSERT_TRUE(manager->Enable("one").ok());
  NextProcess();
  ASSERT_TRUE(manager->Enable("two").ok());
  FakeModule by_hand(*manager, "two");
  EXPECT_FALSE(by_hand.Attach());
  EXPECT_THAT(by_hand.refusal.status.message(), HasSubstr("module 'two' is starting"));
}

TEST_F(LifecycleTest, WhatStartsWithTheManagerWaitsForNobody) {
  for (const char* name : {"one", "two"}) Install(name);
  StartManager(OneByOne, {"one", "two"});
  const pid_t first = NextProcess().pid;
  EXPECT_NE(NextProcess().pid, first);
}

TEST_F(LifecycleTest, EnableWaitsUntilTheModuleRuns) {
  Install("hello");
  StartManager();
  std::thread attaching([&] {
    FakeModule module(*manager, "hello", NextProcess().token);
    module.AttachAndServe();
  });
  const auto enabled = manager->Enable("hello", absl::Seconds(20));
  attaching.join();
  ASSERT_TRUE(enabled.ok());
  EXPECT_EQ(enabled->state(), v1::MODULE_STATE_RUNNING);
  const auto again = manager->Enable("hello", absl::Seconds(20));
  EXPECT_EQ(again->pid(), enabled->pid()) << "it runs already";
}

TEST_F(LifecycleTest, WhatIsNotInstalledCannotBeEnabledAndTheNearestIsNamed) {
  Install("hello");
  StartManager();
  EXPECT_EQ(manager->Enable("helo").status(),
            absl::NotFoundError(absl::StrCat("module 'helo' is not installed in ",
                                             scratch.File("modules"), "; did you mean hello?")));
  EXPECT_EQ(manager->Disable("helo").status(), absl::NotFoundError("module 'helo' is not known"));
  EXPECT_EQ(manager->Restart("hello").status(),
            absl::FailedPreconditionError("module 'hello' is not enabled; `outpost module enable "
                                          "hello` enables it"));
  Install("helo");  // found without a restart of the manager
  EXPECT_TRUE(manager->Enable("helo").ok());
}

TEST_F(LifecycleTest, ABrokenManifestIsNamed) {
  std::filesystem::create_directory(scratch.File("modules/broken"));
  std::ofstream(scratch.File("modules/broken/module.toml")) << "argv = 3\n";
  StartManager();
  const std::string problem = absl::StrCat(scratch.File("modules/broken/module.toml"),
                                           ": argv must be an array of strings, e.g. "
                                           "[\"./my_module\"]");
  EXPECT_EQ(manager->Enable("broken").status(),
            absl::FailedPreconditionError("module 'broken' can't be started: " + problem));
  EXPECT_EQ(manager->Info("broken").reason(), problem);
}

TEST_F(LifecycleTest, WhatDoesNotGetReadyIsEndedAndStartedAgain) {
  Install("slow");
  StartManager([](auto& options) { options.policy.ready_timeout = absl::Milliseconds(50); });
  const auto enabled = manager->Enable("slow", absl::Seconds(20));
  ASSERT_TRUE(enabled.ok());
  EXPECT_EQ(enabled->state(), v1::MODULE_STATE_BACKOFF);
  EXPECT_EQ(enabled->reason(), "did not get ready in 50ms");
  EXPECT_TRUE(enabled->has_next_start());
  const StartedProcess first = NextProcess();
  const StartedProcess second = NextProcess();
  EXPECT_NE(first.pid, second.pid);
  EXPECT_NE(first.token, second.token);
  EXPECT_TRUE(AwaitEnd(first.pid));
  EXPECT_TRUE(manager->Await("slow", [](const auto& info) { return info.restarts() >= 2; }));
}

TEST_F(LifecycleTest, ACrashIsToldAndTheModuleIsStartedAgainEverLater) {
  Install("crashy", "echo something >&2; printf 'last \\377words'; exit 3");
  StartManager();
  const auto enabled = manager->Enable("crashy", absl::Seconds(20));
  ASSERT_TRUE(enabled.ok());
  EXPECT_EQ(enabled->state(), v1::MODULE_STATE_BACKOFF);
  EXPECT_EQ(enabled->last_exit(), "exit status 3");
  EXPECT_EQ(enabled->reason(), "ended with exit status 3: last ?words")
      << "proto3 strings are UTF-8";
  ASSERT_TRUE(manager->Await("crashy", [](const auto& info) {
    return info.restarts() >= 3 && info.state() == v1::MODULE_STATE_BACKOFF;
  }));
  EXPECT_THAT(manager->HealthDetail("MGR_MODULE_ERROR"),
              ElementsAre("Module 'crashy' has failed: ended with exit status 3: last ?words"));
  EXPECT_THAT(manager->HealthDetail("RECENT_MGR_MODULE_CRASH"),
              ElementsAre(AllOf(StartsWith("module crashy crashed at 2"),
                                HasSubstr(" with exit status 3"))));
  const auto described = (*manager)->Describe("crashy");
  ASSERT_TRUE(described.ok());
  EXPECT_THAT(described->stderr_tail(), ElementsAre("something", "last ?words"));
  EXPECT_TRUE(manager->Disable("crashy").ok());
  EXPECT_THAT(manager->HealthDetail("MGR_MODULE_ERROR"), IsEmpty());
  EXPECT_THAT(manager->HealthDetail("RECENT_MGR_MODULE_CRASH"), IsEmpty());
  EXPECT_EQ((*manager)->Describe("nosuch").status(),
            absl::NotFoundError("module 'nosuch' is not known"));
}

TEST_F(LifecycleTest, TheReportOfACrashPasses) {
  Install("crashy", "[ -e once ] || { touch once; kill -SEGV $$; }; exec sleep 600");
  StartManager([](auto& options) { options.crash_report = absl::Milliseconds(200); });
  ASSERT_TRUE(manager->Enable("crashy").ok());
  NextProcess();
  FakeModule module(*manager, "crashy", NextProcess().token);
  ASSERT_TRUE(module.AttachAndServe());
  EXPECT_THAT(manager->Info("crashy").last_exit(), StartsWith("signal 11 (Segmentation fault)"));
  EXPECT_EQ(manager->Info("crashy").restarts(), 1u);
  EXPECT_THAT(manager->HealthDetail("MGR_MODULE_ERROR"), IsEmpty());
  EXPECT_TRUE(manager->AwaitHealth("RECENT_MGR_MODULE_CRASH", 0));
}

TEST_F(LifecycleTest, ABadConfigurationIsNotTriedAgain) {
  Install("picky", "echo need more; exit 78");
  StartManager();
  const auto enabled = manager->Enable("picky", absl::Seconds(20));
  ASSERT_TRUE(enabled.ok());
  EXPECT_EQ(enabled->state(), v1::MODULE_STATE_FAILED);
  EXPECT_EQ(enabled->reason(),
            "ended with exit status 78: need more; mend it, then `outpost module restart picky`");
  NextProcess();
  // Mended, it is started again.
  Install("picky");
  const auto restarted = manager->Restart("picky");
  ASSERT_TRUE(restarted.ok()) << restarted.status();
  EXPECT_EQ(restarted->state(), v1::MODULE_STATE_STARTING);
  EXPECT_EQ(restarted->pid(), NextProcess().pid);
}

TEST_F(LifecycleTest, WhatCannotBeExecutedIsTriedAgain) {
  Install("gone");
  std::filesystem::remove(scratch.File("modules/gone/run"));
  StartManager();
  const auto enabled = manager->Enable("gone", absl::Seconds(20));
  ASSERT_TRUE(enabled.ok());
  EXPECT_EQ(enabled->state(), v1::MODULE_STATE_BACKOFF);
  EXPECT_THAT(enabled->reason(), AllOf(StartsWith("can't execute /"),
                                       EndsWith("/gone/run: No such file or directory")));
  Install("gone");
  NextProcess();
}

TEST_F(LifecycleTest, WhatIsUninstalledWhileItRunsFailsWhenItEnds) {
  Install("gone");
  Install("other");
  StartManager();
  ASSERT_TRUE(manager->Enable("gone").ok());
  const StartedProcess process = NextProcess();
  std::filesystem::remove_all(scratch.File("modules/gone"));
  ASSERT_TRUE(manager->Enable("other").ok());  // looks at what is installed
  kill(process.pid, SIGKILL);
  EXPECT_TRUE(manager->AwaitState("gone", v1::MODULE_STATE_FAILED));
  EXPECT_EQ(manager->Info("gone").reason(),
            absl::StrCat("is no longer installed in ", scratch.File("modules")));
}

TEST_F(LifecycleTest, DisableDrainsAndShutsDown) {
  Install("hello");
  StartManager();
  const auto module = StartModule("hello");
  const auto pid = static_cast<pid_t>(manager->Info("hello").pid());
  std::thread obeying([&] {
    EXPECT_EQ(module->link->Next(Case::kDrain).drain().timeout().nanos(), 200'000'000);
    EXPECT_EQ(manager->Info("hello").state(), v1::MODULE_STATE_DRAINING);
    EXPECT_FALSE((*manager)->IsRunning("hello"));
    module->SendDrained();
    const auto shutdown = module->link->Next(Case::kShutdown);
    EXPECT_EQ(shutdown.shutdown().reason(), "disabled");
    EXPECT_EQ(shutdown.shutdown().grace().nanos(), 300'000'000) << "not cut to whole seconds";
    EXPECT_EQ(manager->Info("hello").state(), v1::MODULE_STATE_STOPPING);
    module->Detach();
    kill(pid, SIGKILL);
  });
  const auto disabled = manager->Disable("hello");
  obeying.join();
  ASSERT_TRUE(disabled.ok());
  EXPECT_FALSE(disabled->enabled());
  EXPECT_EQ(disabled->state(), v1::MODULE_STATE_DISABLED);
  EXPECT_EQ(disabled->pid(), 0);
  EXPECT_TRUE(AwaitEnd(pid));
  EXPECT_THAT(manager->HealthDetail("MGR_MODULE_ERROR"), IsEmpty());
}

TEST_F(LifecycleTest, OneThatDoesNotObeyIsKilledWithAllItHasStarted) {
  Install("stubborn", "trap '' TERM; sleep 600 & echo $! > child; while :; do wait; done");
  StartManager();
  const auto module = StartModule("stubborn");
  const auto pid = static_cast<pid_t>(manager->Info("stubborn").pid());
  const absl::Time before = absl::Now();
  const auto disabled = manager->Disable("stubborn");
  EXPECT_EQ(disabled->state(), v1::MODULE_STATE_DISABLED);
  EXPECT_EQ(disabled->last_exit(), "signal 9 (Killed)");
  EXPECT_GE(absl::Now() - before, absl::Milliseconds(800)) << "drain, grace and grace again";
  EXPECT_TRUE(AwaitEnd(pid));
  pid_t child = 0;
  std::ifstream(scratch.File("modules/stubborn/child")) >> child;
  ASSERT_GT(child, 0);
  EXPECT_TRUE(AwaitEnd(child));
}

TEST_F(LifecycleTest, DisableOfWhatIsBeingEndedLeavesNoTrace) {
  Install("slow", "trap '' TERM; while :; do sleep 0.05; done");
  StartManager([](auto& options) { options.policy.ready_timeout = absl::Milliseconds(30); });
  ASSERT_TRUE(manager->Enable("slow").ok());
  NextProcess();
  ASSERT_TRUE(manager->AwaitState("slow", v1::MODULE_STATE_STOPPING));
  EXPECT_EQ(manager->Info("slow").reason(), "did not get ready in 30ms");
  EXPECT_THAT(manager->HealthDetail("MGR_MODULE_ERROR"),
              ElementsAre("Module 'slow' has failed: did not get ready in 30ms"));
  EXPECT_EQ(manager->Disable("slow")->state(), v1::MODULE_STATE_DISABLED);
  EXPECT_THAT(manager->HealthDetail("MGR_MODULE_ERROR"), IsEmpty());
}

TEST_F(LifecycleTest, RestartEndsItAndStartsItAgain) {
  Install("hello");
  StartManager();
  const auto module = StartModule("hello");
  const auto pid = static_cast<pid_t>(manager->Info("hello").pid());
  std::thread attaching([&] {
    module->link->Next(Case::kDrain);
    module->SendDrained();
    EXPECT_EQ(module->link->Next(Case::kShutdown).shutdown().reason(), "restart");
    module->Detach();
    FakeModule next(*manager, "hello", NextProcess().token);
    EXPECT_TRUE(next.AttachAndServe());
  });
  const auto restarted = manager->Restart("hello", absl::Seconds(20));
  attaching.join();
  ASSERT_TRUE(restarted.ok()) << restarted.status();
  EXPECT_EQ(restarted->state(), v1::MODULE_STATE_RUNNING);
  EXPECT_NE(restarted->pid(), pid);
  EXPECT_EQ(restarted->restarts(), 1u);
  EXPECT_TRUE(AwaitEnd(pid));
}

TEST_F(LifecycleTest, DisableDuringARestartWins) {
  Install("hello");
  StartManager();
  const auto module = StartModule("hello");
  absl::Notification told;
  (*manager)->Restart("hello", "client", absl::Seconds(20), [&](auto info) {
    EXPECT_EQ(info->state(), v1::MODULE_STATE_DISABLED);
    told.Notify();
  });
  EXPECT_EQ(manager->Disable("hello")->state(), v1::MODULE_STATE_DISABLED);
  EXPECT_TRUE(told.WaitForNotificationWithTimeout(absl::Seconds(20)));
}

// Counts what the log gets of a module.
class LogCount {
 public:
  explicit LogCount(const std::string& module)
      : listener_(log::History().Listen([this, module](const log::LinePtr& line) {
          absl::MutexLock lock(&mu_);
          if (line->source == module) ++kept_;
          int64_t left_out = 0;
          absl::string_view text = line->record.message();
          if (absl::ConsumePrefix(&text, module + ": ") && absl::StrContains(text, "left out") &&
              absl::SimpleAtoi(text.substr(0, text.find(' ')), &left_out)) {
            left_out_ += left_out;
          }
        })) {}
  ~LogCount() { log::History().Unlisten(listener_); }

  // Waits until it has heard of so many; false after 20 s.
  bool AwaitTotal(int64_t lines) {
    const auto all = [this, lines]()
                         ABSL_SHARED_LOCKS_REQUIRED(mu_) { return kept_ + left_out_ >= lines; };
    absl::MutexLock lock(&mu_);
    return mu_.AwaitWithTimeout(absl::Condition(&all), absl::Seconds(20));
  }
  int64_t kept() const {
    absl::MutexLock lock(&mu_);
    return kept_;
  }
  int64_t left_out() const {
    absl::MutexLock lock(&mu_);
    return left_out_;
  }

 private:
  mutable absl::Mutex mu_;
  int64_t kept_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t left_out_ ABSL_GUARDED_BY(mu_) = 0;
  const uint64_t listener_;
};

TEST_F(LifecycleTest, WhatItWritesIsBoundedAndHowManyLinesAreLeftOutIsTold) {
  // Not 10,000 lines in the test's own output.
  ASSERT_TRUE(
      log::Configure({.file = "", .level = "info", .levels = {{"module", "warning"}}}).ok());
  Install("chatty", "seq 12000; exec sleep 600");
  LogCount count("chatty");
  const event::Moment begin = event::Moment::Now();
  StartManager([](auto& options) { options.policy.rates.log_lines = 10; });
  ASSERT_TRUE(manager->Enable("chatty").ok());
  NextProcess();
  EXPECT_TRUE(count.AwaitTotal(12000));
  const absl::Duration took = event::Moment::Now() - begin;
  EXPECT_GE(count.kept(), 100) << "what may come at once";
  EXPECT_LE(count.kept(), 101 + 10 * absl::ToDoubleSeconds(took)) << "and ten a second";
  EXPECT_EQ(count.kept() + count.left_out(), 12000);
  // For its crash report the end of it is kept.
  EXPECT_THAT((*manager)->Describe("chatty")->stderr_tail(), testing::Contains("12000"));
}

TEST_F(LifecycleTest, WhatItLogsIsBoundedAsWell) {
  ASSERT_TRUE(
      log::Configure({.file = "", .level = "info", .levels = {{"module", "warning"}}}).ok());
  std::atomic<int> in_cluster_log = 0;
  LogCount count("talker");
  const event::Moment begin = event::Moment::Now();
  StartManager([&](auto& options) {
    options.policy.rates.log_lines = 1;
    options.cluster_log = [&](const auto&) { ++in_cluster_log; };
  });
  FakeModule talker(*manager, "talker");
  ASSERT_TRUE(talker.AttachAndServe());
  v1::AttachRequest request;
  for (int i = 0; i < 60; ++i) {
    v1::LogRecord& record = *request.mutable_log()->add_records();
    record.set_message("the same again");
    record.set_channel("cluster");
  }
  for (int i = 0; i < 3; ++i) (*manager)->Handle(talker.session, request);
  FakeModule other(*manager, "other");
  ASSERT_TRUE(other.AttachAndServe());
  LogCount of_other("other");
  (*manager)->Handle(other.session, request);
  EXPECT_TRUE(count.AwaitTotal(180));
  EXPECT_GE(count.kept(), 10) << "what may come at once";
  EXPECT_LE(count.kept(), 11 + absl::ToDoubleSeconds(event::Moment::Now() - begin));
  EXPECT_EQ(count.kept() + count.left_out(), 180);
  EXPECT_TRUE(of_other.AwaitTotal(60));
  EXPECT_GE(of_other.kept(), 10) << "each has its own";
  EXPECT_EQ(in_cluster_log, count.kept() + of_other.kept());
}

TEST_F(LifecycleTest, StopEndsAllWithinItsBound) {
  Install("hello");
  Install("stubborn", "trap '' TERM; while :; do sleep 0.05; done");
  Install("crashy", "exit 1");
  StartManager();
  const auto hello = StartModule("hello");
  const auto stubborn = StartModule("stubborn");
  ASSERT_TRUE(manager->Enable("crashy", absl::Seconds(20)).ok());
  const auto pids = {manager->Info("hello").pid(), manager->Info("stubborn").pid()};
  const absl::Time before = absl::Now();
  (*manager)->Stop();
  EXPECT_LT(absl::Now() - before, absl::Seconds(5));
  for (const int64_t pid : pids) EXPECT_TRUE(AwaitEnd(static_cast<pid_t>(pid)));
  for (const auto& info : (*manager)->List()) EXPECT_EQ(info.pid(), 0) << info.DebugString();
  EXPECT_TRUE(manager->Info("hello").enabled()) << "as it is to be after the next start";
  (*manager)->Stop();
}

}  // namespace
}  // namespace outpost::module
