#include "server/config/option_schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace outpost::config {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kKey[] = "mgr/hello/opt";

v1::OptionDescriptor Option(v1::OptionType type, const char* name = "opt") {
  v1::OptionDescriptor option;
  option.set_name(name);
  option.set_type(type);
  return option;
}

// The canonical form of `text`, or "error: …".
std::string Canonical(const v1::OptionDescriptor& option, const std::string& text) {
  auto schema = OptionSchema::Create("hello", option);
  if (!schema.ok()) return "declaration: " + schema.status().ToString();
  auto value = schema->Canonicalize(kKey, text);
  if (!value.ok()) {
    EXPECT_EQ(value.status().code(), absl::StatusCode::kInvalidArgument);
    return "error: " + std::string(value.status().message());
  }
  auto again = schema->Canonicalize(kKey, *value);
  EXPECT_TRUE(again.ok() && *again == *value) << text << " -> " << *value << " is not stable";
  return *value;
}

struct Case {
  v1::OptionType type;
  std::string text;
  std::string canonical;  // or words of the error
};

class GoodValueTest : public testing::TestWithParam<Case> {};
TEST_P(GoodValueTest, HasItsCanonicalForm) {
  EXPECT_EQ(Canonical(Option(GetParam().type), GetParam().text), GetParam().canonical);
}

using v1::OPTION_TYPE_ADDR;
using v1::OPTION_TYPE_ADDRVEC;
using v1::OPTION_TYPE_BOOL;
using v1::OPTION_TYPE_FLOAT;
using v1::OPTION_TYPE_INT;
using v1::OPTION_TYPE_SECS;
using v1::OPTION_TYPE_SIZE;
using v1::OPTION_TYPE_STR;
using v1::OPTION_TYPE_UINT;
using v1::OPTION_TYPE_UNSPECIFIED;
using v1::OPTION_TYPE_UUID;

INSTANTIATE_TEST_SUITE_P(
    All, GoodValueTest,
    testing::Values(
        Case{OPTION_TYPE_STR, " a\nb ", " a\nb "}, Case{OPTION_TYPE_STR, "", ""},
        Case{OPTION_TYPE_UNSPECIFIED, "Ä", "Ä"}, Case{OPTION_TYPE_INT, "42", "42"},
        Case{OPTION_TYPE_INT, "-007", "-7"}, Case{OPTION_TYPE_INT, "+5", "5"},
        Case{OPTION_TYPE_INT, " 5\n", "5"}, Case{OPTION_TYPE_INT, "10K", "10000"},
        Case{OPTION_TYPE_INT, "10k", "10000"}, Case{OPTION_TYPE_INT, "-2M", "-2000000"},
        Case{OPTION_TYPE_INT, "9E", "9000000000000000000"},
        Case{OPTION_TYPE_INT, "9223372036854775807", "9223372036854775807"},
        Case{OPTION_TYPE_INT, "-9223372036854775808", "-9223372036854775808"},
        Case{OPTION_TYPE_UINT, "18446744073709551615", "18446744073709551615"},
        Case{OPTION_TYPE_UINT, "18E", "18000000000000000000"}, Case{OPTION_TYPE_UINT, "0", "0"},
        Case{OPTION_TYPE_FLOAT, "3.0", "3"}, Case{OPTION_TYPE_FLOAT, ".1", "0.1"},
        Case{OPTION_TYPE_FLOAT, "1e-9", "1e-09"},
        Case{OPTION_TYPE_FLOAT, "0.30000000000000004", "0.30000000000000004"},
        Case{OPTION_TYPE_BOOL, "true", "true"}, Case{OPTION_TYPE_BOOL, "True", "true"},
        Case{OPTION_TYPE_BOOL, "YES", "true"}, Case{OPTION_TYPE_BOOL, "on", "true"},
        Case{OPTION_TYPE_BOOL, "1", "true"}, Case{OPTION_TYPE_BOOL, "False", "false"},
        Case{OPTION_TYPE_BOOL, "no", "false"}, Case{OPTION_TYPE_BOOL, "oFF", "false"},
        Case{OPTION_TYPE_BOOL, " 0 ", "false"}, Case{OPTION_TYPE_SIZE, "4096", "4096"},
        Case{OPTION_TYPE_SIZE, "4K", "4096"}, Case{OPTION_TYPE_SIZE, "4Ki", "4096"},
        Case{OPTION_TYPE_SIZE, "4KiB", "4096"}, Case{OPTION_TYPE_SIZE, "512B", "512"},
        Case{OPTION_TYPE_SIZE, "2G", "2147483648"},
        Case{OPTION_TYPE_SIZE, "15E", "17293822569102704640"}, Case{OPTION_TYPE_SECS, "90", "90"},
        Case{OPTION_TYPE_SECS, "5m", "300"}, Case{OPTION_TYPE_SECS, "2h30", "7230"},
        Case{OPTION_TYPE_SECS, "2h30m", "9000"}, Case{OPTION_TYPE_SECS, "1 day 2 hours", "93600"},
        Case{OPTION_TYPE_SECS, "1w", "604800"}, Case{OPTION_TYPE_SECS, "1mo", "2592000"},
        Case{OPTION_TYPE_SECS, "1y", "31536000"}, Case{OPTION_TYPE_SECS, "60.0", "60"},
        Case{OPTION_TYPE_SECS, "0.5", "0.5"}, Case{OPTION_TYPE_SECS, "1.5h", "5400"},
        Case{OPTION_TYPE_SECS, "0", "0"},
        Case{OPTION_TYPE_UUID, "6BA7B810-9dad-11d1-80b4-00c04fd430c8",
             "6ba7b810-9dad-11d1-80b4-00c04fd430c8"},
        Case{OPTION_TYPE_ADDR, "1.2.3.4", "1.2.3.4"},
        Case{OPTION_TYPE_ADDR, "1.2.3.4:6789", "1.2.3.4:6789"},
        Case{OPTION_TYPE_ADDR, "v2:1.2.3.4:0/0", "v2:1.2.3.4:0/0"},
        Case{OPTION_TYPE_ADDR, "v1:[::1]:6789/123", "v1:[::1]:6789/123"},
        Case{OPTION_TYPE_ADDR, "[fe80::1]", "[fe80::1]"}, Case{OPTION_TYPE_ADDR, "::", "::"},
        Case{OPTION_TYPE_ADDRVEC, "1.2.3.4:1,[::1]:2", "1.2.3.4:1,[::1]:2"},
        Case{OPTION_TYPE_ADDRVEC, "[v2:1.2.3.4:3300/0,v1:1.2.3.4:6789/0]",
             "[v2:1.2.3.4:3300/0,v1:1.2.3.4:6789/0]"},
        Case{OPTION_TYPE_ADDRVEC, "[::1]", "[::1]"}));

class BadValueTest : public testing::TestWithParam<Case> {};
TEST_P(BadValueTest, IsRefusedWithKeyValueAndTheRightForm) {
  EXPECT_THAT(Canonical(Option(GetParam().type), GetParam().text),
              AllOf(HasSubstr("error: option mgr/hello/opt: \"" + GetParam().text + "\" "),
                    HasSubstr(GetParam().canonical)));
}

INSTANTIATE_TEST_SUITE_P(
    All, BadValueTest,
    testing::Values(
        Case{OPTION_TYPE_INT, "", "is not an integer"},
        Case{OPTION_TYPE_INT, "x", "not an integer"},
        Case{OPTION_TYPE_INT, "1.5", "not an integer"},
        Case{OPTION_TYPE_INT, "1 0", "not an integer"}, Case{OPTION_TYPE_INT, "4Q", "K, M, G"},
        Case{OPTION_TYPE_INT, "4Ki", "not an integer"},
        Case{OPTION_TYPE_INT, "0x10", "not an integer"},
        Case{OPTION_TYPE_INT, "--1", "not an integer"},
        Case{OPTION_TYPE_INT, "9223372036854775808", "does not fit"},
        Case{OPTION_TYPE_INT, "10E", "does not fit"},
        Case{OPTION_TYPE_INT, "99999999999999999999", "does not fit"},
        Case{OPTION_TYPE_UINT, "-3", "is negative"}, Case{OPTION_TYPE_UINT, "19E", "does not fit"},
        Case{OPTION_TYPE_FLOAT, "zz", "is not a number"},
        Case{OPTION_TYPE_FLOAT, "", "not a number"}, Case{OPTION_TYPE_FLOAT, "nan", "finite"},
        Case{OPTION_TYPE_FLOAT, "inf", "finite"}, Case{OPTION_TYPE_FLOAT, "1e999", "finite"},
        Case{OPTION_TYPE_FLOAT, "1,5", "not a number"},
        Case{OPTION_TYPE_BOOL, "maybe", "is not a bool (true, false, yes, no, on, off, 1, 0)"},
        Case{OPTION_TYPE_BOOL, "2", "not a bool"}, Case{OPTION_TYPE_BOOL, "", "not a bool"},
        Case{OPTION_TYPE_SIZE, "4Q", "is not a size"}, Case{OPTION_TYPE_SIZE, "-1", "is negative"},
        Case{OPTION_TYPE_SIZE, "4KB", "is not a size"},
        Case{OPTION_TYPE_SIZE, "K", "is not a size"}, Case{OPTION_TYPE_SIZE, "16E", "does not fit"},
        Case{OPTION_TYPE_SECS, "5x", "is not a duration"}, Case{OPTION_TYPE_SECS, "", "2h30"},
        Case{OPTION_TYPE_SECS, "-5", "is negative"}, Case{OPTION_TYPE_SECS, "m", "not a duration"},
        Case{OPTION_TYPE_SECS, "1.", "not a duration"},
        Case{OPTION_TYPE_SECS, "5M", "not a duration"},
        Case{OPTION_TYPE_SECS, "9999999999999999999y", "longer than 64 bits"},
        Case{OPTION_TYPE_UUID, "6ba7b810-9dad-11d1-80b4-00c04fd430cg", "is not a UUID"},
        Case{OPTION_TYPE_UUID, "6ba7b8109dad11d180b400c04fd430c8", "8-4-4-4-12"},
        Case{OPTION_TYPE_UUID, "", "is not a UUID"},
        Case{OPTION_TYPE_ADDR, "", "is not an address"}, Case{OPTION_TYPE_ADDR, "1.2.3", "1.2.3.4"},
        Case{OPTION_TYPE_ADDR, "1.2.3.4:", "is not an address"},
        Case{OPTION_TYPE_ADDR, "1.2.3.4:65536", "is not an address"},
        Case{OPTION_TYPE_ADDR, "1.2.3.4:-1", "is not an address"},
        Case{OPTION_TYPE_ADDR, "v3:1.2.3.4", "is not an address"},
        Case{OPTION_TYPE_ADDR, "[::1", "is not an address"},
        Case{OPTION_TYPE_ADDR, "1.2.3.4/x", "is not an address"},
        Case{OPTION_TYPE_ADDR, "localhost", "is not an address"},
        Case{OPTION_TYPE_ADDRVEC, "1.2.3.4,x", "is not a list of addresses"},
        Case{OPTION_TYPE_ADDRVEC, "[1.2.3.4", "is not a list"},
        Case{OPTION_TYPE_ADDRVEC, "[]", "is not a list"}));

TEST(OptionSchemaTest, AnAddressDoesNotEndAtANulByte) {
  EXPECT_THAT(Canonical(Option(OPTION_TYPE_ADDR), std::string("1.2.3.4\0x", 9)),
              HasSubstr("\"1.2.3.4\\x00x\" is not an address"));
}

TEST(OptionSchemaTest, BoundsAreKept) {
  auto option = Option(OPTION_TYPE_INT);
  option.set_min("-1K");
  option.set_max("10");
  EXPECT_EQ(Canonical(option, "-1000"), "-1000");
  EXPECT_EQ(Canonical(option, "10"), "10");
  EXPECT_EQ(Canonical(option, "11"),
            "error: option mgr/hello/opt: \"11\" is above the maximum, 10");
  EXPECT_EQ(Canonical(option, "-1001"),
            "error: option mgr/hello/opt: \"-1001\" is below the minimum, -1000");

  auto size = Option(OPTION_TYPE_SIZE);
  size.set_min("4K");
  EXPECT_EQ(Canonical(size, "1M"), "1048576");
  EXPECT_THAT(Canonical(size, "4095"), HasSubstr("below the minimum, 4096"));

  auto secs = Option(OPTION_TYPE_SECS);
  secs.set_max("1h");
  EXPECT_EQ(Canonical(secs, "60m"), "3600");
  EXPECT_THAT(Canonical(secs, "1h0.5"), HasSubstr("above the maximum, 3600"));
}

TEST(OptionSchemaTest, OnlyAllowedValuesPass) {
  auto option = Option(OPTION_TYPE_STR);
  for (const char* value : {"red", "green", ""}) option.add_enum_allowed(value);
  EXPECT_EQ(Canonical(option, "green"), "green");
  EXPECT_EQ(Canonical(option, ""), "");
  EXPECT_EQ(Canonical(option, "blue"),
            "error: option mgr/hello/opt: \"blue\" is not one of: red, green, \"\"");

  auto size = Option(OPTION_TYPE_SIZE);
  size.add_enum_allowed("4K");
  EXPECT_EQ(Canonical(size, "4096"), "4096");
  EXPECT_THAT(Canonical(size, "8K"), HasSubstr("is not one of: 4096"));
}

TEST(OptionSchemaTest, ASecretIsInNoErrorText) {
  auto option = Option(OPTION_TYPE_INT);
  option.set_secret(true);
  option.set_max("5");
  for (const char* value : {"hunter2", "1234"}) {
    EXPECT_THAT(Canonical(option, value), AllOf(HasSubstr("error: option mgr/hello/opt: "),
                                                HasSubstr("secret"), Not(HasSubstr(value))));
  }
}

TEST(OptionSchemaTest, AHugeValueIsRefusedAndNotRepeated) {
  EXPECT_EQ(Canonical(Option(OPTION_TYPE_STR), std::string(65536, 'x')).size(), 65536u);
  const std::string error = Canonical(Option(OPTION_TYPE_STR), std::string(65537, 'x'));
  EXPECT_THAT(error, HasSubstr("has 65537 bytes, and a value at most 65536"));
  EXPECT_LT(error.size(), 300u);
}

TEST(OptionSchemaTest, TheDefaultIsCanonical) {
  auto option = Option(OPTION_TYPE_BOOL);
  option.set_default_value("True");
  EXPECT_EQ(*OptionSchema::Create("hello", option)->default_value(), "true");
  option.clear_default_value();
  EXPECT_EQ(OptionSchema::Create("hello", option)->default_value(), std::nullopt);
}

std::string DeclarationError(const v1::OptionDescriptor& option) {
  auto schema = OptionSchema::Create("hello", option);
  if (schema.ok()) return "none";
  EXPECT_EQ(schema.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(schema.status().message());
}

TEST(OptionSchemaTest, ABadDeclarationNamesTheOptionAndTheField) {
  for (const char* name : {"", "a/b", "a b", "ä", "a\n"}) {
    EXPECT_THAT(DeclarationError(Option(OPTION_TYPE_STR, name)),
                AllOf(HasSubstr("module hello"), HasSubstr("name: "), HasSubstr("is not a name")))
        << name;
  }
  EXPECT_THAT(DeclarationError(Option(OPTION_TYPE_STR, std::string(129, 'x').c_str())),
              HasSubstr("is not a name"));
  EXPECT_EQ(DeclarationError(Option(OPTION_TYPE_STR, "A-z_0.9")), "none");

  auto option = Option(OPTION_TYPE_INT);
  option.set_default_value("many");
  EXPECT_THAT(DeclarationError(option),
              HasSubstr("option mgr/hello/opt: default_value: \"many\" is not an integer"));
  option.set_default_value("7");
  option.set_max("5");
  EXPECT_THAT(DeclarationError(option), HasSubstr("default_value: \"7\" is above the maximum, 5"));
  option.set_default_value("5");
  option.set_min("x");
  EXPECT_THAT(DeclarationError(option),
              HasSubstr("option mgr/hello/opt: min: \"x\" is not an integer"));
  option.set_min("6");
  EXPECT_THAT(DeclarationError(option), HasSubstr("min: 6 is above max, 5"));
  option.set_min("5");
  EXPECT_EQ(DeclarationError(option), "none");

  auto text = Option(OPTION_TYPE_STR);
  text.set_max("5");
  EXPECT_THAT(DeclarationError(text),
              HasSubstr("max: only numbers have bounds, and the type is str"));
  text.clear_max();
  text.add_enum_allowed("a");
  text.set_default_value("b");
  EXPECT_THAT(DeclarationError(text), HasSubstr("default_value: \"b\" is not one of: a"));

  auto allowed = Option(OPTION_TYPE_BOOL);
  allowed.add_enum_allowed("perhaps");
  EXPECT_THAT(DeclarationError(allowed), HasSubstr("enum_allowed: \"perhaps\" is not a bool"));
  EXPECT_THAT(DeclarationError(Option(static_cast<v1::OptionType>(77))), HasSubstr("type: 77"));
}

using Descriptors = google::protobuf::RepeatedPtrField<v1::OptionDescriptor>;

TEST(CreateSchemasTest, EveryModuleHasTheLogOptions) {
  auto schemas = CreateSchemas("hello", Descriptors());
  ASSERT_TRUE(schemas.ok()) << schemas.status();
  std::vector<std::string> names;
  for (const auto& [name, schema] : *schemas) names.push_back(name);
  EXPECT_THAT(names,
              ElementsAre("log_level", "log_to_cluster", "log_to_cluster_level", "log_to_file"));
  EXPECT_EQ(*schemas->at("log_level").default_value(), "");
  EXPECT_EQ(*schemas->at("log_to_cluster").default_value(), "false");
  EXPECT_EQ(*schemas->at("log_to_cluster_level").default_value(), "info");
  EXPECT_EQ(*schemas->at("log_to_file").default_value(), "false");
  for (const char* level : {"", "debug", "info", "warning", "error", "critical"}) {
    EXPECT_TRUE(schemas->at("log_level").Canonicalize("k", level).ok()) << level;
  }
  EXPECT_FALSE(schemas->at("log_level").Canonicalize("k", "loud").ok());
}

TEST(CreateSchemasTest, AModuleMayDeclareALogOptionItself) {
  Descriptors descriptors;
  *descriptors.Add() = Option(OPTION_TYPE_STR, "log_level");
  descriptors.begin()->set_default_value("debug");
  auto schemas = CreateSchemas("hello", descriptors);
  ASSERT_TRUE(schemas.ok()) << schemas.status();
  EXPECT_EQ(*schemas->at("log_level").default_value(), "debug");
}

TEST(CreateSchemasTest, ADuplicateNameIsRefused) {
  Descriptors descriptors;
  *descriptors.Add() = Option(OPTION_TYPE_STR, "twin");
  *descriptors.Add() = Option(OPTION_TYPE_INT, "twin");
  auto schemas = CreateSchemas("hello", descriptors);
  EXPECT_EQ(schemas.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(schemas.status().message()),
              HasSubstr("option mgr/hello/twin: name: is declared twice"));
}

TEST(CreateSchemasTest, ABadModuleNameIsRefused) {
  for (const std::string& name :
       std::vector<std::string>{"", "a/b", "1st", "a.b", "_x", std::string(65, 'm')}) {
    auto schemas = CreateSchemas(name, Descriptors());
    EXPECT_EQ(schemas.status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
  EXPECT_TRUE(CreateSchemas(std::string(64, 'm'), Descriptors()).ok());
}

}  // namespace
}  // namespace outpost::config
