// Whose calls wait, and that each runs once, in its order.
#include "server/rpc/call_pace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "server/event/moment.h"

namespace outpost::rpc {
namespace {

using testing::ElementsAre;

constexpr double kNearlyNever = 0.001;  // calls a second: what waits does so until it is stopped
constexpr absl::Duration kDeadline = absl::Seconds(20);

// What was run, in the order of that.
class Runs {
 public:
  absl::AnyInvocable<void()> Call(int number) {
    return [this, number] {
      absl::MutexLock lock(&mu_);
      run_.push_back(number);
    };
  }
  std::vector<int> all() const {
    absl::MutexLock lock(&mu_);
    return run_;
  }

 private:
  mutable absl::Mutex mu_;
  std::vector<int> run_ ABSL_GUARDED_BY(mu_);
};

TEST(CallPaceTest, WhoIsBeyondItsShareWaitsAndNobodyElseDoes) {
  Runs runs;
  CallPace pace;
  const double rate = kNearlyNever;
  for (int i = 0; i < 4; ++i) pace.Run("hasty", rate, CallPace::kRead, runs.Call(i));
  EXPECT_EQ(pace.waiting(), 3u);
  pace.Run("other", rate, CallPace::kChange, runs.Call(10));
  EXPECT_THAT(runs.all(), ElementsAre(0, 10));
  pace.Stop();
  EXPECT_THAT(runs.all(), ElementsAre(0, 10, 1, 2, 3)) << "in the order in which they came";
  pace.Run("hasty", rate, CallPace::kRead, runs.Call(4));
  EXPECT_THAT(runs.all(), ElementsAre(0, 10, 1, 2, 3, 4)) << "at once";
}

TEST(CallPaceTest, WhatWaitsBeginsInItsTurn) {
  Runs runs;
  absl::Notification last;
  const absl::Duration began = event::Moment::Now().steady;
  CallPace pace;
  const double rate = 100;  // so that a change is worth a tenth of a second
  for (int i = 0; i < 5; ++i) pace.Run("hasty", rate, CallPace::kChange, runs.Call(i));
  absl::Duration ended;
  pace.Run("hasty", rate, CallPace::kRead, [&] {
    ended = event::Moment::Now().steady;
    last.Notify();
  });
  ASSERT_TRUE(last.WaitForNotificationWithTimeout(kDeadline));
  EXPECT_THAT(runs.all(), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_GE(ended - began, absl::Milliseconds(400)) << "five changes, less the burst";
  EXPECT_EQ(pace.waiting(), 0u);
}

TEST(CallPaceTest, TheTimeThatACallTakesCounts) {
  Runs runs;
  CallPace pace;
  const double rate = 20;  // a burst of two
  pace.Run("quick", rate, CallPace::kRead, runs.Call(0));
  pace.Run("quick", rate, CallPace::kRead, runs.Call(1));
  EXPECT_EQ(pace.waiting(), 0u);
  pace.Run("heavy", rate, CallPace::kRead, [] {
    const absl::Duration until = event::Moment::Now().steady + absl::Milliseconds(20);
    while (event::Moment::Now().steady < until) {
    }
  });
  pace.Run("heavy", rate, CallPace::kRead, runs.Call(2));
  EXPECT_EQ(pace.waiting(), 1u) << "for what two hundred calls are worth";
}

TEST(CallPaceTest, NamesWithoutEndShareOnePace) {
  Runs runs;
  CallPace pace;
  const double rate = kNearlyNever;
  for (size_t i = 0; i < CallPace::kMaxNames; ++i) {
    pace.Run(absl::StrCat("m", i), rate, CallPace::kRead, [] {});
  }
  EXPECT_EQ(pace.waiting(), 0u);
  pace.Run("one", rate, CallPace::kRead, runs.Call(1));
  pace.Run("another", rate, CallPace::kRead, runs.Call(2));
  EXPECT_THAT(runs.all(), ElementsAre(1));
  EXPECT_EQ(pace.waiting(), 1u);
}

TEST(CallPaceTest, WhatWaitsRunsWhenItGoes) {
  Runs runs;
  {
    CallPace pace;
    const double rate = kNearlyNever;
    for (int i = 0; i < 3; ++i) pace.Run("hasty", rate, CallPace::kRead, runs.Call(i));
  }
  EXPECT_THAT(runs.all(), ElementsAre(0, 1, 2));
}

TEST(CallPaceTest, WhatACallTakesIsItsCallersThoughTheirNameIsGone) {
  CallPace pace;
  Runs runs;
  std::string name = "a caller";
  pace.Run(name, kNearlyNever, CallPace::kRead, [&] {
    // As the name is part of what a call is made with, which goes with it.
    name = "another";
    const absl::Duration until = event::Moment::Now().steady + 10 * CallPace::kWork;
    while (event::Moment::Now().steady < until) {
    }
  });
  pace.Run("another", kNearlyNever, CallPace::kRead, runs.Call(1));
  EXPECT_THAT(runs.all(), ElementsAre(1));
  pace.Stop();
}

}  // namespace
}  // namespace outpost::rpc
