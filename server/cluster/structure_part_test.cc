#include "server/cluster/structure_part.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outpost::cluster {
namespace {

using testing::HasSubstr;

class StructurePartTest : public testing::Test {
 protected:
  StructurePartTest() {
    state_.Publish("map", R"({"osds": [{"osd": 0}, {"osd": 1, "w": 0.5}], "a/b": {"~": "x"}})");
    snapshot_ = *state_.Get("map");
  }
  absl::StatusOr<std::string> Part(absl::string_view path) { return PartOf(*snapshot_, path); }

  ClusterState state_;
  SnapshotPtr snapshot_;
};

TEST_F(StructurePartTest, APointerNamesAPart) {
  EXPECT_EQ(*Part("/osds/1"), R"({"osd":1,"w":0.5})");
  EXPECT_EQ(*Part("/osds/0/osd"), "0");
  EXPECT_EQ(*Part("/a~1b/~0"), R"("x")");
}

TEST_F(StructurePartTest, WhatThereIsNotIsToldWithWhatThereIs) {
  EXPECT_EQ(Part("/osds/7/osd").status(),
            absl::NotFoundError("structure \"map\", path \"/osds/7/osd\": there is \"/osds\", "
                                "and nothing such in it"));
  EXPECT_EQ(Part("/nosuch").status(),
            absl::NotFoundError("structure \"map\", path \"/nosuch\": there is no such part"));
  EXPECT_TRUE(absl::IsNotFound(Part("/osds/x").status()));
}

TEST_F(StructurePartTest, WhatIsNoPointerIsRefused) {
  for (const char* path : {"osds", "/~", "/a~2"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Part(path).status())) << path;
    EXPECT_THAT(Part(path).status().message(), HasSubstr("not a JSON Pointer"));
  }
}

}  // namespace
}  // namespace outpost::cluster
