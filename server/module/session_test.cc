#include "server/module/session.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/time_util.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "outpost/internal/steady_wait.h"
#include "server/module/recording_link.h"

namespace outpost::module {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Case = v1::AttachResponse::MessageCase;

v1::AttachResponse Command(const std::string& prefix) {
  v1::AttachResponse message;
  message.mutable_run_command()->set_prefix(prefix);
  return message;
}

v1::AttachRequest CommandAnswer(RequestId id, int retval = 0) {
  v1::AttachRequest answer;
  answer.mutable_command_result()->set_id(id);
  answer.mutable_command_result()->mutable_result()->set_retval(retval);
  return answer;
}

// What became of one request.
struct Outcome {
  absl::Notification done;
  std::atomic<int> calls = 0;
  absl::Status status;
  v1::AttachRequest answer;

  Session::AnswerCallback Callback() {
    return [this](Session::Answer got) {
      if (++calls > 1) return;
      status = got.status();
      if (got.ok()) answer = *std::move(got);
      done.Notify();
    };
  }
  bool Wait() { return done.WaitForNotificationWithTimeout(absl::Seconds(20)); }
};

class SessionTest : public testing::Test {
 protected:
  void Open(uint32_t max_concurrency) {
    v1::Register registration;
    registration.set_name("hello");
    registration.set_max_concurrency(max_concurrency);
    session_ = Session::Create("key", registration, link_, &timers_, counters_);
  }
  RequestId Start(Outcome& outcome, absl::Time deadline = absl::InfiniteFuture(),
                  const std::string& prefix = "hello") {
    return session_->Start(Command(prefix), "command \"" + prefix + "\"", deadline,
                           outcome.Callback());
  }

  event::TimerQueue timers_;
  std::shared_ptr<RecordingLink> link_ = std::make_shared<RecordingLink>();
  std::shared_ptr<RequestsOfModule> counters_ = std::make_shared<RequestsOfModule>();
  std::shared_ptr<Session> session_;
};

TEST_F(SessionTest, WhatOnlyOneProcessMayBeGivenGoesToNoOther) {
  v1::Register registration;
  registration.set_name("hello");
  registration.set_max_concurrency(1);
  registration.set_instance("one");
  session_ = Session::Create("key", registration, link_, &timers_, counters_);
  registration.set_instance("two");
  const auto link = std::make_shared<RecordingLink>();
  const auto next = Session::Create("key2", registration, link, &timers_, counters_);
  Outcome wrong, with_module, waits, waits_for_any;
  const auto start = [this](Outcome& outcome, const std::string& only) {
    session_->Start(Command("hello"), "command \"hello\"", absl::InfiniteFuture(),
                    outcome.Callback(), only);
  };
  start(wrong, "two");
  ASSERT_TRUE(wrong.Wait());
  EXPECT_TRUE(absl::IsAborted(wrong.status)) << wrong.status;
  start(with_module, "one");
  start(waits, "one");
  start(waits_for_any, "");
  auto end_the_others = session_->HandOver(next);
  EXPECT_EQ(waits.calls, 0) << "a lock may be held";
  end_the_others();
  ASSERT_TRUE(waits.Wait());
  EXPECT_TRUE(absl::IsAborted(waits.status)) << waits.status;
  const auto given = link->Next(Case::kRunCommand).run_command();
  next->HandleAnswer(given.id(), CommandAnswer(given.id()));
  ASSERT_TRUE(waits_for_any.Wait());
  EXPECT_TRUE(waits_for_any.status.ok()) << waits_for_any.status;
  EXPECT_EQ(waits.calls, 1);
  session_->Lost("has gone");
}

TEST_F(SessionTest, AnAnswerEndsItsRequest) {
  Open(2);
  Outcome first, second;
  const RequestId a = Start(first);
  const RequestId b = Start(second);
  EXPECT_NE(a, b);
  EXPECT_EQ(link_->Next(Case::kRunCommand).run_command().id(), a);
  EXPECT_EQ(link_->Next(Case::kRunCommand).run_command().id(), b);
  EXPECT_EQ(session_->in_flight(), 2u);
  session_->HandleAnswer(b, CommandAnswer(b, -5));
  ASSERT_TRUE(second.Wait());
  EXPECT_EQ(second.answer.command_result().result().retval(), -5);
  EXPECT_EQ(first.calls, 0);
  session_->HandleAnswer(a, CommandAnswer(a));
  ASSERT_TRUE(first.Wait());
  EXPECT_TRUE(first.status.ok());
  EXPECT_EQ(session_->in_flight(), 0u);
}

TEST_F(SessionTest, NoMoreThanItsConcurrencyAreWithTheModuleAndTheRestKeepTheirOrder) {
  Open(2);
  std::vector<Outcome> outcomes(5);
  std::vector<RequestId> ids;
  for (size_t i = 0; i < outcomes.size(); ++i) {
    ids.push_back(Start(outcomes[i], absl::InfiniteFuture(), std::to_string(i)));
  }
  EXPECT_THAT(link_->Waiting(), ElementsAre(Case::kRunCommand, Case::kRunCommand));
  for (size_t i = 0; i < outcomes.size(); ++i) {
    EXPECT_EQ(link_->Next(Case::kRunCommand).run_command().prefix(), std::to_string(i));
    session_->HandleAnswer(ids[i], CommandAnswer(ids[i]));
    EXPECT_EQ(outcomes[i].calls, 1);
  }
  EXPECT_THAT(link_->Waiting(), IsEmpty());
}

TEST_F(SessionTest, ConcurrencyZeroMeansOne) {
  Open(0);
  Outcome first, second;
  Start(first);
  Start(second);
  EXPECT_THAT(link_->Waiting(), SizeIs(1));
  session_->Lost("is gone");
}

TEST_F(SessionTest, TheModuleIsToldHowLongTheCallerWaits) {
  Open(2);
  Outcome bounded, unbounded;
  Start(bounded, internal::SteadyNow() + absl::Seconds(60));
  Start(unbounded);
  const auto first = link_->Next(Case::kRunCommand);
  EXPECT_LE(first.run_command().timeout().seconds(), 60);
  EXPECT_GE(first.run_command().timeout().seconds(), 50);
  EXPECT_FALSE(link_->Next(Case::kRunCommand).run_command().has_timeout());
  session_->Lost("is gone");
}

TEST_F(SessionTest, ADeadlineEndsTheRequestAndItsSlotStaysTakenUntilTheModuleAnswers) {
  Open(1);
  Outcome late, next;
  const RequestId id = Start(late, internal::SteadyNow() + absl::Milliseconds(30));
  const RequestId next_id = Start(next);
  link_->Next(Case::kRunCommand);
  ASSERT_TRUE(late.Wait());
  EXPECT_EQ(late.status,
            absl::DeadlineExceededError("command \"hello\": module hello did not answer in time"));
  EXPECT_EQ(link_->Next(Case::kCancel).cancel().id(), id);
  EXPECT_THAT(link_->Waiting(), IsEmpty()) << "the module is still busy";
  session_->HandleAnswer(id, CommandAnswer(id));  // too late, but the slot is free
  EXPECT_EQ(late.calls, 1);
  EXPECT_EQ(link_->Next(Case::kRunCommand).run_command().id(), next_id);
  session_->Lost("is gone");
}

TEST_F(SessionTest, ADeadlineThatIsOverEndsTheRequest) {
  Open(1);
  Outcome late;
  Start(late, absl::InfinitePast());
  ASSERT_TRUE(late.Wait());
  EXPECT_TRUE(absl::IsDeadlineExceeded(late.status));
}

TEST_F(SessionTest, CancelTellsTheModuleOnlyWhatItHas) {
  Open(1);
  Outcome running, waiting, last;
  const RequestId a = Start(running);
  const RequestId b = Start(waiting);
  const RequestId c = Start(last);
  link_->Next(Case::kRunCommand);
  session_->Cancel(b);
  EXPECT_EQ(waiting.status, absl::CancelledError("command \"hello\": cancelled by the caller"));
  EXPECT_THAT(link_->Waiting(), IsEmpty());
  session_->Cancel(a);
  session_->Cancel(a);
  EXPECT_EQ(running.calls, 1);
  EXPECT_TRUE(absl::IsCancelled(running.status));
  EXPECT_EQ(link_->Next(Case::kCancel).cancel().id(), a);
  EXPECT_THAT(link_->Waiting(), IsEmpty());
  session_->HandleAnswer(a, CommandAnswer(a));
  EXPECT_EQ(link_->Next(Case::kRunCommand).run_command().id(), c) << "b is never sent";
  session_->Cancel(999);
  session_->Cancel(0);
  session_->Lost("is gone");
}

TEST_F(SessionTest, WhoGivesUpAtHisDeadlineHasRunOutOfTime) {
  Open(2);
  Outcome late, early;
  session_->Cancel(Start(late, internal::SteadyNow() + absl::Milliseconds(20)));
  session_->Cancel(Start(early, internal::SteadyNow() + absl::Seconds(20)));
  ASSERT_TRUE(late.Wait() && early.Wait());
  EXPECT_EQ(late.status,
            absl::DeadlineExceededError("command \"hello\": module hello did not answer in time"));
  EXPECT_TRUE(absl::IsCancelled(early.status)) << early.status;
  EXPECT_EQ(counters_->commands.snapshot().timed_out, 1u);
  EXPECT_EQ(counters_->commands.snapshot().cancelled, 1u);
}

TEST_F(SessionTest, LostEndsEachRequestOnceAndSaysWhetherItMayHaveHappened) {
  Open(1);
  Outcome running, waiting, after, cancelled;
  const RequestId id = Start(running);
  Start(waiting);
  session_->Cancel(Start(cancelled));
  session_->Lost("has ended (signal 9 (Killed))");
  session_->Lost("again");
  EXPECT_EQ(running.status,
            absl::AbortedError("command \"hello\": module hello has ended (signal 9 (Killed)) "
                               "before it answered; whether it did its work is not known"));
  EXPECT_EQ(waiting.status,
            absl::AbortedError("command \"hello\": module hello has ended (signal 9 "
                               "(Killed)) before it was asked"));
  session_->HandleAnswer(id, CommandAnswer(id));
  EXPECT_EQ(running.calls, 1);
  EXPECT_EQ(cancelled.calls, 1);
  EXPECT_EQ(Start(after), 0u);
  EXPECT_EQ(after.status,
            absl::AbortedError("command \"hello\": module hello has ended (signal 9 (Killed))"));
  EXPECT_EQ(session_->in_flight(), 0u);
}

TEST_F(SessionTest, AFullQueueRefusesAndTheAbandonedDoNotFillIt) {
  Open(1);
  Outcome stuck;
  Start(stuck);
  std::vector<Outcome> outcomes(Session::kMaxWaiting);
  std::vector<RequestId> ids;
  ids.reserve(outcomes.size());
  for (Outcome& outcome : outcomes) ids.push_back(Start(outcome));
  Outcome over;
  EXPECT_EQ(Start(over), 0u);
  EXPECT_EQ(over.status,
            absl::ResourceExhaustedError("command \"hello\": module hello has 1024 requests "
                                         "waiting; try again later"));
  EXPECT_EQ(counters_->commands.snapshot().refused, 1u);
  // Callers that gave up make room, though the module has answered nothing.
  session_->Cancel(ids.front());
  Outcome fits;
  EXPECT_NE(Start(fits), 0u);
  EXPECT_EQ(fits.calls, 0);
  session_->Lost("is gone");
  for (Outcome& outcome : outcomes) EXPECT_EQ(outcome.calls, 1);
}

TEST_F(SessionTest, EachRequestIsCountedByHowItEnded) {
  Open(1);
  Outcome good, bad, late, dropped, lost, raised;
  const RequestId first = Start(good);
  session_->HandleAnswer(first, CommandAnswer(first));
  const RequestId second = Start(bad);
  session_->HandleAnswer(second, CommandAnswer(second, -5));
  const RequestId running = Start(late, internal::SteadyNow() + absl::Milliseconds(20));
  session_->Cancel(Start(dropped));
  ASSERT_TRUE(late.Wait());
  Start(lost);
  EXPECT_EQ(session_->waiting(), 1u);
  session_->HandleAnswer(running, CommandAnswer(running));  // after its deadline: it counts once
  EXPECT_EQ(session_->waiting(), 0u);
  session_->Lost("is gone");
  Open(1);  // of the same module, again
  v1::AttachResponse call;
  call.mutable_call()->set_method("add");
  const RequestId id =
      session_->Start(call, "hello.add()", absl::InfiniteFuture(), raised.Callback());
  v1::AttachRequest error;
  error.mutable_call_result()->set_id(id);
  error.mutable_call_result()->mutable_error()->set_type("ValueError");
  session_->HandleAnswer(id, error);

  const auto commands = counters_->commands.snapshot();
  EXPECT_EQ(commands.succeeded, 1u);
  EXPECT_EQ(commands.failed, 1u);
  EXPECT_EQ(commands.timed_out, 1u);
  EXPECT_EQ(commands.cancelled, 1u);
  EXPECT_EQ(commands.lost, 1u);
  EXPECT_EQ(commands.refused, 0u);
  EXPECT_EQ(commands.latency.count(), 2u);
  const auto calls = counters_->calls.snapshot();
  EXPECT_EQ(calls.succeeded, 0u);
  EXPECT_EQ(calls.failed, 1u);
  EXPECT_EQ(calls.latency.count(), 1u);
}

TEST_F(SessionTest, AnswersToWhatWasNotAskedAreIgnored) {
  Open(1);
  Outcome running, waiting;
  const RequestId id = Start(running);
  const RequestId not_sent = Start(waiting);
  session_->HandleAnswer(12345, CommandAnswer(12345));
  session_->HandleAnswer(not_sent, CommandAnswer(not_sent));
  EXPECT_EQ(running.calls, 0);
  EXPECT_EQ(waiting.calls, 0);
  session_->HandleAnswer(id, CommandAnswer(id));
  session_->HandleAnswer(id, CommandAnswer(id));
  EXPECT_EQ(running.calls, 1);
  EXPECT_FALSE(link_->closed());
  session_->Lost("is gone");
}

TEST_F(SessionTest, AnAnswerOfTheWrongKindIsNoSuccess) {
  Open(1);
  Outcome command;
  const RequestId id = Start(command);
  v1::AttachRequest wrong;
  wrong.mutable_call_result()->set_id(id);
  wrong.mutable_call_result()->set_result_json("1");
  session_->HandleAnswer(id, wrong);
  EXPECT_EQ(command.calls, 0);
  ASSERT_TRUE(link_->closed());
  EXPECT_EQ(link_->reason(), "PROTOCOL_ERROR");
  EXPECT_THAT(link_->closed()->ToString(), HasSubstr("INVALID_ARGUMENT: module 'hello' answered"));
  session_->Lost("has ended its session");
  EXPECT_TRUE(absl::IsAborted(command.status));
}

TEST_F(SessionTest, ACallResultNeedsAnOutcome) {
  Open(1);
  Outcome outcome;
  v1::AttachResponse call;
  call.mutable_call()->set_method("add");
  const RequestId id =
      session_->Start(call, "hello.add()", absl::InfiniteFuture(), outcome.Callback());
  EXPECT_EQ(link_->Next(Case::kCall).call().id(), id);
  v1::AttachRequest empty;
  empty.mutable_call_result()->set_id(id);
  session_->HandleAnswer(id, empty);
  EXPECT_EQ(link_->reason(), "PROTOCOL_ERROR");
  session_->Lost("has ended its session");
  EXPECT_EQ(outcome.calls, 1);
}

TEST_F(SessionTest, ACallbackMayStartTheNextRequest) {
  Open(1);
  Outcome second;
  absl::Notification started;
  const RequestId first = session_->Start(Command("a"), "a", absl::InfiniteFuture(), [&](auto) {
    Start(second);
    started.Notify();
  });
  session_->HandleAnswer(first, CommandAnswer(first));
  ASSERT_TRUE(started.HasBeenNotified());
  EXPECT_EQ(session_->in_flight(), 1u);
  session_->Lost("is gone");
  EXPECT_EQ(second.calls, 1);
}

TEST_F(SessionTest, AFiredDeadlineOfASessionThatIsGoneDoesNothing) {
  Open(1);
  auto outcome = std::make_shared<Outcome>();
  Start(*outcome, internal::SteadyNow() + absl::Milliseconds(20));
  session_->Lost("is gone");
  session_.reset();
  absl::Notification later;
  timers_.After(absl::Milliseconds(60), [&] { later.Notify(); });
  later.WaitForNotification();
  EXPECT_EQ(outcome->calls, 1);
}

// Answers, cancellations, deadlines and the end of the session race for each
// request; exactly one of them may win.
TEST_F(SessionTest, EveryCallbackRunsExactlyOnceHoweverTheyRace) {
  for (int round = 0; round < 10; ++round) {
    link_ = std::make_shared<RecordingLink>();
    Open(4);
    constexpr int kRequests = 300;
    std::vector<std::atomic<int>> calls(kRequests);
    std::vector<std::atomic<RequestId>> ids(kRequests);
    absl::BlockingCounter all(kRequests);
    std::atomic<bool> end = false;
    std::thread starter([&] {
      for (int i = 0; i < kRequests; ++i) {
        const absl::Time deadline = i % 3 == 0 ? internal::SteadyNow() + absl::Microseconds(i * 10)
                                               : absl::InfiniteFuture();
        ids[i] = session_->Start(Command("x"), "x", deadline, [&, i](auto) {
          if (++calls[i] == 1) all.DecrementCount();
        });
      }
    });
    std::vector<std::thread> others;
    others.reserve(2);
    for (int kind = 0; kind < 2; ++kind) {
      others.emplace_back([&, kind] {
        while (!end) {
          for (auto& slot : ids) {
            const RequestId id = slot;
            if (id == 0 || static_cast<int>(id % 2) != kind) continue;
            if (id % 5 == 0) session_->Cancel(id);
            session_->HandleAnswer(id, CommandAnswer(id));
          }
        }
      });
    }
    starter.join();
    session_->Lost("is gone");
    all.Wait();
    end = true;
    for (std::thread& thread : others) thread.join();
    for (const auto& count : calls) EXPECT_EQ(count, 1);
    EXPECT_EQ(session_->in_flight(), 0u);
  }
}

}  // namespace
}  // namespace outpost::module
