#include "server/command/cli_literals.h"

#include <cstdint>
#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/command/char_class.h"

namespace outpost::command {
namespace {

TEST(ParseIntegerTest, ReadsSourceText) {
  EXPECT_EQ(ParseInteger("42", 0)->value, 42);
  EXPECT_EQ(ParseInteger("-0x1F", 0)->value, -31);
  EXPECT_EQ(ParseInteger("0b11", 0)->value, 3);
  EXPECT_EQ(ParseInteger("0o17", 0)->value, 15);
  EXPECT_EQ(ParseInteger(" 1_000 ", 0)->value, 1000);
  EXPECT_EQ(ParseInteger("0x_f", 0)->value, 15);
  EXPECT_EQ(ParseInteger("007", 10)->value, 7);
  EXPECT_EQ(ParseInteger("0x1f", 16)->value, 31);
  EXPECT_EQ(ParseInteger("00", 0)->value, 0);
  for (const char* text :
       {"", "-", "+", "x", "007", "0x", "_1", "1_", "1__0", "1.0", "1e3", "- 1"}) {
    EXPECT_FALSE(ParseInteger(text, 0)) << text;
  }
  EXPECT_FALSE(ParseInteger("0x1f", 10));
}

TEST(ParseIntegerTest, TellsWhatDoesNotFit) {
  EXPECT_EQ(ParseInteger("9223372036854775807", 0)->value, std::numeric_limits<int64_t>::max());
  EXPECT_EQ(ParseInteger("-9223372036854775808", 0)->value, std::numeric_limits<int64_t>::min());
  EXPECT_FALSE(ParseInteger("9223372036854775808", 0)->fits);
  EXPECT_FALSE(ParseInteger("-9223372036854775809", 0)->fits);
  EXPECT_FALSE(ParseInteger("0xffffffffffffffffff", 0)->fits);
}

TEST(ParseFloatTest, ReadsFiniteDecimals) {
  EXPECT_EQ(ParseFloat(" 1.5 "), 1.5);
  EXPECT_EQ(ParseFloat(".5"), 0.5);
  EXPECT_EQ(ParseFloat("5."), 5.0);
  EXPECT_EQ(ParseFloat("-1_0e-1"), -1.0);
  for (const char* text : {"", ".", "e3", "1e", "1_.5", "0x10", "inf", "nan", "1e999", "1.5x"}) {
    EXPECT_FALSE(ParseFloat(text)) << text;
  }
}

TEST(FormatFloatTest, IsShortAndRecognizable) {
  EXPECT_EQ(FormatFloat(2), "2.0");
  EXPECT_EQ(FormatFloat(-0.5), "-0.5");
  EXPECT_EQ(FormatFloat(0.1), "0.1");
  EXPECT_EQ(FormatFloat(0.0001), "0.0001");
  EXPECT_EQ(FormatFloat(1e-5), "1e-05");
  EXPECT_EQ(FormatFloat(1e15), "1000000000000000.0");
  EXPECT_EQ(FormatFloat(1e16), "1e+16");
}

TEST(FormatListTest, QuotesAsPythonDoes) {
  EXPECT_EQ(FormatList({}), "[]");
  EXPECT_EQ(FormatList({"a", "b c"}), "['a', 'b c']");
  EXPECT_EQ(FormatList({"it's", "both '\"", "\\", "\n\t\x01"}),
            R"(["it's", 'both \'"', '\\', '\n\t\x01'])");
}

std::string CharsOf(absl::string_view text) {
  const auto set = ParseCharClass(text);
  if (!set.ok()) return std::string(set.status().message());
  std::string chars;
  for (char c = '!'; c < 127; ++c) {
    if ((*set)[static_cast<size_t>(c)]) chars.push_back(c);
  }
  return chars;
}

TEST(CharClassTest, HoldsRangesEscapesAndNegation) {
  EXPECT_EQ(CharsOf("[a-cX]"), "Xabc");
  EXPECT_EQ(CharsOf("[A-C0-2-_.]"), "-.012ABC_");  // after a range, "-" is itself
  EXPECT_EQ(CharsOf("[a-]"), "-a");
  EXPECT_EQ(CharsOf("[\\d\\-]"), "-0123456789");
  EXPECT_EQ(CharsOf("[]a]"), "]a");
  EXPECT_EQ(CharsOf("[^!-x]"), "yz{|}~");
}

TEST(CharClassTest, RefusesWhatIsNoClass) {
  for (const char* text :
       {"", "abc", "[", "[]", "[a", "a]", "[z-a]", "[a]b]", "[\\q]", "[a\\]", "[\\d-z]"}) {
    EXPECT_THAT(CharsOf(text), testing::HasSubstr("is not a character class")) << text;
  }
}

}  // namespace
}  // namespace outpost::command
