#include "outpost/internal/structure_cache.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace outpost::internal {
namespace {

class StructureCacheTest : public testing::Test {
 protected:
  StructureCacheTest() { cache_.SessionBegan(absl::Minutes(1)); }

  static StructureRef Map(uint64_t version) {
    return StructureRef("osd_map", version, absl::StrCat(version));
  }
  // Reads, as if the manager had answered with `version`.
  bool Read(uint64_t version, bool watched = true) {
    return cache_.Keep(Map(version), watched, cache_.Find("osd_map").moment);
  }
  // The version that may be used without asking; 0: there is none.
  uint64_t Current() {
    const StructureCache::Found found = cache_.Find("osd_map");
    return found.current ? found.kept->version() : 0;
  }

  StructureCache cache_;
};

TEST_F(StructureCacheTest, WhatIsPromisedIsCurrentUntilItChanges) {
  EXPECT_EQ(Current(), 0);
  EXPECT_TRUE(Read(5));
  EXPECT_EQ(Current(), 5);
  cache_.Changed("osd_map", 6);
  EXPECT_EQ(Current(), 0);
  EXPECT_FALSE(cache_.Find("osd_map").kept.has_value());
  EXPECT_TRUE(Read(6));
  EXPECT_EQ(Current(), 6);
  cache_.Changed("osd_map", 6);
  cache_.Changed("health", 9);
  EXPECT_EQ(Current(), 6);
}

TEST_F(StructureCacheTest, NothingIsCurrentWithoutAPromise) {
  EXPECT_TRUE(Read(5, /*watched=*/false));
  EXPECT_EQ(Current(), 0);
  EXPECT_EQ(cache_.Find("osd_map").kept->version(), 5);
}

TEST_F(StructureCacheTest, AnAnswerThatTheChangeOvertookIsNotCurrent) {
  const auto moment = cache_.Find("osd_map").moment;
  cache_.Changed("osd_map", 6);
  EXPECT_TRUE(cache_.Keep(Map(5), true, moment));
  EXPECT_EQ(Current(), 0);
}

TEST_F(StructureCacheTest, AnOlderAnswerThatComesLateTakesNothingAway) {
  const auto early = cache_.Find("osd_map").moment;
  EXPECT_TRUE(Read(6));
  EXPECT_TRUE(cache_.Keep(Map(5), true, early));
  EXPECT_EQ(Current(), 6);
}

TEST_F(StructureCacheTest, APromiseEndsWithItsSession) {
  EXPECT_TRUE(Read(5));
  const auto before = cache_.Find("osd_map").moment;
  cache_.SessionEnded();
  EXPECT_EQ(Current(), 0);
  cache_.SessionBegan(absl::Minutes(1));
  EXPECT_EQ(Current(), 0);
  EXPECT_TRUE(cache_.Keep(Map(5), true, before));  // promised in the session that has ended
  EXPECT_EQ(Current(), 0);
  EXPECT_TRUE(Read(5));
  EXPECT_EQ(Current(), 5);
}

TEST_F(StructureCacheTest, WithoutASessionNothingIsCurrent) {
  cache_.SessionEnded();
  EXPECT_TRUE(Read(5));
  EXPECT_EQ(Current(), 0);
}

TEST_F(StructureCacheTest, DoubtIsOverWithTheNextAnswer) {
  EXPECT_TRUE(Read(5));
  const auto before = cache_.Find("osd_map").moment;
  cache_.Doubt();
  EXPECT_EQ(Current(), 0);
  EXPECT_TRUE(cache_.Keep(Map(5), true, before));  // asked before the doubt
  EXPECT_EQ(Current(), 0);
  EXPECT_TRUE(Read(5));
  EXPECT_EQ(Current(), 5);
}

TEST_F(StructureCacheTest, ASilentManagerIsTrustedForATimeOnly) {
  EXPECT_TRUE(Read(5));
  cache_.SessionBegan(absl::ZeroDuration());
  EXPECT_TRUE(Read(5));
  EXPECT_EQ(Current(), 0);
}

TEST_F(StructureCacheTest, AnotherManagersVersionsMeanNothing) {
  EXPECT_TRUE(Read(5));
  const auto before = cache_.Find("osd_map").moment;
  cache_.ManagerChanged();
  cache_.SessionBegan(absl::Minutes(1));
  EXPECT_FALSE(cache_.Find("osd_map").kept.has_value());
  EXPECT_FALSE(cache_.Keep(Map(5), true, before));
  EXPECT_FALSE(cache_.Find("osd_map").kept.has_value());
  EXPECT_TRUE(Read(1));
  EXPECT_EQ(Current(), 1);
}

TEST_F(StructureCacheTest, CopiesOfTheSameVersionAreOneObject) {
  EXPECT_TRUE(Read(5));
  const StructureRef first = *cache_.Find("osd_map").kept;
  EXPECT_TRUE(Read(5));
  EXPECT_EQ(first.json().data(), cache_.Find("osd_map").kept->json().data());
}

}  // namespace
}  // namespace outpost::internal
