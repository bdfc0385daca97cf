#include "server/event/lent_thread.h"

#include <atomic>
#include <thread>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace outpost::event {
namespace {

class CountingLender : public ThreadLender {
 public:
  void TakesItsTime() override {
    ++times;
    if (!told.HasBeenNotified()) told.Notify();
  }
  std::atomic<int> times = 0;
  absl::Notification told;
};

TEST(LentThreadTest, OnAThreadOfItsOwnNobodyIsTold) { TakesItsTime(); }

TEST(LentThreadTest, WhoLendsTheThreadIsTold) {
  CountingLender lender;
  SetLender(&lender);
  TakesItsTime();
  EXPECT_EQ(lender.times, 1);
  std::thread([] { TakesItsTime(); }).join();  // one that it does not lend
  EXPECT_EQ(lender.times, 1);
  SetLender(nullptr);
  TakesItsTime();
  EXPECT_EQ(lender.times, 1);
}

TEST(LentThreadTest, ALockThatIsFreeTakesNoTime) {
  CountingLender lender;
  SetLender(&lender);
  absl::Mutex mu;
  {
    const LentMutexLock lock(&mu);
    mu.AssertHeld();
  }
  {
    const LentMutexLock lock(&mu);  // it was given back
  }
  EXPECT_EQ(lender.times, 0);
  SetLender(nullptr);
}

TEST(LentThreadTest, WhoWaitsForALockSaysSoBefore) {
  CountingLender lender;
  absl::Mutex mu;
  mu.Lock();
  std::thread waits([&] {
    SetLender(&lender);
    const LentMutexLock lock(&mu);
    mu.AssertHeld();
  });
  lender.told.WaitForNotification();  // while the lock is held
  mu.Unlock();
  waits.join();
  EXPECT_EQ(lender.times, 1);
}

}  // namespace
}  // namespace outpost::event
