#include "outpost/internal/completion_loop.h"

#include <grpcpp/alarm.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <utility>

#include "absl/synchronization/barrier.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"

namespace outpost::internal {
namespace {

// An operation that is done when a time has come, or when it is cancelled.
class Alarm final : public CompletionLoop::Operation {
 public:
  Alarm(CompletionLoop& loop, absl::Duration after) {
    alarm_.Set(loop.queue(), absl::ToChronoTime(absl::Now() + after), this);
  }
  void Done(bool ok) override {
    ok_ = ok;
    done_.Notify();
  }
  void Cancel() { alarm_.Cancel(); }
  bool Await() {
    done_.WaitForNotification();
    return ok_;
  }

 private:
  grpc::Alarm alarm_;
  bool ok_ = false;
  absl::Notification done_;
};

TEST(CompletionLoopTest, RunsTasksInOrderOnOneWorker) {
  std::vector<int> order;
  CompletionLoop loop(1);
  for (int i = 0; i < 100; ++i) loop.Post([&order, i] { order.push_back(i); });
  ASSERT_TRUE(loop.AwaitIdle(absl::InfiniteFuture()));
  ASSERT_EQ(order.size(), 100);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[i], i);
}

TEST(CompletionLoopTest, AsManyTasksRunAtOnceAsThereAreWorkers) {
  constexpr int kWorkers = 4;
  std::atomic<int> running{0};
  std::atomic<int> most{0};
  // Blocks until all workers have a task: fewer would never end.
  auto* all = new absl::Barrier(kWorkers);
  CompletionLoop loop(kWorkers);
  for (int i = 0; i < kWorkers * 3; ++i) {
    loop.Post([&, i] {
      const int now = ++running;
      int seen = most;
      while (now > seen && !most.compare_exchange_weak(seen, now)) {
      }
      if (i < kWorkers && all->Block()) delete all;
      --running;
    });
  }
  ASSERT_TRUE(loop.AwaitIdle(absl::InfiniteFuture()));
  EXPECT_EQ(most, kWorkers);
}

TEST(CompletionLoopTest, CompletionsAreHeardWhileEveryWorkerBlocks) {
  absl::Notification release;
  CompletionLoop loop(2);
  for (int i = 0; i < 5; ++i) loop.Post([&release] { release.WaitForNotification(); });
  Alarm alarm(loop, absl::ZeroDuration());
  EXPECT_TRUE(alarm.Await());
  Alarm cancelled(loop, absl::Hours(1));
  cancelled.Cancel();
  EXPECT_FALSE(cancelled.Await());
  EXPECT_FALSE(loop.AwaitIdle(SteadyNow() + absl::Milliseconds(1)));
  release.Notify();
  EXPECT_TRUE(loop.AwaitIdle(absl::InfiniteFuture()));
}

// A completion that posts a task, as a request on a stream does.
class Request final : public CompletionLoop::Operation {
 public:
  Request(CompletionLoop& loop, std::function<void()> task) : loop_(loop), task_(std::move(task)) {
    alarm_.Set(loop.queue(), absl::ToChronoTime(absl::Now()), this);
  }
  void Done(bool) override {
    loop_.Post([this] {
      task_();
      ran_.Notify();
    });
  }
  void Await() { ran_.WaitForNotification(); }

 private:
  CompletionLoop& loop_;
  const std::function<void()> task_;
  grpc::Alarm alarm_;
  absl::Notification ran_;
};

TEST(CompletionLoopTest, ATaskOfTheLeaderRunsWhileTheNextCompletionIsHeard) {
  CompletionLoop loop(1);
  bool heard = false;
  Request request(loop, [&] { heard = Alarm(loop, absl::ZeroDuration()).Await(); });
  request.Await();
  EXPECT_TRUE(heard);
  EXPECT_TRUE(loop.AwaitIdle(absl::InfiniteFuture()));
}

// Nobody was woken to lead while it runs, because those before it were brief.
TEST(CompletionLoopTest, ATaskThatBlocksAfterManyBriefOnesHoldsUpNoCompletion) {
  CompletionLoop loop(2);
  for (int i = 0; i < 300; ++i) Request(loop, [] {}).Await();
  bool heard = false;
  Request(loop, [&] {
    // It needs what another task does, which comes of a completion.
    bool other = false;
    Request request(loop, [&] { other = Alarm(loop, absl::ZeroDuration()).Await(); });
    request.Await();
    heard = other;
  }).Await();
  EXPECT_TRUE(heard);
  EXPECT_TRUE(loop.AwaitIdle(absl::InfiniteFuture()));
}

TEST(CompletionLoopTest, AnEventThatAnotherThreadCameByIsNotLost) {
  CompletionLoop loop(1);
  for (int i = 0; i < 200; ++i) {
    Alarm alarm(loop, absl::ZeroDuration());
    // Its own operation is never done at once: at most the alarm's event comes.
    auto later = std::make_unique<Alarm>(loop, absl::Hours(1));
    bool ok = false;
    EXPECT_FALSE(loop.StartAndTry([] {}, later.get(), &ok));
    EXPECT_TRUE(alarm.Await());
    later->Cancel();
    EXPECT_FALSE(later->Await());
  }
}

TEST(CompletionLoopTest, TheEndRunsWhatWasTaken) {
  std::atomic<int> ran{0};
  {
    CompletionLoop loop(3);
    for (int i = 0; i < 50; ++i) loop.Post([&ran] { ++ran; });
  }
  EXPECT_EQ(ran, 50);
}

}  // namespace
}  // namespace outpost::internal
