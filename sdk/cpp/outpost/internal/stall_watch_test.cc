#include "outpost/internal/stall_watch.h"

#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "absl/time/clock.h"

namespace outpost::internal {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);

// What a watch said, by slot.
class Stalls {
 public:
  void Add(size_t slot) {
    absl::MutexLock lock(&mu_);
    ++count_[slot];
  }
  bool Await(size_t slot, int n) {
    absl::MutexLock lock(&mu_);
    const auto reached = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return Of(slot) >= n; };
    return mu_.AwaitWithTimeout(absl::Condition(&reached), kPatience);
  }
  int Count(size_t slot) {
    absl::MutexLock lock(&mu_);
    return Of(slot);
  }

 private:
  int Of(size_t slot) const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    const auto it = count_.find(slot);
    return it == count_.end() ? 0 : it->second;
  }

  absl::Mutex mu_;
  std::map<size_t, int> count_ ABSL_GUARDED_BY(mu_);
};

TEST(StallWatchTest, WorkThatDoesNotEndIsToldOnce) {
  Stalls stalls;
  StallWatch watch(2, [&](size_t slot) { stalls.Add(slot); });
  watch.Begin(1);
  EXPECT_TRUE(stalls.Await(1, 1));
  // The watch ticks on: another's stall is told later than a second of this would be.
  watch.Begin(0);
  EXPECT_TRUE(stalls.Await(0, 1));
  watch.End(0);
  watch.Begin(0);
  EXPECT_TRUE(stalls.Await(0, 2));
  EXPECT_EQ(stalls.Count(1), 1);
  watch.End(0);
  watch.End(1);
}

// After each stall the watch goes to sleep: it must be there again for the next.
TEST(StallWatchTest, IsAwakeForWorkAfterAPause) {
  Stalls stalls;
  StallWatch watch(1, [&](size_t slot) { stalls.Add(slot); });
  for (int i = 1; i <= 5; ++i) {
    watch.Begin(0);
    ASSERT_TRUE(stalls.Await(0, i));
    watch.End(0);
    absl::SleepFor(StallWatch::kTick * 40);  // the pause
  }
}

// At the very moment at which it stops, too.
TEST(StallWatchTest, MissesNoneWhateverTheMoment) {
  Stalls stalls;
  StallWatch watch(1, [&](size_t slot) { stalls.Add(slot); });
  for (int i = 1; i <= 20; ++i) {
    watch.Begin(0);
    ASSERT_TRUE(stalls.Await(0, i));
    watch.End(0);
    absl::SleepFor(StallWatch::kTick * 31 + absl::Microseconds(400) * i);
  }
}

TEST(StallWatchTest, ShortWorkOfManyThreadsIsNotInItsWay) {
  Stalls stalls;
  constexpr size_t kThreads = 4;
  StallWatch watch(kThreads + 1, [&](size_t slot) { stalls.Add(slot); });
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&watch, i] {
      for (int n = 0; n < 100000; ++n) {
        watch.Begin(i);
        watch.End(i);
      }
    });
  }
  watch.Begin(kThreads);
  EXPECT_TRUE(stalls.Await(kThreads, 1));
  watch.End(kThreads);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace outpost::internal
