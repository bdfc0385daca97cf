// Session: what a module was never asked outlives its session; what it was sent does not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "outpost/internal/steady_wait.h"
#include "server/module/recording_link.h"
#include "server/module/session.h"

namespace outpost::module {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using Case = v1::AttachResponse::MessageCase;

// A module that works on one request at a time, in its first and its second session.
class ParkingTest : public testing::Test {
 protected:
  std::shared_ptr<Session> Open(const std::shared_ptr<RecordingLink>& link) {
    v1::Register registration;
    registration.set_name("hello");
    return Session::Create("key", registration, link, &timers_, counters_);
  }
  // How it ends is in `ends_`, by name.
  RequestId Start(const std::string& name, absl::Time deadline = absl::InfiniteFuture(),
                  size_t bytes = 0) {
    v1::AttachResponse message;
    message.mutable_run_command()->set_prefix(name);
    message.mutable_run_command()->set_inbuf(std::string(bytes, 'x'));
    const size_t index = ends_.size();
    ends_.push_back(std::make_unique<End>());
    return first_->Start(message, name, deadline, [end = ends_[index].get()](auto answer) {
      end->status = answer.status();
      end->done.Notify();
    });
  }
  void Answer(Session& session, RequestId id) {
    v1::AttachRequest answer;
    answer.mutable_command_result()->set_id(id);
    session.HandleAnswer(id, answer);
  }
  bool Ended(size_t index) const { return ends_[index]->done.HasBeenNotified(); }
  absl::Status HowEnded(size_t index) {
    EXPECT_TRUE(ends_[index]->done.WaitForNotificationWithTimeout(absl::Seconds(20)));
    return ends_[index]->status;
  }

  struct End {
    absl::Notification done;
    absl::Status status;
  };
  event::TimerQueue timers_;
  std::shared_ptr<RequestsOfModule> counters_ = std::make_shared<RequestsOfModule>();
  std::vector<std::unique_ptr<End>> ends_;
  std::shared_ptr<RecordingLink> first_link_ = std::make_shared<RecordingLink>();
  std::shared_ptr<RecordingLink> second_link_ = std::make_shared<RecordingLink>();
  std::shared_ptr<Session> first_ = Open(first_link_);
  std::shared_ptr<Session> second_ = Open(second_link_);
};

TEST_F(ParkingTest, WhatWasNotSentIsAskedOfTheNextSessionAndWhatWasSentIsNot) {
  Start("sent");
  Start("waiting");
  first_->Park("ended");
  EXPECT_THAT(HowEnded(0).ToString(), HasSubstr("whether it did its work is not known"));
  Start("late");  // by who had found the session before its end was known
  EXPECT_FALSE(Ended(1));
  first_->HandOver(second_)();
  for (size_t index : {1u, 2u}) {
    const auto run = second_link_->Next(Case::kRunCommand).run_command();
    EXPECT_EQ(run.prefix(), index == 1 ? "waiting" : "late");
    Answer(*second_, run.id());
    EXPECT_EQ(HowEnded(index), absl::OkStatus());
  }
  Start("later");
  EXPECT_EQ(second_link_->Next(Case::kRunCommand).run_command().prefix(), "later");
  second_->Lost("is gone");
}

TEST_F(ParkingTest, ALinkThatTakesNothingMoreWasNotSentAnything) {
  first_link_->Close(absl::UnavailableError("broken"), "");
  Start("untaken");
  EXPECT_EQ(first_->waiting(), 1u);
  first_->Park("ended");
  first_->HandOver(second_)();
  EXPECT_EQ(second_link_->Next(Case::kRunCommand).run_command().prefix(), "untaken");
  second_->Lost("is gone");
}

TEST_F(ParkingTest, DeadlinesAndCancellationsReachItWhereverItWaits) {
  Start("sent");
  Start("hurried", internal::SteadyNow() + absl::Milliseconds(50));
  const RequestId patient = Start("patient");
  const RequestId parked = Start("parked");
  first_->Park("ended");
  first_->Cancel(parked);
  EXPECT_TRUE(absl::IsCancelled(HowEnded(3)));
  first_->HandOver(second_)();
  second_link_->Next(Case::kRunCommand);  // the hurried one; the other waits behind it
  first_->Cancel(patient);
  EXPECT_TRUE(absl::IsCancelled(HowEnded(2)));
  first_.reset();
  EXPECT_TRUE(absl::IsDeadlineExceeded(HowEnded(1)));
  EXPECT_THAT(second_link_->Waiting(), testing::Not(testing::Contains(Case::kRunCommand)));
}

TEST_F(ParkingTest, WhatIsCancelledWhileItIsHandedOverEnds) {
  constexpr int kCallers = 4;
  for (int round = 0; round < 100; ++round) {
    std::vector<RequestId> ids;
    ids.reserve(200);
    for (int i = 0; i < 200; ++i) ids.push_back(Start("waiting"));
    first_->Park("ended");
    absl::BlockingCounter begun(kCallers);
    std::vector<std::thread> callers;
    callers.reserve(kCallers);
    for (int caller = 0; caller < kCallers; ++caller) {
      callers.emplace_back([&, caller] {
        for (size_t i = caller; i < ids.size(); i += kCallers) {
          first_->Cancel(ids[i]);
          if (i < kCallers) begun.DecrementCount();
        }
      });
    }
    begun.Wait();
    first_->HandOver(second_)();
    for (std::thread& caller : callers) caller.join();
    for (size_t i = 0; i < ids.size(); ++i) ASSERT_TRUE(Ended(i)) << "round " << round;
    second_->Lost("is gone");
    ends_.clear();
    first_ = Open(std::make_shared<RecordingLink>());
    second_ = Open(std::make_shared<RecordingLink>());
  }
}

TEST_F(ParkingTest, WhereNoSessionFollowsItEndsWithTheReason) {
  Start("sent");
  Start("waiting");
  first_->Park("ended");
  first_->GiveUp(absl::UnavailableError("started again in an hour"));
  EXPECT_EQ(HowEnded(1), absl::UnavailableError("started again in an hour"));
  EXPECT_EQ(Start("late"), 0u);
  EXPECT_EQ(HowEnded(2), absl::UnavailableError("started again in an hour"));
  EXPECT_EQ(counters_->commands.snapshot().lost, 3u);
  EXPECT_EQ(first_->in_flight(), 0u);
}

TEST_F(ParkingTest, WhatWaitsIsBoundedInBytes) {
  constexpr size_t kLarge = Session::kMaxWaitingBytes + 1;
  Start("sent");
  const RequestId large = Start("large", absl::InfiniteFuture(), kLarge);  // alone, it may
  EXPECT_NE(large, 0u);
  EXPECT_EQ(Start("more"), 0u);
  EXPECT_EQ(HowEnded(2), absl::ResourceExhaustedError(
                             "more: module hello has requests of 64 MiB waiting; try again later"));
  first_->Cancel(large);
  EXPECT_NE(Start("more"), 0u);
  first_->Park("ended");
  first_->HandOver(second_)();
  EXPECT_EQ(second_link_->Next(Case::kRunCommand).run_command().prefix(), "more");
  EXPECT_THAT(second_link_->Waiting(), IsEmpty());
  second_->Lost("is gone");
}

}  // namespace
}  // namespace outpost::module
