#include "cli/words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace outpost::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> MustSplit(const std::string& line) {
  auto words = SplitWords(line);
  EXPECT_TRUE(words.ok()) << words.status();
  return words.ok() ? *words : std::vector<std::string>();
}

TEST(SplitWords, SpacesSeparateAndQuotesJoin) {
  EXPECT_THAT(MustSplit("  osd\tpool  ls \n"), ElementsAre("osd", "pool", "ls"));
  EXPECT_THAT(MustSplit(R"(a 'b  c' "d \" \x" e\ f '' "")"),
              ElementsAre("a", "b  c", R"(d " \x)", "e f", "", ""));
  EXPECT_THAT(MustSplit(R"(--name='x y'z)"), ElementsAre("--name=x yz"));
  EXPECT_THAT(MustSplit(R"(json '{"a": "\\"}')"), ElementsAre("json", R"({"a": "\\"})"));
  EXPECT_THAT(MustSplit(""), IsEmpty());
}

TEST(SplitWords, ACommentBeginsAWord) {
  EXPECT_THAT(MustSplit("status # and more 'of it"), ElementsAre("status"));
  EXPECT_THAT(MustSplit("a#b '#'"), ElementsAre("a#b", "#"));
}

TEST(SplitWords, WhatIsNotFinishedIsAnError) {
  EXPECT_THAT(SplitWords("a 'b").status().message(), HasSubstr("' is not closed"));
  EXPECT_THAT(SplitWords("a \"b'").status().message(), HasSubstr("\" is not closed"));
  EXPECT_THAT(SplitWords("a \\").status().message(), HasSubstr("backslash"));
}

TEST(SplitUnfinished, TheLastWordIsWhereTheCursorStands) {
  UnfinishedLine line = SplitUnfinished("osd po");
  EXPECT_THAT(line.words, ElementsAre("osd", "po"));
  EXPECT_EQ(line.last_at, 4u);
  line = SplitUnfinished("osd ");
  EXPECT_THAT(line.words, ElementsAre("osd", ""));
  EXPECT_EQ(line.last_at, 4u);
  line = SplitUnfinished("");
  EXPECT_THAT(line.words, ElementsAre(""));
  line = SplitUnfinished("get 'a b");
  EXPECT_THAT(line.words, ElementsAre("get", "a b"));
  EXPECT_EQ(line.last_at, 4u);
}

TEST(QuoteWord, SplitsBackIntoItself) {
  for (const std::string word :
       {"", "plain", "a b", "it's", "\"$x`\\", "--format=json", "#", "é"}) {
    EXPECT_THAT(MustSplit("x " + QuoteWord(word)), ElementsAre("x", word)) << QuoteWord(word);
  }
}

}  // namespace
}  // namespace outpost::cli
