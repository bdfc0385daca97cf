#include "server/log/rate_limit.h"

#include <gtest/gtest.h>

namespace outpost::log {
namespace {

TEST(RateLimitTest, ABurstThenTheRate) {
  RateLimit limit(3, 10);
  absl::Duration now = absl::Seconds(1000);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limit.Take(now));
  EXPECT_FALSE(limit.Take(now));
  EXPECT_FALSE(limit.Take(now + absl::Milliseconds(99)));
  EXPECT_TRUE(limit.Take(now + absl::Milliseconds(101)));
  EXPECT_EQ(limit.TakeRefused(), 2u);
  EXPECT_EQ(limit.TakeRefused(), 0u);
  now += absl::Hours(1);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limit.Take(now)) << "not more than a burst is saved";
  EXPECT_FALSE(limit.Take(now));
}

TEST(RateLimitTest, HowLongItIsUntilTheNext) {
  RateLimit limit(2, 10);
  const absl::Duration now = absl::Seconds(1000);
  EXPECT_EQ(limit.Until(now), absl::ZeroDuration());
  limit.Take(now);
  EXPECT_EQ(limit.Until(now), absl::ZeroDuration());
  EXPECT_EQ(limit.Until(now, 2), absl::Milliseconds(100));
  limit.Take(now);
  EXPECT_EQ(limit.Until(now), absl::Milliseconds(100));
  const absl::Duration then = now + limit.Until(now);
  EXPECT_EQ(limit.Until(then), absl::ZeroDuration());
  EXPECT_TRUE(limit.Take(then)) << "as it has said";
}

}  // namespace
}  // namespace outpost::log
