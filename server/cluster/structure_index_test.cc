#include "server/cluster/structure_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace outpost::cluster {
namespace {

using nlohmann::json;
using testing::HasSubstr;

absl::StatusOr<std::string> Find(const std::string& text, absl::string_view pointer) {
  const auto found = StructureIndex(text).Find(text, pointer);
  if (!found.ok()) return found.status();
  return std::string(*found);
}

TEST(StructureIndexTest, APointerNamesAPart) {
  const std::string text = R"( {"osds": [{"osd": 0}, {"osd": 1, "w": 0.5}], "a/b": {"~": "x"}} )";
  EXPECT_EQ(*Find(text, "/osds/1"), R"({"osd": 1, "w": 0.5})");
  EXPECT_EQ(*Find(text, "/osds/0/osd"), "0");
  EXPECT_EQ(*Find(text, "/a~1b/~0"), R"("x")");
  EXPECT_EQ(json::parse(*Find(text, "")), json::parse(text));
}

TEST(StructureIndexTest, WhatThereIsNotIsToldWithWhatThereIs) {
  const std::string text = R"({"osds": [{"osd": 0}]})";
  EXPECT_EQ(Find(text, "/osds/7/osd").status(),
            absl::NotFoundError("there is \"/osds\", and nothing such in it"));
  EXPECT_EQ(Find(text, "/nosuch").status(), absl::NotFoundError("there is no such part"));
  for (const char* path : {"/osds/x", "/osds/-", "/osds/01", "/osds/", "/osds/99999999999",
                           "/osds/0/osd/deeper", "/", "/osds/-1"}) {
    EXPECT_TRUE(absl::IsNotFound(Find(text, path).status())) << path;
  }
}

TEST(StructureIndexTest, WhatIsNoPointerIsRefused) {
  for (const char* path : {"osds", "/~", "/a~2"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Find("{}", path).status())) << path;
    EXPECT_THAT(Find("{}", path).status().message(), HasSubstr("not a JSON Pointer"));
  }
}

TEST(StructureIndexTest, KeysWithEscapesAndOddTextsAreFound) {
  const std::string text =
      R"({"a\"b":1,"\u00e4":[],"":{"]":"}{\\"},"t":true,"n":null,"e":{}, "deep":[[[[2]]]]})";
  EXPECT_EQ(*Find(text, "/a\"b"), "1");
  EXPECT_EQ(*Find(text, "/\xc3\xa4"), "[]");
  EXPECT_EQ(*Find(text, "//]"), R"("}{\\")");
  EXPECT_EQ(*Find(text, "/t"), "true");
  EXPECT_EQ(*Find(text, "/n"), "null");
  EXPECT_EQ(*Find(text, "/e"), "{}");
  EXPECT_EQ(*Find(text, "/deep/0/0/0/0"), "2");
  EXPECT_EQ(*Find("17", ""), "17");
  EXPECT_TRUE(absl::IsNotFound(Find("17", "/0").status()));
}

// Every part of a big text, with an index, without one, and as another parser finds it.
TEST(StructureIndexTest, ABigTextIsFoundAsAnotherParserFindsIt) {
  json big = {{"epoch", 7}, {"osds", json::array()}, {"meta", json::object()}};
  for (int i = 0; i < 1000; ++i) {
    big["osds"].push_back({{"osd", i}, {"state", {"exists", "up"}}, {"w", i / 7.0}});
    big["meta"][absl::StrCat("osd.", i)] = {{"host", absl::StrCat("h", i % 10)}, {"quote", "\"]"}};
  }
  const std::string text = big.dump();
  const StructureIndex index(text);
  EXPECT_LT(index.bytes(), text.size() / 2);
  const StructureIndex none;
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  ASSERT_EQ(parser.parse(text.data(), text.size()).get(root), simdjson::SUCCESS);
  for (int i = 0; i < 1000; i += 13) {
    for (const std::string& path :
         {absl::StrCat("/osds/", i), absl::StrCat("/osds/", i, "/state/1"),
          absl::StrCat("/meta/osd.", i), absl::StrCat("/meta/osd.", i, "/host")}) {
      const std::string expected = simdjson::minify(root.at_pointer(path).value());
      EXPECT_EQ(*index.Find(text, path), expected) << path;
      EXPECT_EQ(*none.Find(text, path), expected) << path;
    }
  }
  for (const char* path : {"/osds/1000", "/osds/1007", "/osds/20000", "/meta/osd.1000"}) {
    EXPECT_TRUE(absl::IsNotFound(index.Find(text, path).status())) << path;
    EXPECT_TRUE(absl::IsNotFound(none.Find(text, path).status())) << path;
  }
}

TEST(StructureIndexTest, NestingBeyondAStackDoesNoHarm) {
  const std::string text = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  const StructureIndex index(text);
  EXPECT_EQ(index.Find(text, "/0/0/0")->size(), text.size() - 6);
}

TEST(StructureIndexTest, AnArrayOfSmallThingsHasASmallIndex) {
  std::string text = "[1";
  for (int i = 0; i < 500'000; ++i) text += ",2";
  text += "]";
  const StructureIndex index(text);
  EXPECT_LT(index.bytes(), text.size() / 4);
  EXPECT_EQ(*index.Find(text, "/0"), "1");
  EXPECT_EQ(*index.Find(text, "/499999"), "2");
}

TEST(SelectFieldsTest, OfAnObjectAndOfEachObjectInAnArray) {
  EXPECT_EQ(*SelectFields(R"({"a": {"x": 1}, "b": [2], "c": 3})", {"c", "a", "nosuch"}),
            R"({"c": 3,"a": {"x": 1}})");
  EXPECT_EQ(*SelectFields(R"([{"osd":0,"up":1,"in":1},{"osd":1,"in":0},{}])", {"osd", "up"}),
            R"([{"osd":0,"up":1},{"osd":1},{}])");
  EXPECT_EQ(*SelectFields("[]", {"a"}), "[]");
  EXPECT_EQ(*SelectFields(R"({"\u0061": 1})", {"a"}), R"({"\u0061": 1})");
}

TEST(SelectFieldsTest, OfNothingElse) {
  for (const char* value : {"1", "\"text\"", "[1]", "[{},2]", "null"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(SelectFields(value, {"a"}).status())) << value;
  }
}

}  // namespace
}  // namespace outpost::cluster
