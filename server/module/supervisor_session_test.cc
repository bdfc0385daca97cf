// Supervisor: sessions after Register: options, heartbeats, failures, commands that wait.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "outpost/internal/steady_wait.h"
#include "server/event/stepped_clock.h"
#include "server/module/supervisor_fixture.h"

namespace outpost::module {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::MatchesRegex;
using Case = RecordingLink::Case;

class SessionsTest : public SupervisorTest {
 protected:
  // What WhenRunning says, waiting for it.
  absl::StatusOr<std::shared_ptr<Session>> WhenRunning(
      const std::string& name, absl::Time deadline = absl::InfiniteFuture()) {
    absl::Notification done;
    absl::StatusOr<std::shared_ptr<Session>> result = absl::UnknownError("");
    (*manager)->WhenRunning(name, deadline, [&](auto got) {
      result = std::move(got);
      done.Notify();
    });
    EXPECT_TRUE(done.WaitForNotificationWithTimeout(absl::Seconds(20)));
    return result;
  }
  absl::Status WhyNot(const std::string& name, absl::Time deadline = absl::InfiniteFuture()) {
    return WhenRunning(name, deadline).status();
  }
};

TEST_F(SessionsTest, WhoHearsThatAnotherProcessHasComeMayAskTheSupervisor) {
  Install("hello");
  StartManager();
  ASSERT_TRUE(manager->Enable("hello").ok());
  const StartedProcess process = NextProcess();
  FakeModule module(*manager, "hello", process.token);
  module.registration.set_instance("one");
  ASSERT_TRUE(module.AttachAndServe()) << module.refusal.status;
  v1::AttachResponse command;
  command.mutable_run_command()->set_prefix("hello");
  module.session->Start(command, "with the module", absl::InfiniteFuture(), [](auto) {});
  absl::Status status;
  v1::ModuleInfo info;
  absl::Notification ended;
  module.session->Start(
      command, "waits", absl::InfiniteFuture(),
      [&](auto answer) {
        status = answer.status();
        info = manager->Info("hello");
        ended.Notify();
      },
      "one");
  module.Detach();
  FakeModule next(*manager, "hello", process.token);
  next.registration.set_instance("two");
  ASSERT_TRUE(next.AttachAndServe()) << next.refusal.status;
  ASSERT_TRUE(ended.WaitForNotificationWithTimeout(absl::Seconds(20)));
  EXPECT_TRUE(absl::IsAborted(status)) << status;
  EXPECT_EQ(info.pid(), process.pid);
}

TEST_F(SessionsTest, OptionsComeWithConfigureAndLaterChangesAfterIt) {
  StartManager();
  FakeModule module(*manager, "hello");
  auto& option = *module.registration.add_options();
  option.set_name("place");
  option.set_type(v1::OPTION_TYPE_STR);
  ASSERT_TRUE(module.Attach()) << module.refusal.status;
  bool found = false;
  const v1::AttachResponse configure = module.link->Next(Case::kConfigure);
  for (const auto& value : configure.configure().options()) found |= value.name() == "place";
  EXPECT_TRUE(found);
  manager->config().Set("mgr/hello/place", "Paris", "client",
                        [](auto set) { EXPECT_TRUE(set.ok()) << set.status(); });
  const v1::AttachResponse changed = module.link->Next(Case::kConfigChanged);
  ASSERT_EQ(changed.config_changed().options_size(), 1);
  EXPECT_EQ(changed.config_changed().options(0).name(), "place");
  EXPECT_EQ(changed.config_changed().options(0).value(), "Paris");
}

// Configure is the first message, and no value in it is newer than the last.
TEST_F(SessionsTest, AChangeDuringAttachIsNeitherLostNorTooEarly) {
  StartManager([](auto& options) { options.registrations_per_second = 1000; });
  std::atomic<bool> end = false;
  FakeModule declares(*manager, "hello");
  auto& option = *declares.registration.add_options();
  option.set_name("n");
  option.set_type(v1::OPTION_TYPE_INT);
  ASSERT_TRUE(declares.AttachAndServe());
  declares.Detach();
  std::thread setter([&] {
    for (int i = 1; !end; ++i) {
      absl::Notification done;
      manager->config().Set("mgr/hello/n", std::to_string(i), "client",
                            [&](auto) { done.Notify(); });
      done.WaitForNotification();
    }
  });
  for (int round = 0; round < 100; ++round) {
    FakeModule module(*manager, "hello");
    module.registration = declares.registration;
    EXPECT_TRUE(module.Attach());
    if (module.session == nullptr) break;
    EXPECT_EQ(module.link->Waiting().front(), Case::kConfigure);
    const v1::AttachResponse configure = module.link->Next(Case::kConfigure);
    int before = -1;
    for (const auto& value : configure.configure().options()) {
      if (value.name() == "n" && value.has_value()) {
        EXPECT_TRUE(absl::SimpleAtoi(value.value(), &before)) << value.DebugString();
      }
    }
    const v1::AttachResponse changed = module.link->Next(Case::kConfigChanged);
    int after = -1;
    EXPECT_TRUE(absl::SimpleAtoi(changed.config_changed().options(0).value(), &after));
    EXPECT_GE(after, before);
    module.Detach();
  }
  end = true;
  setter.join();
}

TEST_F(SessionsTest, HeartbeatsKeepASessionAndSilenceEndsIt) {
  Install("hello", "exec sleep 600");
  StartManager([](auto& options) { options.heartbeat_interval = absl::Milliseconds(30); });
  const auto module = StartModule("hello");
  const auto pid = static_cast<pid_t>(manager->Info("hello").pid());
  for (int i = 0; i < 6; ++i) {
    v1::AttachRequest heartbeat;
    heartbeat.mutable_heartbeat()->set_sequence(module->link->Next(Case::kPing).ping().sequence());
    (*manager)->Handle(module->session, heartbeat);
  }
  EXPECT_EQ(manager->Info("hello").state(), v1::MODULE_STATE_RUNNING);
  ASSERT_TRUE(manager->AwaitState("hello", v1::MODULE_STATE_BACKOFF));
  EXPECT_EQ(manager->Info("hello").reason(), "did not answer 3 heartbeats in 90ms");
  EXPECT_TRUE(AwaitEnd(pid));
  NextProcess();
}

TEST_F(SessionsTest, OneStartedByHandThatIsSilentIsForgotten) {
  StartManager([](auto& options) { options.heartbeat_interval = absl::Milliseconds(20); });
  FakeModule module(*manager, "hand");
  ASSERT_TRUE(module.AttachAndServe());
  EXPECT_TRUE(manager->Await("hand", [](const auto& info) { return info.name().empty(); }));
  EXPECT_EQ(module.link->closed(), absl::UnavailableError("did not answer 3 heartbeats in 60ms"));
  EXPECT_THAT(manager->HealthDetail("MGR_MODULE_ERROR"), IsEmpty());
}

TEST_F(SessionsTest, ALostSessionIsWaitedForAndComesBack) {
  Install("hello");
  StartManager();
  ASSERT_TRUE(manager->Enable("hello").ok());
  const StartedProcess process = NextProcess();
  FakeModule first(*manager, "hello", process.token);
  ASSERT_TRUE(first.AttachAndServe());
  first.Detach("has lost its session");
  EXPECT_EQ(manager->Info("hello").state(), v1::MODULE_STATE_STARTING);
  EXPECT_EQ(manager->Info("hello").reason(), "lost its session; is expected to attach again");
  EXPECT_EQ(manager->Info("hello").pid(), process.pid);
  FakeModule second(*manager, "hello", process.token);
  ASSERT_TRUE(second.AttachAndServe());
  EXPECT_EQ(manager->Info("hello").restarts(), 0u);
}

TEST_F(SessionsTest, AServeThatFailsIsStartedAgainAndOneThatReturnsIsNot) {
  Install("hello");
  StartManager();
  const auto module = StartModule("hello");
  module->SendServeStatus(v1::ServeStatus::STATE_RETURNED);
  EXPECT_EQ(manager->Info("hello").state(), v1::MODULE_STATE_RUNNING);
  EXPECT_EQ(manager->Info("hello").reason(), "serve() has returned; commands are answered");
  EXPECT_TRUE((*manager)->IsRunning("hello"));
  module->SendServeStatus(v1::ServeStatus::STATE_FAILED, "KeyError: 'x'");
  EXPECT_FALSE((*manager)->IsRunning("hello"));
  ASSERT_TRUE(manager->AwaitState("hello", v1::MODULE_STATE_BACKOFF));
  EXPECT_EQ(manager->Info("hello").reason(), "serve() failed: KeyError: 'x'");
  EXPECT_EQ(WhenRunning("hello", internal::SteadyNow()).status().code(),
            absl::StatusCode::kUnavailable);
  FakeModule next(*manager, "hello", NextProcess().token);
  EXPECT_TRUE(next.AttachAndServe());
  EXPECT_THAT(manager->HealthDetail("MGR_MODULE_ERROR"), IsEmpty());
  EXPECT_EQ(manager->HealthDetail("RECENT_MGR_MODULE_CRASH").size(), 1u);
}

TEST_F(SessionsTest, WhatCannotRunStaysAndSaysWhy) {
  Install("influx");
  StartManager();
  ASSERT_TRUE(manager->Enable("influx").ok());
  FakeModule module(*manager, "influx", NextProcess().token);
  module.registration.set_can_run(false);
  module.registration.set_can_run_error("influxdb python module not found");
  ASSERT_TRUE(module.Attach());
  module.SendConfigured();
  EXPECT_EQ(manager->Info("influx").state(), v1::MODULE_STATE_CANNOT_RUN);
  EXPECT_THAT(manager->HealthDetail("MGR_MODULE_DEPENDENCY"),
              ElementsAre("Module 'influx' has failed dependency: influxdb python module not "
                          "found"));
  EXPECT_EQ(WhyNot("influx"),
            absl::InternalError("module 'influx' cannot run: influxdb python module not found"));
  EXPECT_THAT(module.link->Waiting(), ElementsAre(Case::kConfigure)) << "no Serve";
}

TEST_F(SessionsTest, WhatItRaisedInHealthGoesWithIt) {
  Install("hello");
  StartManager();
  const auto module = StartModule("hello");
  v1::HealthCheck check;
  check.set_code("HELLO_SAD");
  check.set_severity(v1::SEVERITY_WARNING);
  check.set_summary("sad");
  check.add_detail("very");
  ASSERT_TRUE(manager->health().Set("hello", {check}).ok());
  ASSERT_EQ(manager->HealthDetail("HELLO_SAD").size(), 1u);
  ASSERT_TRUE(manager->Disable("hello").ok());
  EXPECT_THAT(manager->HealthDetail("HELLO_SAD"), IsEmpty());
}

TEST_F(SessionsTest, WhyAModuleDoesNotTakeCommands) {
  Install("hello");
  Install("picky", "exit 78");
  Install("crashy", "echo oops; exit 1");
  StartManager([](auto& options) {
    options.policy.first_backoff = absl::Seconds(15);
    options.policy.max_backoff = absl::Seconds(15);
  });
  EXPECT_EQ(WhyNot("helo"),
            absl::FailedPreconditionError("module 'helo' is not known; did you mean 'hello'?"));
  EXPECT_EQ(WhyNot("hello"),
            absl::FailedPreconditionError("Module 'hello' is not enabled/loaded: use `outpost "
                                          "module enable hello` to enable it"));
  ASSERT_TRUE(manager->Enable("picky", absl::Seconds(20)).ok());
  EXPECT_EQ(WhyNot("picky"),
            absl::InternalError("module 'picky' has experienced an error and cannot handle "
                                "commands: ended with exit status 78; mend it, then `outpost "
                                "module restart picky`"));
  ASSERT_TRUE(manager->Enable("crashy", absl::Seconds(20)).ok());
  const absl::Status backoff = WhyNot("crashy");
  EXPECT_EQ(backoff.code(), absl::StatusCode::kUnavailable);
  const auto soon = MatchesRegex(
      "module 'crashy' has failed and is started again in [0-9.]+s: ended with exit status 1: "
      "oops");
  EXPECT_THAT(std::string(backoff.message()), soon);
  event::StepWallClock(-absl::Hours(1));
  EXPECT_THAT(std::string(WhyNot("crashy").message()), soon) << "whoever sets the clock";
  event::StepWallClock(absl::ZeroDuration());
  ASSERT_TRUE(manager->Enable("hello").ok());
  EXPECT_EQ(WhyNot("hello", internal::SteadyNow() + absl::Milliseconds(30)),
            absl::UnavailableError("module 'hello' is still starting"));
  (*manager)->Stop();
  EXPECT_EQ(WhyNot("hello"), absl::UnavailableError("module 'hello': the manager stops"));
}

TEST_F(SessionsTest, CommandsWaitForAModuleThatComesAndThenGoToIt) {
  Install("hello");
  StartManager();
  ASSERT_TRUE(manager->Enable("hello").ok());
  absl::Notification delivered;
  std::shared_ptr<Session> got;
  (*manager)->WhenRunning("hello", absl::InfiniteFuture(), [&](auto session) {
    EXPECT_TRUE(session.ok()) << session.status();
    if (session.ok()) got = *session;
    delivered.Notify();
  });
  FakeModule module(*manager, "hello", NextProcess().token);
  ASSERT_TRUE(module.Attach());
  EXPECT_FALSE(delivered.HasBeenNotified()) << "not before it serves";
  module.Serve();
  ASSERT_TRUE(delivered.WaitForNotificationWithTimeout(absl::Seconds(20)));
  EXPECT_EQ(got, module.session);
}

TEST_F(SessionsTest, ARestartHoldsCommandsAndADisableDoesNot) {
  Install("hello", "exec sleep 600");
  StartManager();
  const auto module = StartModule("hello");
  absl::Notification delivered;
  (*manager)->Restart("hello", "client", absl::Seconds(20), [](auto) {});
  (*manager)->WhenRunning("hello", absl::InfiniteFuture(), [&](auto session) {
    EXPECT_TRUE(session.ok()) << session.status();
    delivered.Notify();
  });
  EXPECT_EQ(WhyNot("hello", internal::SteadyNow() + absl::Milliseconds(10)),
            absl::UnavailableError("module 'hello' is being restarted"));
  module->link->Next(Case::kDrain);
  module->SendDrained();
  module->Detach();
  FakeModule next(*manager, "hello", NextProcess().token);
  ASSERT_TRUE(next.AttachAndServe());
  EXPECT_TRUE(delivered.WaitForNotificationWithTimeout(absl::Seconds(20)));

  absl::Notification refused;
  (*manager)->Disable("hello", "client", [](auto) {});
  ASSERT_TRUE(manager->AwaitState("hello", v1::MODULE_STATE_DRAINING));
  EXPECT_EQ(WhyNot("hello").code(), absl::StatusCode::kFailedPrecondition);
}

// A command that is sent to a module, and what became of it.
struct Asked {
  absl::Notification done;
  absl::Status status;

  void Start(Session& session, const std::string& prefix) {
    v1::AttachResponse run;
    run.mutable_run_command()->set_prefix(prefix);
    session.Start(run, prefix, absl::InfiniteFuture(), [this](auto answer) {
      status = answer.status();
      done.Notify();
    });
  }
  absl::Status Wait() {
    EXPECT_TRUE(done.WaitForNotificationWithTimeout(absl::Seconds(20)));
    return status;
  }
};

TEST_F(SessionsTest, WhatAModuleWasNeverAskedGoesToItsNextProcess) {
  Install("hello", "exec sleep 600");
  StartManager();
  const auto module = StartModule("hello");
  Asked sent, waiting;
  sent.Start(*module->session, "sent");
  waiting.Start(*module->session, "waiting");
  kill(static_cast<pid_t>(manager->Info("hello").pid()), SIGKILL);
  EXPECT_TRUE(absl::IsAborted(sent.Wait()));
  FakeModule next(*manager, "hello", NextProcess().token);
  ASSERT_TRUE(next.AttachAndServe()) << next.refusal.status;
  const auto run = next.link->Next(Case::kRunCommand).run_command();
  EXPECT_EQ(run.prefix(), "waiting") << "and not what had been sent";
  v1::AttachRequest answer;
  answer.mutable_command_result()->set_id(run.id());
  next.session->HandleAnswer(run.id(), answer);
  EXPECT_EQ(waiting.Wait(), absl::OkStatus());
}

TEST_F(SessionsTest, WhereTheNextProcessIsFarOffItIsToldSo) {
  Install("hello", "exec sleep 600");
  StartManager([](auto& options) {
    options.policy.first_backoff = absl::Seconds(15);
    options.policy.max_backoff = absl::Seconds(15);
  });
  const auto module = StartModule("hello");
  Asked sent, waiting;
  sent.Start(*module->session, "sent");
  waiting.Start(*module->session, "waiting");
  kill(static_cast<pid_t>(manager->Info("hello").pid()), SIGKILL);
  EXPECT_TRUE(absl::IsAborted(sent.Wait()));
  EXPECT_EQ(waiting.Wait().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(waiting.status.message()),
              MatchesRegex("module 'hello' has failed and is started again in [0-9.]+s: .*"));
}

// Its end may be noticed late: nobody is sent to a process that is not there any more.
TEST_F(SessionsTest, WhatComesAfterTheEndOfAProcessWaitsForTheNext) {
  Install("hello", "exec sleep 600");
  StartManager([](auto& options) {
    options.policy.max_backoff = absl::Milliseconds(20);
    options.policy.start_limit = 0;
  });
  auto module = StartModule("hello");
  for (int round = 0; round < 20; ++round) {
    const auto pid = static_cast<pid_t>(manager->Info("hello").pid());
    kill(pid, SIGKILL);
    ASSERT_TRUE(AwaitEnd(pid));
    absl::Notification delivered;
    std::shared_ptr<Session> got;
    (*manager)->WhenRunning("hello", absl::InfiniteFuture(), [&](auto session) {
      EXPECT_TRUE(session.ok()) << session.status();
      if (session.ok()) got = *session;
      delivered.Notify();
    });
    auto next = std::make_unique<FakeModule>(*manager, "hello", NextProcess().token);
    ASSERT_TRUE(next->AttachAndServe()) << next->refusal.status;
    ASSERT_TRUE(delivered.WaitForNotificationWithTimeout(absl::Seconds(20)));
    EXPECT_EQ(got, next->session);
    module = std::move(next);
  }
}

// The moment at which a module begins to take commands belongs to nobody: each
// caller gets the session, none an error.
TEST_F(SessionsTest, NoCommandFallsBetweenStartingAndRunning) {
  StartManager();
  for (int round = 0; round < 50; ++round) {
    FakeModule module(*manager, "hand");
    ASSERT_TRUE(module.Attach());
    std::atomic<bool> serving = false;
    std::vector<std::thread> callers;
    callers.reserve(2);
    std::atomic<int> asked = 0, answered = 0;
    for (int i = 0; i < 2; ++i) {
      callers.emplace_back([&] {
        do {
          if (asked - answered > 500) continue;  // no more than 1024 may wait
          ++asked;
          (*manager)->WhenRunning("hand", absl::InfiniteFuture(), [&](auto session) {
            EXPECT_TRUE(session.ok()) << session.status();
            ++answered;
          });
        } while (!serving);
      });
    }
    module.SendConfigured();
    module.SendServeStatus(v1::ServeStatus::STATE_RUNNING);
    serving = true;
    for (std::thread& caller : callers) caller.join();
    EXPECT_EQ(answered, asked);
    module.Detach();
  }
}

}  // namespace
}  // namespace outpost::module
