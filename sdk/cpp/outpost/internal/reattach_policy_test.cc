#include "outpost/internal/reattach_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "outpost/errors.h"

namespace outpost::internal {
namespace {

using ::testing::HasSubstr;

const absl::Time kStart = absl::FromUnixSeconds(1000);

ReattachPolicy Policy(absl::Duration first_grace) {
  return ReattachPolicy({}, first_grace, "unix:/x", kStart);
}

TEST(ReattachPolicyTest, FinalRefusalsEndTheModule) {
  for (const char* reason : {"NAME_TAKEN", "COMMAND_TAKEN", "BAD_REGISTER", "BAD_TOKEN",
                             "MODULE_DISABLED", "PROTOCOL_VERSION", "PROTOCOL_ERROR"}) {
    const auto outcome =
        Policy(absl::InfiniteDuration())
            .StreamEnded(WithReason(absl::UnknownError("why"), reason), false, kStart);
    ASSERT_TRUE(outcome.has_value()) << reason;
    EXPECT_EQ(outcome->exit_status, kExitRefused);
    EXPECT_EQ(outcome->message, absl::StrCat(reason, ": why"));
  }
}

TEST(ReattachPolicyTest, OthersAreTriedAgain) {
  ReattachPolicy policy = Policy(absl::InfiniteDuration());
  EXPECT_FALSE(policy.StreamEnded(absl::UnavailableError("x"), false, kStart));
  EXPECT_FALSE(policy.StreamEnded(absl::OkStatus(), true, kStart));
  EXPECT_FALSE(
      policy.StreamEnded(WithReason(absl::InvalidArgumentError("x"), "NEW_REASON"), true, kStart));
  // A server that knows nothing of modules is a mistake in the address.
  EXPECT_TRUE(policy.StreamEnded(absl::UnimplementedError("x"), false, kStart));
}

TEST(ReattachPolicyTest, GivesUpAfterTheGraceWithoutAManager) {
  ReattachPolicy policy = Policy(absl::Seconds(60));
  EXPECT_FALSE(policy.StreamEnded(absl::UnavailableError("x"), false, kStart + absl::Seconds(59)));
  const auto first =
      policy.StreamEnded(absl::UnavailableError("refused"), false, kStart + absl::Seconds(60));
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->exit_status, kExitNoManager);
  EXPECT_THAT(first->message, HasSubstr("unix:/x for 1m: refused"));
  // Once attached, the manager's own grace counts, from the loss on.
  policy.Attached(absl::Seconds(10));
  const absl::Time lost = kStart + absl::Hours(1);
  EXPECT_FALSE(policy.StreamEnded(absl::UnavailableError("x"), true, lost));
  EXPECT_FALSE(policy.StreamEnded(absl::UnavailableError("x"), false, lost + absl::Seconds(9)));
  // A standby that answers is a manager that was reached.
  EXPECT_FALSE(policy.StreamEnded(WithReason(absl::UnavailableError("x"), "NOT_ACTIVE"), false,
                                  lost + absl::Seconds(9)));
  EXPECT_FALSE(policy.StreamEnded(absl::UnavailableError("x"), false, lost + absl::Seconds(18)));
  EXPECT_TRUE(policy.StreamEnded(absl::UnavailableError("x"), false, lost + absl::Seconds(19)));
}

TEST(ReattachPolicyTest, WaitsLongerEachTimeButNotPastTheGrace) {
  ReattachPolicy policy = Policy(absl::Seconds(60));
  EXPECT_LE(policy.NextTry(kStart) - kStart, absl::Milliseconds(125));
  for (int i = 0; i < 10; ++i) policy.NextTry(kStart);
  EXPECT_GE(policy.NextTry(kStart) - kStart, absl::Milliseconds(3750));
  const absl::Time late = kStart + absl::Milliseconds(59500);
  EXPECT_EQ(policy.NextTry(late), kStart + absl::Seconds(60));
  policy.Attached(absl::InfiniteDuration());
  EXPECT_FALSE(policy.StreamEnded(absl::UnavailableError("x"), true, late));
  EXPECT_LE(policy.NextTry(late) - late, absl::Milliseconds(125));
}

TEST(ReattachPolicyTest, AnOutageIsToldOnce) {
  ReattachPolicy policy = Policy(absl::InfiniteDuration());
  EXPECT_TRUE(policy.TellOutage());
  EXPECT_FALSE(policy.TellOutage());
  policy.Attached(absl::InfiniteDuration());
  EXPECT_TRUE(policy.TellOutage());
}

}  // namespace
}  // namespace outpost::internal
