#include "outpost/internal/printable.h"

#include <gtest/gtest.h>

#include <string>

namespace outpost::internal {
namespace {

TEST(Printable, ControlCharactersAreShown) {
  EXPECT_EQ(Printable("\033]0;title\a \033[2J\r\b"), "\\x1b]0;title\\x07 \\x1b[2J\\x0d\\x08");
  EXPECT_EQ(Printable(std::string("a\0b\x7f", 4)), "a\\x00b\\x7f");
  EXPECT_EQ(Printable("\u009b31m\u0085"), "\\x9b31m\\x85");
}

TEST(Printable, TextIsLeftAsItIs) {
  const std::string text = "two\nlines\tand é, 日本, \u00a0, ~ and \\x1b";
  EXPECT_EQ(Printable(text), text);
  EXPECT_EQ(Printable(""), "");
  EXPECT_EQ(Printable("\xc2"), "\xc2");
}

}  // namespace
}  // namespace outpost::internal
