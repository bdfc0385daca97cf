#include "outpost/internal/keyed_results.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outpost::internal {
namespace {

using testing::ElementsAre;

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

}  // namespace
}  // namespace outpost::internal
