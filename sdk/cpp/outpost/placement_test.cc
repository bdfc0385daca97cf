#include "outpost/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace outpost {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

// What the module is asked, and says.
class PlacementTest : public testing::Test {
 protected:
  const Placement placement_{[this](absl::string_view method, const Json& arguments) {
    method_ = std::string(method);
    asked_ = arguments;
    return answer_;
  }};
  absl::StatusOr<Json> answer_ = Json();
  std::string method_;
  Json asked_;
};

TEST_F(PlacementTest, GroupsOfAPool) {
  answer_ = Json::parse(R"({"1.0":[2,0],"1.1":[]})");
  const auto groups = placement_.MapPoolPgsUp(1, {.osd_reweights = {{3, 0.5}}});
  ASSERT_TRUE(groups.ok()) << groups.status();
  EXPECT_THAT(*groups, ElementsAre(Pair("1.0", ElementsAre(2, 0)), Pair("1.1", IsEmpty())));
  EXPECT_EQ(method_, "map_pool_pgs_up");
  EXPECT_EQ(asked_, Json::parse(R"({"pool":1,"change":{"osd_reweights":{"3":0.5},
      "crush_compat_weights":{},"new_pg_upmap_items":[],"old_pg_upmap_items":[]}})"));
}

TEST_F(PlacementTest, OneGroup) {
  answer_ = Json::parse(R"({"up":[1,2],"up_primary":1,"acting":[2],"acting_primary":2})");
  const auto group = placement_.PgToUpActingOsds(7, 31);
  ASSERT_TRUE(group.ok()) << group.status();
  EXPECT_THAT(group->up, ElementsAre(1, 2));
  EXPECT_EQ(group->up_primary, 1);
  EXPECT_THAT(group->acting, ElementsAre(2));
  EXPECT_EQ(group->acting_primary, 2);
  EXPECT_EQ(asked_["pool"], 7);
  EXPECT_EQ(asked_["ps"], 31);
}

TEST_F(PlacementTest, ExceptionsAreAddedToAChange) {
  answer_ = Json::parse(R"({"new_pg_upmap_items":[
      {"pgid":"1.0","mappings":[{"from":0,"to":3}]},{"pgid":"1.2","mappings":[]}],
      "old_pg_upmap_items":["1.1","1.5"]})");
  const auto change =
      placement_.CalcPgUpmaps({.max_deviation = 1, .max_changes = 5, .pools = {"data"}},
                              {.crush_compat_weights = {{0, 2}},
                               .new_upmap_items = {{"1.1", {{4, 5}}}, {"1.7", {{6, 7}}}},
                               .old_upmap_items = {"1.0", "1.5", "1.6"}});
  ASSERT_TRUE(change.ok()) << change.status();
  EXPECT_EQ(asked_, Json::parse(R"({"max_deviation":1,"max_iterations":5,"pools":["data"],
      "change":{"osd_reweights":{},"crush_compat_weights":{"0":2.0},
        "new_pg_upmap_items":[{"pgid":"1.1","mappings":[{"from":4,"to":5}]},
          {"pgid":"1.7","mappings":[{"from":6,"to":7}]}],
        "old_pg_upmap_items":["1.0","1.5","1.6"]}})"));
  EXPECT_THAT(change->new_upmap_items,
              ElementsAre(Pair("1.0", ElementsAre(Pair(0, 3))), Pair("1.2", IsEmpty()),
                          Pair("1.7", ElementsAre(Pair(6, 7)))));
  EXPECT_THAT(change->old_upmap_items, ElementsAre("1.6", "1.1", "1.5"));
  EXPECT_THAT(change->crush_compat_weights, ElementsAre(Pair(0, 2.0)));
}

TEST_F(PlacementTest, WhatTheModuleRefusesIsAnErrorAndSoIsWhatIsNoAnswer) {
  answer_ = absl::NotFoundError("no pool");
  EXPECT_EQ(placement_.MapPoolPgsUp(1).status(), absl::NotFoundError("no pool"));
  EXPECT_EQ(placement_.PgToUpActingOsds(1, 0).status(), absl::NotFoundError("no pool"));
  EXPECT_EQ(placement_.CalcPgUpmaps({}).status(), absl::NotFoundError("no pool"));
  for (
      const char* text :
      {"null", "[]", R"({"1.0":3})", R"({"1.0":["x"]})", R"({"up":[1],"up_primary":"1"})",
       R"({"new_pg_upmap_items":[{}],"old_pg_upmap_items":[]})",
       R"({"new_pg_upmap_items":[{"pgid":"1.0","mappings":[{"from":0}]}],"old_pg_upmap_items":[]})",
       R"({"new_pg_upmap_items":[],"old_pg_upmap_items":[{}]})"}) {
    answer_ = Json::parse(text);
    EXPECT_TRUE(absl::IsInternal(placement_.MapPoolPgsUp(1).status())) << text;
    EXPECT_TRUE(absl::IsInternal(placement_.PgToUpActingOsds(1, 0).status())) << text;
    EXPECT_TRUE(absl::IsInternal(placement_.CalcPgUpmaps({}).status())) << text;
  }
}

}  // namespace
}  // namespace outpost
