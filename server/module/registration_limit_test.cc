#include "server/module/registration_limit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace outpost::module {
namespace {

using testing::HasSubstr;

TEST(RegistrationLimitTest, ABurstThenARateForEachByItself) {
  RegistrationLimit limit(2);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(limit.Take("a", 3, absl::Seconds(5)).ok());
  EXPECT_EQ(limit.Take("a", 3, absl::Seconds(5)),
            absl::UnavailableError("module 'a' registers more often than 2 times a second "
                                   "(--registrations-per-second); try again later"));
  EXPECT_TRUE(limit.Take("b", 3, absl::Seconds(5)).ok());
  EXPECT_TRUE(limit.Take("a", 3, absl::Seconds(5.5)).ok());
  EXPECT_FALSE(limit.Take("a", 3, absl::Seconds(5.5)).ok());
}

TEST(RegistrationLimitTest, WhatItDeclaresCounts) {
  RegistrationLimit limit(10);
  EXPECT_TRUE(limit.Take("a", 8192, absl::ZeroDuration()).ok());
  EXPECT_FALSE(limit.Take("a", 8192, absl::ZeroDuration()).ok());
  EXPECT_TRUE(limit.Take("a", 0, absl::ZeroDuration()).ok());
}

TEST(RegistrationLimitTest, AllTogetherHaveALimitToo) {
  RegistrationLimit limit(1);
  int taken = 0;
  absl::Status refusal;
  for (int i = 0; i < 6000; ++i) {
    const absl::Status status = limit.Take(absl::StrCat("m", i), 0, absl::ZeroDuration());
    taken += status.ok() ? 1 : 0;
    refusal.Update(status);
  }
  EXPECT_EQ(taken, 500);
  EXPECT_THAT(std::string(refusal.message()),
              HasSubstr("modules register more often than 50 times"));
  // Names that are too many to be known do not stay for ever.
  EXPECT_TRUE(limit.Take("late", 0, absl::Hours(1)).ok());
}

TEST(RegistrationLimitTest, RefusalsAreToldOnceASecond) {
  RegistrationLimit limit(0.1);
  EXPECT_TRUE(limit.Take("a", 0, absl::ZeroDuration()).ok());
  EXPECT_EQ(limit.TakeUntold(absl::ZeroDuration()), 0u);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(limit.Take("a", 0, absl::ZeroDuration()).ok());
  EXPECT_EQ(limit.TakeUntold(absl::ZeroDuration()), 3u);
  EXPECT_FALSE(limit.Take("a", 0, absl::Milliseconds(500)).ok());
  EXPECT_EQ(limit.TakeUntold(absl::Milliseconds(500)), 0u);
  EXPECT_EQ(limit.TakeUntold(absl::Seconds(1)), 1u);
}

}  // namespace
}  // namespace outpost::module
