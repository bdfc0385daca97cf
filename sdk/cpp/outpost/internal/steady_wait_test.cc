// Waits of the SDK when the wall clock is ahead of the kernel's by hours, as when it was just set
// back: those that end at a time of the wall clock would take hours.
#include "outpost/internal/steady_wait.h"

#include <gtest/gtest.h>

#include "absl/synchronization/notification.h"
#include "outpost/internal/stall_watch.h"
#include "outpost/internal/worker_pool.h"
#include "outpost/serve_context.h"
#include "server/event/stepped_clock.h"

namespace outpost::internal {
namespace {

class SteadyWaitTest : public testing::Test {
 protected:
  SteadyWaitTest() { event::StepWallClock(absl::Hours(3)); }
  ~SteadyWaitTest() override {
    event::StepWallClock(absl::ZeroDuration());
    EXPECT_LT(SteadyNow() - begin_, absl::Minutes(1));
  }
  const absl::Time begin_ = SteadyNow();
};

TEST_F(SteadyWaitTest, ACondVarWaitsAsLongAsItIsTold) {
  absl::Mutex mu;
  SteadyCondVar never;
  absl::MutexLock lock(&mu);
  never.Wait(&mu, absl::Milliseconds(20));
  EXPECT_FALSE(never.AwaitFor(&mu, absl::Milliseconds(20), [] { return false; }));
  EXPECT_GE(SteadyNow() - begin_, absl::Milliseconds(20));
  EXPECT_TRUE(never.AwaitFor(&mu, absl::ZeroDuration(), [] { return true; }));
}

TEST_F(SteadyWaitTest, Serve) {
  ServeContext context;
  EXPECT_TRUE(context.WaitFor(absl::Milliseconds(20)));
  context.Wake();
  EXPECT_TRUE(context.WaitFor(absl::InfiniteDuration()));
  context.Stop();
  EXPECT_FALSE(context.WaitFor(absl::InfiniteDuration()));
}

TEST_F(SteadyWaitTest, WorkThatDoesNotEnd) {
  absl::Notification release;
  WorkerPool pool(1);
  pool.Post([&] { release.WaitForNotification(); });
  EXPECT_FALSE(pool.AwaitIdle(SteadyNow() + absl::Milliseconds(20)));
  release.Notify();
  EXPECT_TRUE(pool.AwaitIdle(absl::InfiniteFuture()));
}

TEST_F(SteadyWaitTest, WorkThatTakesItsTimeIsNoticed) {
  absl::Notification told;
  StallWatch watch(1, [&](size_t) { told.Notify(); });
  watch.Begin(0);
  told.WaitForNotification();
  watch.End(0);
}

}  // namespace
}  // namespace outpost::internal
