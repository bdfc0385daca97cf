#include "outpost/internal/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "outpost/internal/backoff.h"

namespace outpost::internal {
namespace {

TEST(WorkerPoolTest, RunsInOrderOnOneThread) {
  std::vector<int> order;
  {
    WorkerPool pool(1);
    for (int i = 0; i < 100; ++i) pool.Post([&order, i] { order.push_back(i); });
    EXPECT_TRUE(pool.AwaitIdle(absl::InfiniteFuture()));
  }
  ASSERT_EQ(order.size(), 100);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[i], i);
}

TEST(WorkerPoolTest, AwaitIdleGivesUpAtTheDeadline) {
  absl::Notification release;
  WorkerPool pool(2);
  pool.Post([&release] { release.WaitForNotification(); });
  EXPECT_FALSE(pool.AwaitIdle(SteadyNow() + absl::Milliseconds(10)));
  release.Notify();
  EXPECT_TRUE(pool.AwaitIdle(absl::InfiniteFuture()));
}

TEST(WorkerPoolTest, DroppedTasksDoNotRunAndClosedPoolsTakeNone) {
  absl::Notification started, release;
  std::atomic<int> ran{0};
  WorkerPool pool(1);
  pool.Post([&] {
    started.Notify();
    release.WaitForNotification();
  });
  started.WaitForNotification();
  pool.Post([&ran] { ++ran; });
  pool.DropWaiting();
  pool.Close();
  EXPECT_FALSE(pool.Post([&ran] { ++ran; }));
  release.Notify();
  EXPECT_TRUE(pool.AwaitIdle(absl::InfiniteFuture()));
  EXPECT_EQ(ran, 0);
}

TEST(BackoffTest, GrowsToItsBoundAndStartsAgain) {
  Backoff backoff({.initial = absl::Milliseconds(100), .max = absl::Seconds(5)});
  absl::Duration expected = absl::Milliseconds(100);
  for (int i = 0; i < 12; ++i) {
    const absl::Duration wait = backoff.Next();
    EXPECT_GE(wait, expected * 0.75);
    EXPECT_LE(wait, std::min(expected * 1.25, absl::Seconds(5)));
    expected = std::min(expected * 2, absl::Seconds(5));
  }
  backoff.Reset();
  EXPECT_LE(backoff.Next(), absl::Milliseconds(125));
}

}  // namespace
}  // namespace outpost::internal
