#include "server/text/duration.h"

#include <gtest/gtest.h>

namespace outpost::text {
namespace {

TEST(DurationText, HasAUnitAndTheResolutionThatIsAskedFor) {
  EXPECT_EQ(DurationText(absl::ZeroDuration()), "0s");
  EXPECT_EQ(DurationText(absl::Milliseconds(999)), "0s");
  EXPECT_EQ(DurationText(absl::Milliseconds(62'999)), "1m2s");
  EXPECT_EQ(DurationText(absl::Milliseconds(1'550), absl::Milliseconds(100)), "1.5s");
  EXPECT_EQ(DurationText(absl::Milliseconds(50), absl::Milliseconds(100)), "0s");
  EXPECT_EQ(DurationText(absl::Hours(26)), "26h");
}

}  // namespace
}  // namespace outpost::text
