#include "server/text/toml_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "server/store/sqlite/scratch_dir.h"

namespace outpost::text {
namespace {

using testing::HasSubstr;

class TomlFileTest : public testing::Test {
 protected:
  absl::StatusOr<toml::table> Parse(const std::string& content) {
    std::ofstream(path_) << content;
    return ParseTomlFile(path_);
  }

  store::ScratchDir dir_;
  const std::string path_ = dir_.path() + "/x.toml";
};

TEST_F(TomlFileTest, ATable) {
  const auto table = Parse("a = 1\n[b]\nc = \"d\"\n");
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ((*table)["b"]["c"].value_or(std::string()), "d");
}

TEST_F(TomlFileTest, ErrorsNameFileAndLine) {
  const auto table = Parse("a = 1\nb = \n");
  EXPECT_TRUE(absl::IsInvalidArgument(table.status()));
  EXPECT_THAT(std::string(table.status().message()), HasSubstr(path_ + " line 2: "));
  EXPECT_THAT(std::string(ParseTomlFile("/nonexistent").status().message()),
              HasSubstr("/nonexistent: "));
}

TEST_F(TomlFileTest, WhatTheLibraryTakesForImpossible) {
  for (const char* text : {"[/a", "[ /", "x = 1\n[/]\n"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Parse(text).status())) << text;
  }
}

}  // namespace
}  // namespace outpost::text
