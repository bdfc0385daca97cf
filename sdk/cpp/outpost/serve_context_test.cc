#include "outpost/serve_context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outpost {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(ServeContextTest, WhoPromisesNothingIsNotStuck) {
  ServeContext context;
  EXPECT_EQ(context.Stuck(), "");
  context.Watchdog(absl::Hours(1));
  EXPECT_EQ(context.Stuck(), "");
}

TEST(ServeContextTest, APromiseThatIsNotKeptIsTold) {
  ServeContext context;
  context.Watchdog(absl::Nanoseconds(1));
  EXPECT_FALSE(context.stopping());
  EXPECT_TRUE(context.WaitFor(absl::Milliseconds(1)));
  EXPECT_THAT(context.Stuck(), AllOf(StartsWith("Serve promised to say within 1ns that it gets on"),
                                     HasSubstr("has not for ")));
  context.Watchdog(absl::InfiniteDuration());
  EXPECT_EQ(context.Stuck(), "") << "it waits for what may not come";
}

TEST(ServeContextTest, WhatIsBeingStoppedIsNotStuck) {
  ServeContext context;
  context.Watchdog(absl::Nanoseconds(1));
  context.Stop();
  EXPECT_EQ(context.Stuck(), "");
}

}  // namespace
}  // namespace outpost
