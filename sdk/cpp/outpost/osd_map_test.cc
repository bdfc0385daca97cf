#include "outpost/osd_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outpost {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

Json SampleOsdMap() {
  return Json::parse(R"({
    "epoch": 41, "crush_version": 7, "require_osd_release": "pacific",
    "osds": [{"osd": 0, "up": 1, "in": 1, "weight": 1.0, "primary_affinity": 1.0},
             {"osd": 2, "up": 0, "in": 1, "weight": 0.5, "primary_affinity": 0.25}],
    "pools": [
      {"pool": 1, "pool_name": "data", "type": 1, "size": 3, "min_size": 2, "crush_rule": 0,
       "pg_num": 32, "pg_placement_num": 16},
      {"pool": 12, "pool_name": "cold", "type": 3, "size": 5, "min_size": 4, "crush_rule": 2,
       "pg_num": 8, "pg_placement_num": 8, "erasure_code_profile": "ec"},
      {"pool": 13, "pool_name": "odd", "type": 3, "size": 5, "min_size": 4, "crush_rule": 2,
       "pg_num": 8, "pg_placement_num": 8, "erasure_code_profile": "lrc"}],
    "erasure_code_profiles": {"ec": {"k": "3", "m": "2"}, "lrc": {"plugin": "lrc"}}})");
}

Json SampleCrush() {
  return Json::parse(R"({
    "devices": [{"id": 0, "name": "osd.0", "class": "hdd"}, {"id": 1, "name": "osd.1", "class": "ssd"},
                {"id": 2, "name": "osd.2"}],
    "buckets": [
      {"id": -1, "name": "default", "weight": 196608, "items": [{"id": -2, "weight": 196608}]},
      {"id": -2, "name": "host", "weight": 196608,
       "items": [{"id": 1, "weight": 131072}, {"id": 0, "weight": 65536}]},
      {"id": -3, "name": "default~ssd", "weight": 131072, "items": [{"id": -4, "weight": 131072}]},
      {"id": -4, "name": "host~ssd", "weight": 131072, "items": [{"id": 1, "weight": 131072}]}],
    "rules": [
      {"rule_id": 0, "rule_name": "all", "steps": [{"op": "take", "item": -1}, {"op": "emit"}]},
      {"rule_id": 4, "rule_name": "fast", "steps": [{"op": "take", "item": -3}, {"op": "emit"}]}]})");
}

TEST(OsdMapTest, WhatItSays) {
  const absl::StatusOr<OsdMap> map = OsdMap::Parse(SampleOsdMap());
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_EQ(map->epoch(), 41);
  EXPECT_EQ(map->crush_version(), 7);
  EXPECT_EQ(map->require_osd_release(), "pacific");
  ASSERT_EQ(map->osds().size(), 2);
  const Osd osd = map->OsdById(2).value();
  EXPECT_FALSE(osd.up);
  EXPECT_TRUE(osd.in);
  EXPECT_EQ(osd.weight, 0.5);
  EXPECT_EQ(osd.primary_affinity, 0.25);
  EXPECT_EQ(map->OsdById(1).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(map->PoolByName("data")->pgp_num, 16);
  EXPECT_EQ(map->PoolById(12)->name, "cold");
  EXPECT_EQ(map->PoolByName("x").status().message(), "there is no pool \"x\"");
  EXPECT_EQ(map->PoolById(9).status().message(), "there is no pool 9");
  EXPECT_THAT(*map->ErasureCodeProfile("ec"), ElementsAre(Pair("k", "3"), Pair("m", "2")));
  EXPECT_EQ(map->ErasureCodeProfile("x").status().code(), absl::StatusCode::kNotFound);
}

TEST(OsdMapTest, RawUsedRate) {
  const absl::StatusOr<OsdMap> map = OsdMap::Parse(SampleOsdMap());
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_EQ(*map->RawUsedRate(1), 3);
  EXPECT_THAT(*map->RawUsedRate(12), DoubleEq(5.0 / 3));
  EXPECT_EQ(*map->RawUsedRate(13), 0);
  EXPECT_EQ(map->RawUsedRate(9).status().code(), absl::StatusCode::kNotFound);
}

TEST(OsdMapTest, WhatIsNoMapIsNamed) {
  Json map = SampleOsdMap();
  map["pools"][1]["size"] = "five";
  EXPECT_THAT(std::string(OsdMap::Parse(map).status().message()),
              HasSubstr("osd_map: size is missing, or not a number"));
  for (const Json& wrong : {Json(), Json(3), Json::array(), Json::object()}) {
    EXPECT_EQ(OsdMap::Parse(wrong).status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(CrushMap::Parse(wrong).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(CrushMapTest, Items) {
  const absl::StatusOr<CrushMap> crush = CrushMap::Parse(SampleCrush());
  ASSERT_TRUE(crush.ok()) << crush.status();
  EXPECT_EQ(*crush->Name(-3), "default~ssd");
  EXPECT_EQ(*crush->Name(1), "osd.1");
  EXPECT_EQ(*crush->Weight(-1), 3);
  EXPECT_EQ(*crush->Weight(1), 2);
  EXPECT_EQ(*crush->Weight(2), 0) << "in no bucket";
  EXPECT_EQ(crush->Weight(7).status().message(), "the CRUSH map has no item 7");
  EXPECT_THAT(crush->Roots(), ElementsAre(-3, -1));
  EXPECT_THAT(crush->Takes(), ElementsAre(-3, -1));
  EXPECT_THAT(*crush->OsdsUnder(-1), ElementsAre(1, 0));
  EXPECT_THAT(*crush->SharesUnder(-1),
              ElementsAre(Pair(0, DoubleEq(1.0 / 3)), Pair(1, DoubleEq(2.0 / 3))));
  EXPECT_EQ(crush->OsdsUnder(-9).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(crush->SharesUnder(0).status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(crush->DeviceClassCounts(), ElementsAre(Pair("", 1), Pair("hdd", 1), Pair("ssd", 1)));
}

TEST(CrushMapTest, Rules) {
  const absl::StatusOr<CrushMap> crush = CrushMap::Parse(SampleCrush());
  ASSERT_TRUE(crush.ok()) << crush.status();
  EXPECT_EQ(crush->RuleByName("fast")->id, 4);
  EXPECT_THAT(crush->RuleById(0)->takes, ElementsAre(-1));
  EXPECT_EQ(crush->RuleByName("slow").status().message(), "there is no CRUSH rule \"slow\"");
  EXPECT_EQ(crush->RuleById(1).status().code(), absl::StatusCode::kNotFound);
}

TEST(CrushMapTest, ACircleEnds) {
  Json crush = SampleCrush();
  crush["buckets"][1]["items"].push_back({{"id", -1}, {"weight", 65536}});
  const absl::StatusOr<CrushMap> map = CrushMap::Parse(crush);
  ASSERT_TRUE(map.ok());
  EXPECT_THAT(*map->OsdsUnder(-1), ElementsAre(1, 0));
}

}  // namespace
}  // namespace outpost
