#include "server/auth/caps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

namespace outpost::auth {
namespace {

using testing::HasSubstr;
using Arguments = std::map<std::string, std::string>;

struct Asked {
  std::string service = "";
  std::string module = "";
  std::string command = "";
  Arguments arguments = {};
  Access access = kRead;
  std::string address = "";
};

bool Allows(const Caps& caps, const Asked& asked) {
  return caps.Allow({.service = asked.service,
                     .module = asked.module,
                     .command = asked.command,
                     .access = asked.access,
                     .argument = [&](absl::string_view name) -> std::optional<std::string> {
                       const auto it = asked.arguments.find(std::string(name));
                       if (it == asked.arguments.end()) return std::nullopt;
                       return it->second;
                     },
                     .address = asked.address});
}

bool Allows(const std::string& text, const Asked& asked) {
  const absl::StatusOr<Caps> caps = Caps::Parse(text);
  EXPECT_TRUE(caps.ok()) << text << ": " << caps.status();
  return caps.ok() && Allows(*caps, asked);
}

std::string Shown(const std::string& text) {
  const absl::StatusOr<Caps> caps = Caps::Parse(text);
  return caps.ok() ? caps->ToString() : std::string(caps.status().message());
}

TEST(CapsTest, WhatItPrintsIsWhatCephPrints) {
  for (const char* text :
       {"allow *", "allow r", "allow rwx", "allow service foo x", "profile crash",
        "profile rbd-read-only, allow *", "profile rbd namespace=ns pool=\"a b\"",
        "allow command abc", "allow command \"a b c\"",
        "allow command abc with arg=foo arg2 prefix \"bar bingo\" arg3 regex \"[a-z]*\"",
        "allow service foo w, allow service bar x", "allow module \" foo \" w",
        "allow module foo with arg1=value1 x", "allow module foo with x=1 rw network fd00::/8",
        "profile crash network 1.2.3.4/32", "allow command 'say \"x\"'",
        // Arguments that are called as what follows them.
        "allow module foo with a regex \"a+\" x prefix b r",
        "allow module foo with a=1 all=2 x=3 w",
        "allow module foo with a=1 network prefix 10 rw network fd00::/8",
        "allow command foo with a=1 network=2 network 10.0.0.0/8"}) {
    const absl::StatusOr<Caps> caps = Caps::Parse(text);
    ASSERT_TRUE(caps.ok()) << text << ": " << caps.status();
    const std::string shown = caps->ToString();
    if (shown.find(0x27) == std::string::npos) {
      EXPECT_EQ(shown, text);
    }
    EXPECT_EQ(Shown(shown), shown) << text;
  }
}

TEST(CapsTest, TheWaysToWriteIt) {
  EXPECT_EQ(Shown("\tallow\n all\t"), "allow *");
  EXPECT_EQ(Shown("allow service=foo x"), "allow service foo x");
  EXPECT_EQ(Shown("allow module=foo x"), "allow module foo x");
  EXPECT_EQ(Shown("allow command='a b'"), "allow command \"a b\"");
  EXPECT_EQ(Shown("allow service foo  w ;allow service bar x"),
            "allow service foo w, allow service bar x");
  EXPECT_EQ(Shown("allow profile \"read-only\" network [aa:bb::1]/128"),
            "profile read-only network [aa:bb::1]/128");
  EXPECT_EQ(Shown("allow command abc with arg = \"b.x\""), "allow command abc with arg=\"b.x\"");
}

TEST(CapsTest, ErrorsNameThePlaceAndTheFix) {
  const std::map<std::string, std::string> errors = {
      {"", "character 1: expected allow or profile, not the end"},
      {"foo allow *", "character 1: expected allow or profile, not \"foo\""},
      {"ALLOW r", "character 1"},
      {"allow*", "character 6: expected a space"},
      {"allow", "expected a space and what is allowed"},
      {"allow r foo", "character 9: expected a comma before the next grant, or the end"},
      {"allow r w", "character 9"},
      {"allow wr", "character 7: expected *, some of rwx, service, module"},
      {"allow rwx,", "character 11: expected allow or profile, not the end"},
      {"allow service bar", "a space and an access"},
      {"allow service bar q", "an access: *, or some of rwx in this order, not \"q\""},
      {"allow service \"\" r", "that is not empty"},
      {"allow service \"x r", "with both quotes"},
      {"allow command baz x", "character 19"},
      {"allow command foo a prefix b", "character 19"},
      {"allow command foo with a prefixb", "=VALUE, prefix VALUE or regex VALUE"},
      {"allow command foo with a = prefix b", "=VALUE"},
      {"allow command foo with a regex \"[\"", "character 32: \"[\" is no regular expression"},
      {"allow command foo with a regex \"a)(b\"", "no regular expression"},
      {"allow command foo with a regex \"((a{99}){99}){99}\"", "repetition"},
      {R"(allow command foo with a regex "(a*)*\1")", "invalid escape sequence"},
      {"profile", "a space and a profile"},
      {"profile raed-only", "character 9: there is no profile \"raed-only\"; did you mean"},
      {"profile rbd color=red", "takes no argument \"color\"; it takes pool and namespace"},
      {"profile crash rwx", "=VALUE"},
      {"allow * network 1.2.3.4", "a network such as 192.168.0.0/16"},
      {"allow * network 1.2.3.4/33", "a network such as"},
      {"allow * network ::/129", "a network such as"},
  };
  for (const auto& [text, words] : errors) {
    const absl::StatusOr<Caps> caps = Caps::Parse(text);
    ASSERT_FALSE(caps.ok()) << text;
    EXPECT_THAT(std::string(caps.status().message()), HasSubstr(words)) << text;
  }
  EXPECT_FALSE(Caps::Parse(std::string(Caps::kMaxText + 1, ' ')).ok());
}

TEST(CapsTest, WithoutCapsNothingIsAllowed) {
  EXPECT_FALSE(Allows(Caps(), {.access = 0}));
  EXPECT_FALSE(Allows(Caps(), {.access = kRead}));
  EXPECT_FALSE(Allows("profile osd", {.access = 0}));
  EXPECT_FALSE(Caps().allows_all());
}

TEST(CapsTest, EverythingIsMoreThanRwx) {
  EXPECT_TRUE(Caps::AllowAll().allows_all());
  EXPECT_TRUE(Caps::Parse("profile crash, allow *")->allows_all());
  EXPECT_FALSE(Caps::Parse("allow rwx")->allows_all());
  EXPECT_FALSE(Caps::Parse("allow * network 10.0.0.0/8")->allows_all());
  EXPECT_TRUE(Allows("allow *", {.service = "x", .command = "y", .access = kAny}));
}

TEST(CapsTest, GrantsAddUp) {
  const char* text = "allow module abc r, allow module abc w, allow module bcd w";
  EXPECT_TRUE(Allows(text, {.module = "abc", .access = kRead | kWrite}));
  EXPECT_FALSE(Allows(text, {.module = "abc", .access = kExecute}));
  EXPECT_FALSE(Allows(text, {.module = "bcd", .access = kRead}));
  EXPECT_FALSE(Allows(text, {.service = "abc", .access = kRead}));
  EXPECT_TRUE(Allows("allow r", {.service = "x", .access = kRead}));
  EXPECT_FALSE(Allows("allow r", {.service = "x", .access = kWrite}));
}

TEST(CapsTest, ArgumentsOfACommand) {
  const char* text = "allow command \"fs rm\" with name=old pool prefix tmp. size regex \"[0-9]+\"";
  const Arguments good = {{"name", "old"}, {"pool", "tmp.1"}, {"size", "12"}};
  EXPECT_TRUE(Allows(text, {.module = "volumes",
                            .command = "fs rm",
                            .arguments = good,
                            .access = kRead | kWrite | kExecute}));
  for (const auto& [key, value] :
       Arguments{{"name", "older"}, {"pool", "xtmp."}, {"size", "12x"}}) {
    Arguments bad = good;
    bad[key] = value;
    EXPECT_FALSE(Allows(text, {.command = "fs rm", .arguments = bad})) << key;
    bad.erase(key);
    EXPECT_FALSE(Allows(text, {.command = "fs rm", .arguments = bad})) << "without " << key;
  }
  EXPECT_FALSE(Allows(text, {.command = "fs ls", .arguments = good}));
  // A newline does not end what is matched, nor does a NUL.
  EXPECT_FALSE(Allows("allow command x with a regex \"[a-z]+\"",
                      {.command = "x", .arguments = {{"a", "abc\nDEF"}}}));
  EXPECT_FALSE(Allows("allow command x with a regex \"[a-z]+\"",
                      {.command = "x", .arguments = {{"a", std::string("abc\0;", 5)}}}));
}

// What would take other libraries all memory, or years.
TEST(CapsTest, NoPatternTakesMoreThanItsText) {
  for (const std::string& pattern :
       {"a" + std::string(100, '+'), "a" + std::string(100, '*'), std::string("((((a*)*)*)*)*"),
        std::string("(a|aa|a?)*(a+a+)+")}) {
    const std::string caps = "allow command x with a regex \"" + pattern + "\"";
    const std::string as(2000, 'a');
    EXPECT_TRUE(Allows(caps, {.command = "x", .arguments = {{"a", as}}})) << pattern;
    EXPECT_FALSE(Allows(caps, {.command = "x", .arguments = {{"a", as + "b"}}})) << pattern;
  }
}

TEST(CapsTest, ArgumentsOfAModuleAreLookedAtWithoutACommand) {
  const char* text = "allow module rbd_support with pool=a rw";
  EXPECT_TRUE(Allows(text, {.module = "rbd_support", .command = "rbd task ls"}));
  EXPECT_FALSE(Allows(text, {.module = "rbd_support"}));
  EXPECT_FALSE(Allows(text, {.module = "rbd_support", .arguments = {{"pool", "b"}}}));
  EXPECT_TRUE(Allows(text, {.module = "rbd_support", .arguments = {{"pool", "a"}}}));
}

TEST(CapsTest, Profiles) {
  EXPECT_TRUE(Allows("profile read-only", {.command = "x", .access = kRead}));
  EXPECT_FALSE(Allows("profile read-only", {.command = "x", .access = kWrite}));
  EXPECT_TRUE(Allows("profile read-write", {.command = "x", .access = kRead | kWrite}));
  EXPECT_FALSE(Allows("profile read-write", {.command = "x", .access = kExecute}));
  EXPECT_TRUE(Allows("profile crash", {.command = "crash post", .access = kWrite}));
  EXPECT_FALSE(Allows("profile crash", {.command = "crash rm", .access = kRead}));
  EXPECT_TRUE(Allows("profile rbd", {.module = "rbd_support", .access = kRead | kWrite}));
  EXPECT_FALSE(Allows("profile rbd-read-only", {.module = "rbd_support", .access = kWrite}));
  const char* narrow = "profile rbd pool=abc namespace prefix def";
  EXPECT_FALSE(Allows(narrow, {.module = "rbd_support", .arguments = {{"pool", "abc"}}}));
  EXPECT_TRUE(Allows(
      narrow, {.module = "rbd_support", .arguments = {{"pool", "abc"}, {"namespace", "defg"}}}));
  EXPECT_TRUE(Allows("profile module", {.service = "cluster", .access = kRead}));
  EXPECT_FALSE(Allows("profile module", {.service = "config", .access = kRead}));
  EXPECT_FALSE(Allows("profile module", {.command = "status", .access = kRead}));
  EXPECT_TRUE(Allows("profile reporter", {.service = "report", .access = kWrite}));
  EXPECT_FALSE(Allows("profile reporter", {.service = "cluster", .access = kRead}));
}

TEST(CapsTest, Networks) {
  const char* text = "allow * network 192.168.0.0/16, allow r network fd00:1::/32";
  EXPECT_TRUE(Allows(text, {.access = kWrite, .address = "192.168.2.3"}));
  EXPECT_TRUE(Allows(text, {.access = kWrite, .address = "::ffff:192.168.2.3"}));
  EXPECT_FALSE(Allows(text, {.access = kRead, .address = "192.167.2.3"}));
  EXPECT_TRUE(Allows(text, {.access = kRead, .address = "fd00:1::5"}));
  EXPECT_FALSE(Allows(text, {.access = kRead, .address = "fd00:2::5"}));
  EXPECT_FALSE(Allows(text, {.access = kRead, .address = ""}));
  EXPECT_TRUE(Allows("allow r network 0.0.0.0/0", {.address = "8.8.8.8"}));
  EXPECT_FALSE(Allows("allow r network 0.0.0.0/0", {.address = "fd00::1"}));
}

}  // namespace
}  // namespace outpost::auth
