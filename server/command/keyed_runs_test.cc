#include "server/command/keyed_runs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "server/module/supervisor_fixture.h"

namespace outpost::command {
namespace {

using testing::HasSubstr;
using Case = module::RecordingLink::Case;

class NoCluster : public cluster::Source {
 public:
  absl::string_view name() const override { return "none"; }
  absl::Status Start() override { return absl::OkStatus(); }
  void Stop() override {}
  void RunCommand(cluster::ClusterCommand, ResultCallback done) override { done({}); }
  std::vector<Declaration> Commands() const override { return {}; }
  void OnCommandsChanged(std::function<void()>) override {}
};

// The command "work" of the manager runs until the test says what it returns; a new KeyedRuns
// over the same store is what a manager that was started again has.
class KeyedRunsTest : public module::SupervisorTest {
 protected:
  struct Answer {
    absl::Mutex mu;
    std::optional<KeyedRuns::Outcome> outcome ABSL_GUARDED_BY(mu);
    bool there() ABSL_SHARED_LOCKS_REQUIRED(mu) { return outcome.has_value(); }
    KeyedRuns::Outcome Await() {
      absl::MutexLock lock(&mu);
      const bool came =
          mu.AwaitWithTimeout(absl::Condition(this, &Answer::there), absl::Seconds(20));
      EXPECT_TRUE(came);
      return came ? *outcome : KeyedRuns::Outcome{.status = absl::UnknownError("none came")};
    }
  };

  KeyedRunsTest() {
    StartManager();
    router_ = std::make_unique<module::CallRouter>(&manager->supervisor());
    dispatcher_ = std::make_unique<Dispatcher>(&manager->commands(), router_.get(), &source_);
    dispatcher_->AddBuiltin({"work name=what,type=CephString,req=false", "", "rw", false},
                            [this](const BuiltinCall&, ResultCallback done) {
                              absl::MutexLock lock(&mu_);
                              ++begun_;
                              working_.push_back(std::move(done));
                            });
    EXPECT_TRUE(dispatcher_->PublishBuiltins().ok());
    runs_ = Make();
  }
  ~KeyedRunsTest() override { End(); }

  std::unique_ptr<KeyedRuns> Make(KeyedRunsOptions options = {}) {
    return std::make_unique<KeyedRuns>(
        dispatcher_.get(), &manager->store(),
        KeyedRuns::Instances{
            .now = [this](const std::string& name) { return (*manager)->InstanceOf(name); },
            .when_running =
                [this](const std::string& name, absl::Time deadline,
                       absl::AnyInvocable<void(std::string)> then) {
                  if (before_running_) before_running_();
                  (*manager)->WhenRunning(
                      name, deadline, [then = std::move(then)](auto session) mutable {
                        then(session.ok() ? (*session)->registration().instance() : "");
                      });
                }},
        options, [this] { return now_; });
  }

  std::shared_ptr<Answer> Ask(KeyedRuns& runs, const std::string& key,
                              std::vector<std::string> words = {"work"},
                              const std::string& caller = "client",
                              std::function<absl::Status(const Match&)> authorize = nullptr) {
    auto answer = std::make_shared<Answer>();
    Request request;
    request.words = std::move(words);
    request.caller = caller;
    request.authorize = std::move(authorize);
    runs.Run(key, std::move(request), [answer](KeyedRuns::Outcome outcome) {
      absl::MutexLock lock(&answer->mu);
      EXPECT_FALSE(answer->outcome.has_value());
      answer->outcome = std::move(outcome);
    });
    return answer;
  }
  // Does `something` between when a command is asked for and when it is noted that it begins.
  void BeforeTheNextBegins(const std::function<void()>& something) {
    const auto busy = std::make_shared<absl::Notification>();
    const auto go_on = std::make_shared<absl::Notification>();
    manager->store().Write({.conditions = {}, .changes = {{"test", "busy"}}},
                           [busy, go_on](const absl::Status&) {
                             busy->Notify();
                             go_on->WaitForNotification();
                           });
    busy->WaitForNotification();
    something();
    go_on->Notify();
  }
  void Offer(std::vector<Declaration> declarations) {
    EXPECT_TRUE(manager->commands().SetCommands({}, std::move(declarations)).ok());
  }
  // Waits until `count` have begun, in all.
  bool Begun(int count) {
    const auto enough = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return begun_ >= count; };
    absl::MutexLock lock(&mu_);
    return mu_.AwaitWithTimeout(absl::Condition(&enough), absl::Seconds(20)) && begun_ == count;
  }
  // All that works returns this.
  void End(const Result& result = {}) {
    std::vector<ResultCallback> working;
    {
      absl::MutexLock lock(&mu_);
      working.swap(working_);
    }
    for (ResultCallback& done : working) done(result);
  }

  NoCluster source_;
  std::unique_ptr<module::CallRouter> router_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::function<void()> before_running_;
  event::Moment now_ = {absl::FromUnixSeconds(1'700'000'000), absl::Hours(100)};
  absl::Mutex mu_;
  int begun_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<ResultCallback> working_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<KeyedRuns> runs_;
};

TEST_F(KeyedRunsTest, OnceHoweverOftenItIsAskedFor) {
  const auto first = Ask(*runs_, "k");
  ASSERT_TRUE(Begun(1));
  const auto second = Ask(*runs_, "k");
  End({.retval = 3, .out = "out\xff", .err = "err"});
  const KeyedRuns::Outcome outcome = first->Await();
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_FALSE(outcome.replayed);
  EXPECT_TRUE(second->Await().replayed);
  for (const auto& answer : {second, Ask(*runs_, "k"), Ask(*Make(), "k")}) {
    const KeyedRuns::Outcome again = answer->Await();
    ASSERT_TRUE(again.status.ok()) << again.status;
    EXPECT_TRUE(again.replayed);
    EXPECT_EQ(again.response.result.retval, 3);
    EXPECT_EQ(again.response.result.out, "out\xff");
    EXPECT_EQ(again.response.result.err, "err");
    EXPECT_EQ(again.response.prefix, "work");
    EXPECT_EQ(again.response.provider, "manager");
  }
  EXPECT_TRUE(Begun(1));
}

TEST_F(KeyedRunsTest, AKeyIsOfItsCallerAndOfOneCommand) {
  Ask(*runs_, "k");
  ASSERT_TRUE(Begun(1));
  const KeyedRuns::Outcome other = Ask(*runs_, "k", {"work", "more"})->Await();
  EXPECT_TRUE(absl::IsInvalidArgument(other.status)) << other.status;
  EXPECT_EQ(other.reason, "KEY_REUSED");
  Ask(*runs_, "k", {"work", "more"}, "user/bob");
  Ask(*runs_, "k2");
  EXPECT_TRUE(Begun(3));
}

TEST_F(KeyedRunsTest, WhatWasNotBegunIsNotRemembered) {
  const KeyedRuns::Outcome unknown = Ask(*runs_, "k", {"wrok"})->Await();
  ASSERT_TRUE(unknown.status.ok());
  EXPECT_EQ(unknown.response.result.retval, -EINVAL);
  EXPECT_EQ(runs_->size(), 0);
  const auto again = Ask(*runs_, "again");
  ASSERT_TRUE(Begun(1));
  End({.retval = -EAGAIN});
  EXPECT_EQ(again->Await().response.result.retval, -EAGAIN);
  Ask(*runs_, "again");
  EXPECT_TRUE(Begun(2));
}

TEST_F(KeyedRunsTest, WhatAManagerDiedOverIsNotRunAgain) {
  Ask(*runs_, "k");
  ASSERT_TRUE(Begun(1));
  const auto next = Make();
  for (int i = 0; i < 2; ++i) {
    const KeyedRuns::Outcome outcome = Ask(*next, "k")->Await();
    EXPECT_TRUE(absl::IsAborted(outcome.status)) << outcome.status;
    EXPECT_EQ(outcome.reason, "OUTCOME_UNKNOWN");
    EXPECT_THAT(outcome.status.message(), HasSubstr("not run again"));
  }
  EXPECT_TRUE(Begun(1));
}

TEST_F(KeyedRunsTest, NobodyRunsWhatTheyMayNot) {
  const auto readers_may = [](const Match& match) {
    return match.command->declaration.permissions == "r" ? absl::OkStatus()
                                                         : absl::PermissionDeniedError("no");
  };
  EXPECT_EQ(Ask(*runs_, "k", {"work"}, "user/bob", readers_may)->Await().response.refused,
            absl::PermissionDeniedError("no"));
  // What is offered only later is not theirs either.
  Offer({});
  std::shared_ptr<Answer> unknown;
  BeforeTheNextBegins([&] {
    unknown = Ask(*runs_, "k", {"work"}, "user/bob", readers_may);
    Offer({{"work", "", "rw"}});
  });
  EXPECT_EQ(unknown->Await().response.result.retval, -EINVAL);
  // Nor is what becomes another.
  Offer({{"work", "", "r"}});
  std::shared_ptr<Answer> another;
  BeforeTheNextBegins([&] {
    another = Ask(*runs_, "k", {"work"}, "user/bob", readers_may);
    Offer({{"work", "", "rw"}});
  });
  EXPECT_TRUE(absl::IsUnavailable(another->Await().status)) << another->Await().status;
  EXPECT_TRUE(Begun(0));
  EXPECT_EQ(runs_->size(), 0);
  Offer({{"work", "", "r"}});
  Ask(*runs_, "k", {"work"}, "user/bob", readers_may);
  EXPECT_TRUE(Begun(1));
}

TEST_F(KeyedRunsTest, WhatIsNotOfferedNowIsToldWhenItIs) {
  const auto first = Ask(*runs_, "k");
  ASSERT_TRUE(Begun(1));
  End({.out = "done"});
  first->Await();
  const auto next = Make();
  Offer({});
  const KeyedRuns::Outcome now = Ask(*next, "k")->Await();
  EXPECT_TRUE(absl::IsUnavailable(now.status)) << now.status;
  EXPECT_EQ(Ask(*next, "k", {"wrok"})->Await().reason, "KEY_REUSED");
  Offer({{"work", "", "rw"}});
  const KeyedRuns::Outcome later = Ask(*next, "k")->Await();
  EXPECT_TRUE(later.replayed);
  EXPECT_EQ(later.response.result.out, "done");
  EXPECT_TRUE(Begun(1));
}

TEST_F(KeyedRunsTest, WhatWasBegunIsNotForgottenWhereItMayNotBeAskedForAgain) {
  module::FakeModule fake(*manager, "fake");
  v1::CommandDescriptor* toil = fake.registration.add_commands();
  toil->set_signature("toil");
  toil->set_permissions("r");
  fake.registration.set_instance("one");
  ASSERT_TRUE(fake.AttachAndServe());
  const auto anybody_may = [](const Match&) { return absl::OkStatus(); };
  Ask(*runs_, "k", {"toil"}, "user/bob", anybody_may);
  const uint64_t id = fake.link->Next(Case::kRunCommand).run_command().id();
  const auto next = Make();
  before_running_ = [&] {
    const Provider provider = {Provider::Kind::kModule, "fake"};
    EXPECT_TRUE(manager->commands().SetCommands(provider, {{"toil", "", "rw"}}).ok());
  };
  const KeyedRuns::Outcome changed = Ask(*next, "k", {"toil"}, "user/bob", anybody_may)->Await();
  EXPECT_TRUE(absl::IsUnavailable(changed.status)) << changed.status;
  EXPECT_EQ(next->size(), 1);
  EXPECT_THAT(fake.link->Waiting(), testing::Not(testing::Contains(Case::kRunCommand)));
  v1::AttachRequest done;
  done.mutable_command_result()->set_id(id);
  fake.session->HandleAnswer(id, std::move(done));
}

TEST_F(KeyedRunsTest, AModuleThatLivesOnIsAskedForWhatItWasGiven) {
  module::FakeModule fake(*manager, "fake");
  fake.registration.add_commands()->set_signature("toil");
  fake.registration.set_instance("one");
  fake.registration.set_max_concurrency(2);  // here both managers have the same session
  ASSERT_TRUE(fake.AttachAndServe());
  Ask(*runs_, "k", {"toil"});
  const auto given = fake.link->Next(Case::kRunCommand).run_command();
  EXPECT_FALSE(given.idempotency_key().empty());
  const auto next = Make();
  const auto answer = Ask(*next, "k", {"toil"});
  const auto asked = fake.link->Next(Case::kRunCommand).run_command();
  EXPECT_EQ(asked.idempotency_key(), given.idempotency_key());
  for (const uint64_t id : {given.id(), asked.id()}) {
    v1::AttachRequest done;
    done.mutable_command_result()->set_id(id);
    done.mutable_command_result()->mutable_result()->set_stdout("done");
    fake.session->HandleAnswer(id, std::move(done));
  }
  const KeyedRuns::Outcome outcome = answer->Await();
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_TRUE(outcome.replayed);
  EXPECT_EQ(outcome.response.result.out, "done");
}

TEST_F(KeyedRunsTest, AnotherProcessIsNotAskedForWhatTheLastWasGiven) {
  module::FakeModule fake(*manager, "fake");
  fake.registration.add_commands()->set_signature("toil");
  fake.registration.set_instance("one");
  ASSERT_TRUE(fake.AttachAndServe());
  const auto lost = Ask(*runs_, "k", {"toil"});
  fake.link->Next(Case::kRunCommand);
  const auto next = Make();
  fake.Detach();
  EXPECT_EQ(lost->Await().response.result.retval, -EIO);
  fake.registration.set_instance("two");
  fake.link = std::make_shared<module::RecordingLink>();
  ASSERT_TRUE(fake.AttachAndServe());
  // This manager knows how it ended; the next one, which began before that, does not.
  EXPECT_EQ(Ask(*runs_, "k", {"toil"})->Await().response.result.retval, -EIO);
  EXPECT_EQ(Ask(*next, "k", {"toil"})->Await().reason, "OUTCOME_UNKNOWN");
}

TEST_F(KeyedRunsTest, WhatAProcessMayHaveForgottenItIsNotAskedFor) {
  module::FakeModule fake(*manager, "fake");
  fake.registration.add_commands()->set_signature("toil");
  fake.registration.set_instance("one");
  fake.registration.set_max_concurrency(10);
  ASSERT_TRUE(fake.AttachAndServe());
  std::vector<uint64_t> given;
  for (const char* key : {"soon", "late", "set", "booted"}) {
    Ask(*runs_, key, {"toil"});
    given.push_back(fake.link->Next(Case::kRunCommand).run_command().id());
  }
  const event::Moment begun = now_;
  now_ = begun + absl::Minutes(8);
  const auto next = Make();
  now_ = begun + (absl::Minutes(9) - absl::Seconds(1));
  const auto soon = Ask(*next, "soon", {"toil"});
  given.push_back(fake.link->Next(Case::kRunCommand).run_command().id());
  now_ = begun + absl::Minutes(9);
  EXPECT_EQ(Ask(*next, "late", {"toil"})->Await().reason, "OUTCOME_UNKNOWN");
  // Nor where it can't be said how long ago that was.
  now_ = {begun.wall - absl::Hours(1), begun.steady + absl::Minutes(1)};
  EXPECT_EQ(Ask(*Make(), "set", {"toil"})->Await().reason, "OUTCOME_UNKNOWN");
  now_ = {begun.wall + absl::Minutes(1), absl::Minutes(1)};
  EXPECT_EQ(Ask(*Make(), "booted", {"toil"})->Await().reason, "OUTCOME_UNKNOWN");
  EXPECT_THAT(fake.link->Waiting(), testing::Not(testing::Contains(Case::kRunCommand)));
  for (const uint64_t id : given) {
    v1::AttachRequest done;
    done.mutable_command_result()->set_id(id);
    fake.session->HandleAnswer(id, std::move(done));
  }
  EXPECT_TRUE(soon->Await().replayed);
}

TEST_F(KeyedRunsTest, ResultsAreForgottenAfterATime) {
  const auto first = Ask(*runs_, "k");
  ASSERT_TRUE(Begun(1));
  End();
  first->Await();
  now_ = now_ + (absl::Minutes(10) - absl::Seconds(1));
  EXPECT_TRUE(Ask(*runs_, "k")->Await().replayed);
  now_ = now_ + absl::Seconds(1);
  Ask(*runs_, "k");
  EXPECT_TRUE(Begun(2));
}

TEST_F(KeyedRunsTest, WhoSetsTheClockMakesNothingOlderOrYounger) {
  int begun = 0;
  for (const absl::Duration step : {absl::Hours(1), -absl::Hours(1)}) {
    SCOPED_TRACE(step);
    const std::string key = step > absl::ZeroDuration() ? "forward" : "back";
    const auto first = Ask(*runs_, key);
    ASSERT_TRUE(Begun(++begun));
    End();
    first->Await();
    now_.wall += step;
    EXPECT_TRUE(Ask(*runs_, key)->Await().replayed);
    const auto next = Make();
    EXPECT_TRUE(Ask(*next, key)->Await().replayed);
    now_ = now_ + absl::Minutes(10);
    for (KeyedRuns* runs : {runs_.get(), next.get()}) {
      const auto again = Ask(*runs, key);
      ASSERT_TRUE(Begun(++begun));
      End();
      again->Await();
    }
  }
}

TEST_F(KeyedRunsTest, AfterAStartOfTheMachineTheWallClockCounts) {
  const auto first = Ask(*runs_, "k");
  ASSERT_TRUE(Begun(1));
  End();
  first->Await();
  now_ = {now_.wall + absl::Minutes(9), absl::Minutes(1)};
  const auto next = Make();
  EXPECT_TRUE(Ask(*next, "k")->Await().replayed);
  now_ = now_ + absl::Minutes(1);
  Ask(*next, "k");
  EXPECT_TRUE(Begun(2));
  End();
}

TEST_F(KeyedRunsTest, LimitsOfKeysAndOfResults) {
  const auto runs = Make({.max_keys = 2, .max_result_bytes = 3});
  const auto large = Ask(*runs, "large");
  ASSERT_TRUE(Begun(1));
  End({.retval = 0, .out = "1234"});
  EXPECT_EQ(large->Await().response.result.out, "1234");
  const KeyedRuns::Outcome again = Ask(*runs, "large")->Await();
  EXPECT_EQ(again.reason, "OUTCOME_UNKNOWN");
  EXPECT_THAT(again.status.message(), HasSubstr("its output of 4 bytes"));
  Ask(*runs, "second");
  ASSERT_TRUE(Begun(2));
  EXPECT_TRUE(absl::IsResourceExhausted(Ask(*runs, "third")->Await().status));
  End();
  for (const std::string& key :
       {std::string(), std::string(129, 'x'), std::string("a b"), std::string("\x01")}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Ask(*runs, key)->Await().status)) << key;
  }
}

}  // namespace
}  // namespace outpost::command
