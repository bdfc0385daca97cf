#include "server/cluster/ceph/command_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outpost::cluster::ceph {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(CommandJsonTest, WhatIsSentIsWhatWasRead) {
  const auto plain = ReadCommand(R"( {"prefix": "osd tree",  "epoch": 7, "x": [1.5, true]} )");
  ASSERT_TRUE(plain.has_value());
  EXPECT_EQ(plain->prefix, "osd tree");
  EXPECT_EQ(plain->text, R"({"epoch":7,"prefix":"osd tree","x":[1.5,true]})");
}

// Ceph would read "auth ls" in the first two.
TEST(CommandJsonTest, NoDaemonReadsAnotherCommand) {
  const auto wide = ReadCommand(R"({"prefix": "\u0161uth ls"})");
  ASSERT_TRUE(wide.has_value());
  EXPECT_EQ(wide->prefix, "\xc5\xa1uth ls");
  EXPECT_THAT(wide->text, Not(HasSubstr("\\u")));
  const auto name = ReadCommand(R"({"prefix": "osd ls", "\u0170refix": "auth ls"})");
  ASSERT_TRUE(name.has_value());
  EXPECT_THAT(name->text, Not(HasSubstr("\\u")));
  const auto twice = ReadCommand(R"({"prefix": "auth ls", "prefix": "osd ls"})");
  ASSERT_TRUE(twice.has_value());
  EXPECT_EQ(twice->text, "{\"prefix\":\"" + twice->prefix + "\"}");
}

TEST(CommandJsonTest, WhatIsNone) {
  for (const char* text :
       {"", "{", "[]", "{}", R"({"prefix": ["auth", "ls"]})", R"({"prefix": 1})",
        R"({"prefix": "a"} x)", R"({"prefix": "\x61"})", "{\"prefix\": \"\xff\"}"}) {
    EXPECT_FALSE(ReadCommand(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace outpost::cluster::ceph
