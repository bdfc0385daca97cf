#include "server/text/nearest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outpost::text {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(NearestTest, OneSlipOfAnyKindIsFound) {
  const std::vector<std::string> known = {"mon_map", "health", "osd_map"};
  EXPECT_THAT(Nearest("osd_mpa", known, 1), ElementsAre("osd_map"));   // swapped
  EXPECT_THAT(Nearest("osd_mp", known, 1), ElementsAre("osd_map"));    // left out
  EXPECT_THAT(Nearest("osd_maap", known, 1), ElementsAre("osd_map"));  // too many
  EXPECT_THAT(Nearest("osd-map", known, 1), ElementsAre("osd_map"));   // another
  EXPECT_THAT(Nearest("HEALTH", known, 1), ElementsAre("health"));     // case
}

TEST(NearestTest, TheNearestComesFirstAndEquallyNearOnesKeepTheirOrder) {
  EXPECT_THAT(Nearest("place", {"plaices", "places", "placer", "emphatic"}, 3),
              ElementsAre("places", "placer", "plaices"));
}

TEST(NearestTest, LimitIsAtMostThatMany) {
  EXPECT_THAT(Nearest("a1x", {"a1a", "a1b", "a1c"}, 2), ElementsAre("a1a", "a1b"));
  EXPECT_THAT(Nearest("a1x", {"a1a"}, 0), IsEmpty());
}

TEST(NearestTest, WhatHasNothingInCommonIsNotOffered) {
  EXPECT_THAT(Nearest("emphatic", {"place", "osd_map"}, 3), IsEmpty());
  EXPECT_THAT(Nearest("ab", {"xy"}, 3), IsEmpty());  // 2 edits, but every byte
}

TEST(NearestTest, ABeginningIsFound) {
  EXPECT_THAT(Nearest("o", {"health", "osd_map"}, 3), ElementsAre("osd_map"));
  EXPECT_THAT(Nearest("osd_map_and_more", {"osd_map"}, 3), ElementsAre("osd_map"));
}

TEST(NearestTest, EmptyAndHugeWordsFindNothing) {
  EXPECT_THAT(Nearest("", {"a", ""}, 3), IsEmpty());
  EXPECT_THAT(Nearest("a", {}, 3), IsEmpty());
  EXPECT_THAT(Nearest(std::string(1 << 20, 'a'), {"a"}, 3), IsEmpty());
}

TEST(DidYouMeanTest, NamesAllOrSaysNothing) {
  EXPECT_EQ(DidYouMean({}), "");
  EXPECT_EQ(DidYouMean({"a"}), "; did you mean a?");
  EXPECT_EQ(DidYouMean({"a", "b"}), "; did you mean a or b?");
}

}  // namespace
}  // namespace outpost::text
