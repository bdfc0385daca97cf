#include "server/cluster/crush_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace outpost::cluster {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// Two hosts; the root stands before what is in it, and each has a shadow of a class.
constexpr char kMap[] = R"({
  "devices": [{"id": 0, "name": "osd.0", "class": "hdd"}, {"id": 1, "name": "osd.1"}],
  "types": [{"type_id": 0, "name": "osd"}, {"type_id": 1, "name": "host"},
            {"type_id": 11, "name": "root"}],
  "buckets": [
    {"id": -1, "name": "default", "type_name": "root", "weight": 131072, "alg": "straw2",
     "hash": "rjenkins1", "items": [{"id": -3, "weight": 65536}, {"id": -5, "weight": 65536}]},
    {"id": -2, "name": "default~hdd", "type_name": "root", "weight": 65536, "alg": "straw2",
     "hash": "rjenkins1", "items": [{"id": -4, "weight": 65536}]},
    {"id": -3, "name": "host1", "type_name": "host", "weight": 65536, "alg": "straw2",
     "hash": "rjenkins1", "items": [{"id": 0, "weight": 65536}]},
    {"id": -4, "name": "host1~hdd", "type_name": "host", "weight": 65536, "alg": "straw2",
     "hash": "rjenkins1", "items": [{"id": 0, "weight": 65536}]},
    {"id": -5, "name": "host2", "type_name": "host", "weight": 65536, "alg": "straw2",
     "hash": "rjenkins1", "items": [{"id": 1, "weight": 65536}]}],
  "rules": [{"rule_id": 0, "rule_name": "replicated_rule", "type": 1, "min_size": 1,
             "max_size": 10, "steps": [
               {"op": "take", "item": -2, "item_name": "default~hdd"},
               {"op": "chooseleaf_firstn", "num": 0, "type": "host"}, {"op": "emit"}]},
            {"rule_id": 1, "rule_name": "ec", "type": 3, "min_size": 3, "max_size": 4, "steps": [
               {"op": "set_chooseleaf_tries", "num": 5},
               {"op": "take", "item": -1, "item_name": "default"},
               {"op": "choose_indep", "num": 0, "type": "osd"}, {"op": "emit"}]}],
  "tunables": {"choose_total_tries": 50, "chooseleaf_descend_once": 1, "chooseleaf_vary_r": 1,
               "chooseleaf_stable": 1, "straw_calc_version": 1, "allowed_bucket_algs": 54}})";

TEST(CrushTextTest, IsWhatCrushtoolWrites) {
  const auto text = CrushText(kMap);
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_THAT(
      *text,
      AllOf(HasSubstr("tunable choose_total_tries 50\n"), HasSubstr("device 0 osd.0 class hdd\n"),
            HasSubstr("device 1 osd.1\n"), HasSubstr("type 11 root\n"),
            HasSubstr("host host1 {\n\tid -3\t\t# do not change unnecessarily\n"
                      "\tid -4 class hdd\t\t# do not change unnecessarily\n\t# weight 1.000\n"
                      "\talg straw2\n\thash 0\t# rjenkins1\n\titem osd.0 weight 1.000\n}\n"),
            HasSubstr("\tstep take default class hdd\n\tstep chooseleaf firstn 0 type host\n"),
            HasSubstr("\ttype erasure\n\tmin_size 3\n\tmax_size 4\n"
                      "\tstep set_chooseleaf_tries 5\n\tstep take default\n"
                      "\tstep choose indep 0 type osd\n\tstep emit\n}\n")));
  EXPECT_LT(text->find("host host2"), text->find("root default"));
  EXPECT_THAT(*text, Not(HasSubstr("~")));
}

TEST(CrushTextTest, CrushtoolCompilesIt) {
  const std::string crushtool = "/usr/bin/crushtool";
  if (!std::ifstream(crushtool).good()) GTEST_SKIP() << "no crushtool here";
  const std::string directory = testing::TempDir();
  const auto text = CrushText(kMap);
  ASSERT_TRUE(text.ok()) << text.status();
  std::ofstream(absl::StrCat(directory, "/crush.txt")) << *text;
  const std::string compile =
      absl::StrCat(crushtool, " -c ", directory, "/crush.txt -o ", directory, "/crush && ",
                   crushtool, " -d ", directory, "/crush -o ", directory, "/again.txt");
  ASSERT_EQ(std::system(compile.c_str()), 0) << *text;
  std::ifstream again(absl::StrCat(directory, "/again.txt"));
  const std::string decompiled((std::istreambuf_iterator<char>(again)), {});
  EXPECT_THAT(decompiled,
              AllOf(HasSubstr("step take default class hdd"), HasSubstr("item host2 weight 1.000"),
                    HasSubstr("id -4 class hdd")));
}

// A device or a bucket that is not in the map is data, as any other.
TEST(CrushTextTest, WhatTheMapRefersToAndHasNotIsANumber) {
  const auto text = CrushText(R"({"devices": [], "types": [], "rules": [
      {"rule_name": "r", "steps": [{"op": "take", "item": -9}]}],
    "buckets": [{"id": -1, "name": "default", "type_name": "root", "alg": "straw2",
                 "items": [{"id": 7, "weight": 65536}, {"id": -1, "weight": 1}]}]})");
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_THAT(*text, AllOf(HasSubstr("item device7 weight 1.000"), HasSubstr("take bucket8")));
}

TEST(CrushTextTest, WhatIsNoCrushMapIsRefused) {
  for (const char* text : {"", "null", "[]", "{}", R"({"devices": []})", R"({"devices": 1})"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(CrushText(text).status())) << text;
  }
}

}  // namespace
}  // namespace outpost::cluster
