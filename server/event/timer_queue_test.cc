#include "server/event/timer_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"

namespace outpost::event {
namespace {

using testing::ElementsAre;

TEST(TimerQueueTest, FunctionsRunInTheOrderOfTheirTimes) {
  TimerQueue timers;
  std::vector<int> order;
  absl::Notification done;
  timers.After(absl::Milliseconds(60), [&] {
    order.push_back(3);
    done.Notify();
  });
  timers.After(absl::Milliseconds(20), [&] { order.push_back(1); });
  timers.After(absl::Milliseconds(40), [&] { order.push_back(2); });
  timers.After(-absl::Seconds(5), [&] { order.push_back(0); });
  done.WaitForNotification();
  EXPECT_THAT(order, ElementsAre(0, 1, 2, 3));
}

TEST(TimerQueueTest, FunctionsOfTheSameTimeRunInTheOrderOfTheirCalls) {
  TimerQueue timers;
  absl::Notification go, done;
  std::vector<int> order;
  timers.After(absl::ZeroDuration(), [&] { go.WaitForNotification(); });  // holds the thread
  for (int i = 0; i < 5; ++i)
    timers.After(absl::InfinitePast() - absl::Now(), [&, i] { order.push_back(i); });
  timers.After(absl::Milliseconds(20), [&] { done.Notify(); });
  go.Notify();
  done.WaitForNotification();
  EXPECT_THAT(order, ElementsAre(0, 1, 2, 3, 4));
}

TEST(TimerQueueTest, AFunctionDoesNotRunBeforeItsTime) {
  TimerQueue timers;
  absl::Notification done;
  const auto before = std::chrono::steady_clock::now();
  timers.After(absl::Milliseconds(50), [&] { done.Notify(); });
  done.WaitForNotification();
  EXPECT_GE(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(50));
}

TEST(TimerQueueTest, AnEarlierFunctionDoesNotWaitForALaterOne) {
  TimerQueue timers;
  absl::Notification done;
  timers.After(absl::Hours(1), [] { FAIL(); });
  timers.After(absl::Milliseconds(1), [&] { done.Notify(); });
  EXPECT_TRUE(done.WaitForNotificationWithTimeout(absl::Seconds(20)));
}

TEST(TimerQueueTest, WhatWasCancelledDoesNotRun) {
  TimerQueue timers;
  std::atomic<bool> ran = false;
  absl::Notification later;
  const auto id = timers.After(absl::Milliseconds(20), [&] { ran = true; });
  timers.After(absl::Milliseconds(60), [&] { later.Notify(); });
  EXPECT_TRUE(timers.Cancel(id));
  EXPECT_FALSE(timers.Cancel(id));
  later.WaitForNotification();
  EXPECT_FALSE(ran);
}

TEST(TimerQueueTest, WhatRanOrNeverWasCannotBeCancelled) {
  TimerQueue timers;
  absl::Notification done;
  const auto id = timers.After(absl::ZeroDuration(), [&] { done.Notify(); });
  done.WaitForNotification();
  EXPECT_FALSE(timers.Cancel(id));
  EXPECT_FALSE(timers.Cancel(0));
  EXPECT_FALSE(timers.Cancel(12345));
}

TEST(TimerQueueTest, AFunctionMayCancelAndStartOthersAndItself) {
  TimerQueue timers;
  absl::Notification done;
  std::atomic<bool> victim_ran = false;
  std::atomic<TimerQueue::TimerId> own = 0, victim = 0;
  absl::Notification ready;
  own = timers.After(absl::ZeroDuration(), [&] {
    ready.WaitForNotification();
    EXPECT_FALSE(timers.Cancel(own)) << "it runs already";
    EXPECT_TRUE(timers.Cancel(victim));
    timers.After(absl::Milliseconds(1), [&] { done.Notify(); });
  });
  victim = timers.After(absl::ZeroDuration(), [&] { victim_ran = true; });
  ready.Notify();
  done.WaitForNotification();
  EXPECT_FALSE(victim_ran);
}

TEST(TimerQueueTest, AnInfiniteDelayNeverComes) {
  TimerQueue timers;
  EXPECT_EQ(timers.After(absl::InfiniteDuration(), [] { FAIL(); }), 0u);
  EXPECT_NE(timers.After(absl::Hours(24 * 365 * 40), [] { FAIL(); }), 0u) << "40 years are finite";
}

TEST(TimerQueueTest, FunctionsThatNeverRanAreDestroyedWithTheQueue) {
  auto held = std::make_shared<int>(1);
  std::weak_ptr<int> weak = held;
  {
    TimerQueue timers;
    timers.After(absl::Hours(1), [held = std::move(held)] { FAIL(); });
    EXPECT_FALSE(weak.expired());
  }
  EXPECT_TRUE(weak.expired());
}

TEST(TimerQueueTest, CancelDestroysTheFunctionWithoutTheLock) {
  TimerQueue timers;
  struct CancelsInItsDestructor {
    TimerQueue* timers = nullptr;
    ~CancelsInItsDestructor() { timers->Cancel(1); }
  };
  auto held = std::make_shared<CancelsInItsDestructor>();
  held->timers = &timers;
  const auto id = timers.After(absl::Hours(1), [held = std::move(held)] { FAIL(); });
  EXPECT_TRUE(timers.Cancel(id));
}

TEST(TimerQueueTest, AfterStopNothingRunsAnyMore) {
  TimerQueue timers;
  absl::Notification running;
  std::atomic<bool> ended = false, later = false;
  timers.After(absl::ZeroDuration(), [&] {
    running.Notify();
    absl::Notification never;
    never.WaitForNotificationWithTimeout(absl::Milliseconds(30));
    ended = true;
  });
  running.WaitForNotification();
  timers.After(absl::ZeroDuration(), [&] { later = true; });
  timers.Stop();
  EXPECT_TRUE(ended) << "Stop waits for what runs";
  EXPECT_FALSE(later);
  timers.Stop();
  timers.After(absl::ZeroDuration(), [&] { later = true; });
  EXPECT_FALSE(later);
}

TEST(TimerQueueTest, ManyThreadsMayUseIt) {
  TimerQueue timers;
  std::atomic<int> ran = 0, cancelled = 0;
  constexpr int kEach = 2000;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) {
        const auto id = timers.After(absl::Microseconds(i % 50), [&] { ++ran; });
        if (i % 2 == 0 && timers.Cancel(id)) ++cancelled;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  absl::Notification last;
  timers.After(absl::Milliseconds(1), [&] { last.Notify(); });
  last.WaitForNotification();
  EXPECT_EQ(ran + cancelled, 4 * kEach);
}

}  // namespace
}  // namespace outpost::event
