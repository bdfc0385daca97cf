#include "outpost/internal/keyed_results.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "absl/strings/str_cat.h"

namespace outpost::internal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class KeyedResultsTest : public testing::Test {
 protected:
  KeyedResults::Answer Told() {
    return [this](const v1::CommandResult& result) { told_.push_back(result.stdout()); };
  }
  static v1::CommandResult Result(const std::string& out) {
    v1::CommandResult result;
    result.set_stdout(out);
    return result;
  }

  absl::Time clock_ = absl::UnixEpoch();
  std::vector<std::string> told_;
  KeyedResults results_{[this] { return clock_; }};
};

TEST_F(KeyedResultsTest, WhoAsksAgainIsToldWhenItEnds) {
  EXPECT_TRUE(results_.Begin("a", Told()));
  EXPECT_FALSE(results_.Begin("a", Told()));
  EXPECT_TRUE(results_.Begin("b", Told()));
  EXPECT_THAT(told_, ElementsAre());
  results_.End("a", Result("one"));
  EXPECT_THAT(told_, ElementsAre("one", "one"));
}

TEST_F(KeyedResultsTest, WhoAsksLaterIsToldAtOnce) {
  EXPECT_TRUE(results_.Begin("a", Told()));
  results_.End("a", Result("one"));
  clock_ += KeyedResults::kKeep - absl::Seconds(1);
  EXPECT_FALSE(results_.Begin("a", Told()));
  EXPECT_THAT(told_, ElementsAre("one", "one"));
}

TEST_F(KeyedResultsTest, WhatIsOldIsForgotten) {
  EXPECT_TRUE(results_.Begin("runs", Told()));
  EXPECT_TRUE(results_.Begin("a", Told()));
  results_.End("a", Result("one"));
  clock_ += KeyedResults::kKeep;
  EXPECT_TRUE(results_.Begin("a", Told()));
  EXPECT_FALSE(results_.Begin("runs", Told()));  // it has not ended
}

TEST_F(KeyedResultsTest, WhatIsToBeTriedAgainIsNotRemembered) {
  EXPECT_TRUE(results_.Begin("a", Told()));
  EXPECT_FALSE(results_.Begin("a", Told()));
  v1::CommandResult later = Result("later");
  later.set_retval(-EAGAIN);
  results_.End("a", later);
  EXPECT_THAT(told_, ElementsAre("later", "later"));
  EXPECT_TRUE(results_.Begin("a", Told()));
  results_.End("a", Result("one"));
  EXPECT_FALSE(results_.Begin("a", Told()));
  EXPECT_THAT(told_, ElementsAre("later", "later", "one", "one"));
}

TEST_F(KeyedResultsTest, OfAGreatResultOnlyThatIsRemembered) {
  const std::string great(KeyedResults::kMaxBytes + 1, 'x');
  EXPECT_TRUE(results_.Begin("a", Told()));
  results_.End("a", Result(great));
  EXPECT_THAT(told_, ElementsAre(great));
  v1::CommandResult again;
  EXPECT_FALSE(results_.Begin("a", [&](const v1::CommandResult& result) { again = result; }));
  EXPECT_EQ(again.retval(), -EMSGSIZE);
  EXPECT_THAT(again.stderr(), HasSubstr("was run and returned 0, but its output of"));
}

TEST_F(KeyedResultsTest, AllResultsTogetherAreBoundedToo) {
  const std::string large(KeyedResults::kMaxBytes - 100, 'x');
  constexpr int kFit = KeyedResults::kMaxBytesOfAll / KeyedResults::kMaxBytes;
  const auto remembers = [&](int number) {
    v1::CommandResult told;
    EXPECT_FALSE(results_.Begin(absl::StrCat(number),
                                [&](const v1::CommandResult& result) { told = result; }));
    return told.retval() == 0;
  };
  for (int i = 0; i <= kFit; ++i) {
    results_.Begin(absl::StrCat(i), [](const v1::CommandResult&) {});
    results_.End(absl::StrCat(i), Result(large));
  }
  EXPECT_TRUE(remembers(kFit - 1));
  EXPECT_FALSE(remembers(kFit));
  // Those of before are forgotten when the next ends.
  results_.Begin("next", [](const v1::CommandResult&) {});
  clock_ += KeyedResults::kKeep;
  results_.End("next", Result(large));
  v1::CommandResult next;
  EXPECT_FALSE(results_.Begin("next", [&](const v1::CommandResult& result) { next = result; }));
  EXPECT_EQ(next.retval(), 0);
}

}  // namespace
}  // namespace outpost::internal
