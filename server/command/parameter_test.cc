#include "server/command/parameter.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace outpost::command {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// The typed value, as JSON text, or the message.
std::string Parse(absl::string_view type, absl::string_view word) {
  Param param;
  param.name = "p";
  param.type = FindArgumentType(type);
  const absl::StatusOr<json> value = param.type->parse(param, word);
  return value.ok() ? value->dump() : std::string(value.status().message());
}

TEST(ArgumentTypeTest, IsFoundByName) {
  for (const std::string& name : ArgumentTypeNames()) {
    ASSERT_NE(FindArgumentType(name), nullptr) << name;
    EXPECT_EQ(FindArgumentType(name)->name, name);
  }
  EXPECT_EQ(FindArgumentType("CephNothing"), nullptr);
}

TEST(ArgumentTypeTest, Numbers) {
  EXPECT_EQ(Parse("CephInt", "0x10"), "16");
  EXPECT_EQ(Parse("CephInt", "notanint"), "notanint doesn't represent an int");
  EXPECT_EQ(Parse("CephInt", "99999999999999999999"),
            "99999999999999999999 doesn't fit a 64-bit int");
  EXPECT_EQ(Parse("CephFloat", "2"), "2.0");
  EXPECT_EQ(Parse("CephFloat", "nan"), "nan doesn't represent a float");
  EXPECT_EQ(Parse("CephBool", "TRUE"), "true");
  EXPECT_EQ(Parse("CephBool", "0"), "false");
  EXPECT_EQ(Parse("CephBool", "yes"), "yes not one of 'true', 'false'");
}

TEST(ArgumentTypeTest, Sizes) {
  EXPECT_EQ(Parse("CephSize", "4096"), "4096");
  EXPECT_EQ(Parse("CephSize", "4K"), "4096");
  EXPECT_EQ(Parse("CephSize", "4Ki"), "4096");
  EXPECT_EQ(Parse("CephSize", "2g"), "2147483648");
  EXPECT_EQ(Parse("CephSize", "7E"), "8070450532247928832");
  EXPECT_EQ(Parse("CephSize", "8E"), "8E doesn't fit 64 bits");
  for (const char* word : {"", "K", "4Q", "-1", "4Bi", "4i", "1.5K"}) {
    EXPECT_THAT(Parse("CephSize", word), HasSubstr("doesn't represent a size")) << word;
  }
}

TEST(ArgumentTypeTest, NamesOfDaemonsAndPlacementGroups) {
  EXPECT_EQ(Parse("CephOsdName", "osd.3"), "3");
  EXPECT_EQ(Parse("CephOsdName", "3"), "3");
  EXPECT_EQ(Parse("CephOsdName", "*"), "\"*\"");
  EXPECT_EQ(Parse("CephOsdName", "any"), "osd id any not integer");
  EXPECT_EQ(Parse("CephOsdName", "mon.1"), "unknown type mon");
  EXPECT_EQ(Parse("CephOsdName", "-1"), "osd id -1 is less than 0");
  EXPECT_EQ(Parse("CephName", "osd.0"), "\"osd.0\"");
  EXPECT_EQ(Parse("CephName", "mgr"), "\"mgr\"");
  EXPECT_EQ(Parse("CephName", "osd.x"), "osd id x not integer");
  EXPECT_EQ(Parse("CephName", "osd"), "CephName: no . in osd");
  EXPECT_EQ(Parse("CephName", "foo.1"), "unknown type foo");
  EXPECT_EQ(Parse("CephPgid", "1.a"), "\"1.a\"");
  EXPECT_EQ(Parse("CephPgid", "1"), "pgid has no .");
  EXPECT_EQ(Parse("CephPgid", "x.1"), "pool x not integer");
  EXPECT_EQ(Parse("CephPgid", "-1.1"), "pool -1 < 0");
  EXPECT_EQ(Parse("CephPgid", "1.g"), "pgnum g not hex integer");
}

TEST(ArgumentTypeTest, Uuids) {
  const std::string uuid = "12345678-1234-5678-1234-567812345678";
  EXPECT_EQ(Parse("CephUUID", uuid), "\"" + uuid + "\"");
  EXPECT_EQ(Parse("CephUUID", "{" + uuid + "}"), "\"{" + uuid + "}\"");
  EXPECT_EQ(Parse("CephUUID", "12"), "invalid UUID 12: badly formed hexadecimal UUID string");
  EXPECT_THAT(Parse("CephUUID", "z2345678-1234-5678-1234-567812345678"),
              HasSubstr("not hexadecimal"));
}

TEST(ArgumentTypeTest, Addresses) {
  EXPECT_EQ(Parse("CephIPAddr", "v1:1.2.3.4:6789"), "\"1.2.3.4:6789\"");
  EXPECT_EQ(Parse("CephIPAddr", "v2:1.2.3.4:6789"), "\"1.2.3.4:6789\"");
  EXPECT_EQ(Parse("CephIPAddr", "[::1]:6789"), "\"[::1]:6789\"");
  EXPECT_EQ(Parse("CephIPAddr", "[::1]"), "\"[::1]\"");
  EXPECT_EQ(Parse("CephIPAddr", "1.2.3.4:99999"), "99999: invalid IPv4 port");
  EXPECT_EQ(Parse("CephIPAddr", "1.2.3.4:"), ": invalid IPv4 port");
  EXPECT_EQ(Parse("CephIPAddr", "1.2.3"), "1.2.3: invalid IPv4 address");
  EXPECT_EQ(Parse("CephIPAddr", "localhost"), "localhost not valid IPv6 address");
  EXPECT_EQ(Parse("CephIPAddr", "[::1"), "[::1 missing terminating ]");
  EXPECT_EQ(Parse("CephIPAddr", "[::1]:x"), "[::1]:x: bad port number");
  EXPECT_EQ(Parse("CephEntityAddr", "v2:1.2.3.4:0/12"), "\"v2:1.2.3.4:0/12\"");
  EXPECT_EQ(Parse("CephEntityAddr", "1.2.3.4:0/x"),
            "1.2.3.4:0/x: invalid entity, nonce x not integer > 0");
  EXPECT_EQ(Parse("CephEntityAddr", "1.2.3.4/1/2"), "1.2.3.4/1/2: more than one /");
  EXPECT_EQ(Parse("CephIPAddr", absl::string_view("::1\0x", 5)).find("not valid"), 6u);
}

TEST(ArgumentTypeTest, OtherTexts) {
  EXPECT_EQ(Parse("CephString", "K\xc3\xb6ln \xe2\x82\xac"), "\"K\xc3\xb6ln \xe2\x82\xac\"");
  EXPECT_EQ(Parse("CephString", "a\x01z\x01"), "invalid chars \x01 in a\x01z\x01");
  EXPECT_EQ(Parse("CephPoolname", ".mgr"), "\".mgr\"");
  EXPECT_EQ(Parse("CephObjectname", "a/b"), "\"a/b\"");
  EXPECT_EQ(Parse("CephFragment", "0x1f/3"), "\"0x1f/3\"");
  EXPECT_EQ(Parse("CephFragment", "0x1f"), "0x1f: no /");
  EXPECT_EQ(Parse("CephFragment", "1/3"), "1 not a hex integer");
  EXPECT_EQ(Parse("CephFragment", "0x1/y"), "can't convert y to integer");
  EXPECT_EQ(Parse("CephFilepath", "/no/such/file"), "\"/no/such/file\"");
  EXPECT_EQ(Parse("CephSocketpath", ""), "p is an empty path");
}

TEST(ArgumentTypeTest, GoodcharsNameEachBadCharacterOnce) {
  Param param;
  param.type = FindArgumentType("CephString");
  param.goodchars = "[a-c]";
  for (const char c : {'a', 'b', 'c'}) param.allowed[static_cast<size_t>(c)] = true;
  EXPECT_TRUE(param.type->parse(param, "abcabc").ok());
  EXPECT_EQ(param.type->parse(param, "a.b.\xc3\xb6!").status().message(),
            "invalid chars .\xc3\xb6! in a.b.\xc3\xb6!");
}

}  // namespace
}  // namespace outpost::command
