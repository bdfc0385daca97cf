#include "server/module/start_turns.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace outpost::module {
namespace {

using testing::ElementsAre;
using Kind = StartTurns::Kind;

constexpr absl::Duration kNow = absl::Hours(1);

absl::Duration After(int milliseconds) { return kNow + absl::Milliseconds(milliseconds); }

TEST(StartTurnsTest, WithoutLimitsAllStartAtOnce) {
  StartTurns turns({});
  for (uint64_t run = 1; run <= 100; ++run) {
    EXPECT_TRUE(turns.Take("m" + std::to_string(run), Kind::kNew, kNow));
    turns.Begin(run, kNow);
  }
  EXPECT_EQ(turns.Next(kNow), std::nullopt);
  EXPECT_EQ(turns.Until(kNow), absl::InfiniteDuration());
}

TEST(StartTurnsTest, SomeAtATime) {
  StartTurns turns({.at_once = 2});
  EXPECT_TRUE(turns.Take("a", Kind::kNew, kNow));
  turns.Begin(1, kNow);
  EXPECT_TRUE(turns.Take("b", Kind::kNew, kNow));
  turns.Begin(2, kNow);
  EXPECT_FALSE(turns.Take("c", Kind::kNew, kNow));
  EXPECT_FALSE(turns.Take("d", Kind::kNew, kNow));
  EXPECT_FALSE(turns.Take("c", Kind::kNew, kNow));  // it keeps its place, and has but one
  EXPECT_EQ(turns.Next(After(5)), std::nullopt);
  turns.End(7);  // of none
  EXPECT_EQ(turns.Next(After(5)), std::nullopt);
  turns.End(1);
  EXPECT_EQ(turns.Next(After(5)), "c");
  turns.Begin(3, After(5));
  EXPECT_EQ(turns.Next(After(5)), std::nullopt);
  turns.End(3);
  turns.End(2);
  EXPECT_FALSE(turns.Take("e", Kind::kNew, After(6)));  // "d" was first
  EXPECT_EQ(turns.Next(After(6)), "d");
  // A turn in which nothing began (it could not be executed) takes no place.
  EXPECT_EQ(turns.Next(After(6)), "e");
  EXPECT_EQ(turns.Next(After(6)), std::nullopt);
}

TEST(StartTurnsTest, OneThatTakesItsTimeKeepsNobodyForLong) {
  StartTurns turns({.at_once = 1, .turn = absl::Milliseconds(100)});
  EXPECT_TRUE(turns.Take("slow", Kind::kNew, kNow));
  turns.Begin(1, kNow);
  EXPECT_FALSE(turns.Take("next", Kind::kNew, After(30)));
  EXPECT_EQ(turns.Until(After(30)), absl::Milliseconds(70));
  EXPECT_EQ(turns.Next(After(99)), std::nullopt);
  EXPECT_EQ(turns.Next(After(100)), "next");
}

TEST(StartTurnsTest, SomeAtOnceThenOneAfterTheOther) {
  StartTurns turns({.per_second = 2});
  for (uint64_t run = 1; run <= 2; ++run) {
    EXPECT_TRUE(turns.Take("m" + std::to_string(run), Kind::kNew, kNow));
    turns.Begin(run, kNow);
  }
  EXPECT_EQ(turns.Until(kNow), absl::InfiniteDuration());
  EXPECT_FALSE(turns.Take("a", Kind::kNew, After(125)));
  EXPECT_EQ(turns.Until(After(125)), absl::Milliseconds(375));
  turns.End(1);
  EXPECT_EQ(turns.Next(After(375)), std::nullopt);
  EXPECT_EQ(turns.Next(After(500)), "a");
  turns.Begin(3, After(500));
  EXPECT_FALSE(turns.Take("b", Kind::kNew, After(500)));
  EXPECT_EQ(turns.Next(After(1000)), "b");
  turns.Begin(4, After(1000));
  // Nobody waits, and the pause is over.
  EXPECT_TRUE(turns.Take("c", Kind::kNew, After(1500)));
}

TEST(StartTurnsTest, OneInAWhile) {
  StartTurns turns({.per_second = 0.5});
  EXPECT_TRUE(turns.Take("a", Kind::kNew, kNow));
  turns.Begin(1, kNow);
  EXPECT_FALSE(turns.Take("b", Kind::kNew, kNow));
  EXPECT_EQ(turns.Until(kNow), absl::Seconds(2));
  EXPECT_EQ(turns.Next(After(2000)), "b");
}

TEST(StartTurnsTest, WhoHasRunBeforeDoesNotWaitBehindAllThatAreNew) {
  StartTurns turns({.at_once = 1});
  EXPECT_TRUE(turns.Take("a", Kind::kNew, kNow));
  turns.Begin(1, kNow);
  for (const char* name : {"n1", "n2", "n3"}) EXPECT_FALSE(turns.Take(name, Kind::kNew, kNow));
  for (const char* name : {"r1", "r2"}) EXPECT_FALSE(turns.Take(name, Kind::kAgain, kNow));
  turns.End(1);
  std::vector<std::string> order;
  while (auto next = turns.Next(kNow)) order.push_back(*next);
  EXPECT_THAT(order, ElementsAre("n1", "r1", "n2", "r2", "n3"));
}

TEST(StartTurnsTest, WhoLeavesIsNotCalled) {
  StartTurns turns({.at_once = 1});
  EXPECT_TRUE(turns.Take("a", Kind::kNew, kNow));
  turns.Begin(1, kNow);
  for (const char* name : {"b", "c", "d"}) EXPECT_FALSE(turns.Take(name, Kind::kNew, kNow));
  turns.Leave("c");
  turns.Leave("nobody");
  turns.End(1);
  EXPECT_EQ(turns.Next(kNow), "b");
  EXPECT_EQ(turns.Next(kNow), "d");
  EXPECT_EQ(turns.Next(kNow), std::nullopt);
  EXPECT_EQ(turns.Until(kNow), absl::InfiniteDuration());
}

}  // namespace
}  // namespace outpost::module
