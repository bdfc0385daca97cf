#include "server/text/sparkline.h"

#include <gtest/gtest.h>

#include <cmath>

namespace outpost::text {
namespace {

TEST(SparklineTest, GoesFromTheLowestToTheHighest) {
  EXPECT_EQ(Sparkline({0, 1, 2, 3, 4, 5, 6, 7}), "▁▂▃▄▅▆▇█");
  EXPECT_EQ(Sparkline({-5, 5, 0}), "▁█▅");
}

TEST(SparklineTest, WhatDoesNotChangeIsFlatAndWhatIsNoNumberIsBlank) {
  EXPECT_EQ(Sparkline({7, 7, 7}), "▁▁▁");
  EXPECT_EQ(Sparkline({1, std::nan(""), 2}), "▁ █");
  EXPECT_EQ(Sparkline({}), "");
}

}  // namespace
}  // namespace outpost::text
