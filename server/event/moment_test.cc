#include "server/event/moment.h"

#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/event/stepped_clock.h"

namespace outpost::event {
namespace {

class WallClockTest : public testing::Test {
 protected:
  ~WallClockTest() override { StepWallClock(absl::ZeroDuration()); }
};

TEST_F(WallClockTest, WhatWasBeforeAStepIsAsOldAsBefore) {
  for (const absl::Duration step : {absl::Hours(-3), absl::Hours(3)}) {
    const Moment before = Moment::Now();
    StepWallClock(step);
    const Moment after = Moment::Now();
    EXPECT_LT(absl::AbsDuration(after.wall - before.wall - step), absl::Minutes(1));
    EXPECT_GE(after - before, absl::ZeroDuration());
    EXPECT_LT(after - before, absl::Minutes(1));
    EXPECT_LT(absl::AbsDuration(after.wall - WallTime(before, after)), absl::Minutes(1));
    StepWallClock(absl::ZeroDuration());
  }
}

TEST_F(WallClockTest, DriftChangesNoTime) {
  const Moment then = {absl::FromUnixSeconds(100), absl::Seconds(7)};
  const Moment now = {absl::FromUnixSeconds(200) + absl::Milliseconds(900), absl::Seconds(107)};
  EXPECT_EQ(WallTime(then, now), then.wall);
  EXPECT_EQ(now - then, absl::Seconds(100));
}

}  // namespace
}  // namespace outpost::event
