#include "outpost/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

namespace outpost {
namespace {

using internal::OptionDeclaration;
using ::testing::ElementsAre;

TEST(OptionsTest, DeclarationsCarryEverything) {
  OptionSet set;
  set.Add<double>("ratio", 0.1, "d",
                  {.min = 0,
                   .max = 1,
                   .long_description = "l",
                   .level = OptionLevel::kBasic,
                   .tags = {"t"},
                   .see_also = {"other"},
                   .runtime = false,
                   .secret = true});
  set.Add<std::string>("who", "1.2.3.4", "d", {.type = OptionType::kAddr});
  const OptionDeclaration& ratio = *set.Find("ratio");
  EXPECT_EQ(ratio.type, OptionType::kFloat);
  EXPECT_EQ(ratio.default_value, "0.1");
  EXPECT_EQ(ratio.min, "0");
  EXPECT_EQ(ratio.max, "1");
  EXPECT_EQ(ratio.level, OptionLevel::kBasic);
  EXPECT_FALSE(ratio.runtime);
  EXPECT_TRUE(ratio.secret);
  EXPECT_EQ(set.Find("who")->type, OptionType::kAddr);
  EXPECT_EQ(set.Find("nosuch"), nullptr);
  EXPECT_NE(set.Find("log_level"), nullptr);
}

TEST(OptionsTest, EveryTypeReadsWhatItWrites) {
  OptionSet set;
  const auto text = set.Add<std::string>("text", "a b", "");
  const auto i = set.Add<int64_t>("i", -5, "");
  const auto u = set.Add<uint64_t>("u", 18446744073709551615u, "");
  const auto f = set.Add<double>("f", 1.0 / 3, "");
  const auto b = set.Add<bool>("b", true, "");
  const auto size = set.Add<ByteSize>("size", {4096}, "");
  const auto secs = set.Add<absl::Duration>("secs", absl::Milliseconds(2500), "");
  const auto none = set.AddUnset<int64_t>("none", "");
  std::vector<internal::OptionValues::Update> updates;
  for (const OptionDeclaration& d : set.declarations())
    updates.push_back({d.name, d.default_value});
  set.values()->Apply(updates);
  EXPECT_EQ(text.Get(), "a b");
  EXPECT_EQ(i.Get(), -5);
  EXPECT_EQ(u.Get(), 18446744073709551615u);
  EXPECT_EQ(f.Get(), 1.0 / 3);
  EXPECT_TRUE(b.Get());
  EXPECT_EQ(size.Get(), ByteSize{4096});
  EXPECT_EQ(secs.Get(), absl::Milliseconds(2500));
  EXPECT_EQ(none.Get(), std::nullopt);
  set.values()->Apply({{"none", "7"}, {"b", "false"}});
  EXPECT_EQ(none.Get(), 7);
  EXPECT_FALSE(b.Get());
}

TEST(OptionsTest, AValueThatDoesNotFitIsTheDefault) {
  OptionSet set;
  const auto i = set.Add<int64_t>("i", 3, "");
  set.values()->Apply({{"i", "many"}});
  EXPECT_EQ(i.Get(), 3);
}

std::string FaultOf(const std::function<void(OptionSet&)>& declare) {
  OptionSet set;
  declare(set);
  return std::string(set.status().message());
}

TEST(OptionsTest, DeclarationsThatCannotBeMeantAreToldByName) {
  EXPECT_EQ(FaultOf([](OptionSet&) {}), "");
  EXPECT_EQ(FaultOf([](OptionSet& set) { set.Add<bool>("a b", true, ""); }),
            "option \"a b\": its name is not made of letters, digits, '_', '-' and '.'");
  EXPECT_EQ(FaultOf([](OptionSet& set) { set.Add<bool>("log_level", true, ""); }),
            "option \"log_level\": it is declared twice");
  EXPECT_EQ(FaultOf([](OptionSet& set) { set.Add<int64_t>("a", 1, "", {.min = 2}); }),
            "option \"a\": its default, 1, is not between its min and max");
  EXPECT_EQ(FaultOf([](OptionSet& set) {
              set.AddUnset<uint64_t>("a", "",
                                     {.min = 18446744073709551615u, .max = 18446744073709551614u});
            }),
            "option \"a\": its min, 18446744073709551615, is over its max, 18446744073709551614");
  EXPECT_EQ(FaultOf([](OptionSet& set) { set.Add<std::string>("a", "1", "", {.min = "0"}); }),
            "option \"a\": only numbers have a min and a max");
  EXPECT_EQ(FaultOf([](OptionSet& set) {
              set.Add<std::string>("a", "c", "", {.choices = {"a", "b"}});
            }),
            "option \"a\": its default, \"c\", is none of its choices");
}

TEST(OptionValuesTest, TellsWhatChanged) {
  internal::OptionValues values;
  EXPECT_THAT(values.Configure("m", {{"a", "1", 1}, {"b", std::nullopt, 2}}),
              ElementsAre("a", "b"));
  EXPECT_THAT(values.Configure("m", {{"a", "1", 1}, {"b", "2", 3}}), ElementsAre("b"));
  EXPECT_THAT(values.Configure("m", {{"a", "1", 1}, {"b", std::nullopt, 4}}), ElementsAre("b"));
}

TEST(OptionValuesTest, AnAnswerDoesNotUndoWhatTheManagerSentMeanwhile) {
  internal::OptionValues values;
  values.Configure("m", {{"a", "1", 1}});
  values.ApplyAnswer("m", {"a", "2", 2});
  EXPECT_EQ(values.Get("a"), "2");
  values.Apply({{"a", "3", 3}});  // somebody else's, after our own
  values.ApplyAnswer("m", {"a", "2", 2});
  EXPECT_EQ(values.Get("a"), "3");
}

TEST(OptionValuesTest, AnAnswerIsNewerThanWhatTheManagerSentBefore) {
  internal::OptionValues values;
  values.Configure("m", {{"a", "1", 1}});
  values.Apply({{"a", "2", 2}});  // of an earlier change, which arrives now
  values.ApplyAnswer("m", {"a", "3", 3});
  EXPECT_EQ(values.Get("a"), "3");
  values.Apply({{"a", "2", 2}});  // and once more, later still
  EXPECT_EQ(values.Get("a"), "3");
  values.Apply({{"a", "4", 9}});
  EXPECT_EQ(values.Get("a"), "4");
}

TEST(OptionValuesTest, AnotherManagerCountsAnew) {
  internal::OptionValues values;
  values.Configure("old", {{"a", "1", 70}});
  EXPECT_THAT(values.Configure("new", {{"a", "2", 1}}), ElementsAre("a"));
  values.ApplyAnswer("old", {"a", "1", 71});  // it was on its way when that one ended
  EXPECT_EQ(values.Get("a"), "2");
  EXPECT_THAT(values.Configure("new", {{"a", "1", 0}}), testing::IsEmpty());
  values.Apply({{"a", "3", 2}});
  EXPECT_EQ(values.Get("a"), "3");
}

}  // namespace
}  // namespace outpost
