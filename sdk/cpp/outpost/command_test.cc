#include "outpost/command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

namespace outpost {

enum class Color { kRed, kGreen };
template <>
struct EnumChoices<Color> {
  static constexpr std::pair<const char*, Color> kChoices[] = {{"red", Color::kRed},
                                                               {"green", Color::kGreen}};
};

namespace {

using ::testing::HasSubstr;

class CommandTest : public ::testing::Test {
 protected:
  CommandResult Run(const std::string& prefix, const Json& args) {
    const Command* command = set_.Find(prefix);
    if (command == nullptr) return CommandResult::Error(ENOENT, "no such command");
    const CommandContext context(std::make_shared<internal::CallState>(), prefix, "", std::nullopt);
    return command->handler(context, args);
  }
  std::string Signature(const std::string& prefix) { return set_.Find(prefix)->signature; }

  CommandSet set_;
};

TEST_F(CommandTest, EveryTypeHasItsSignature) {
  set_.Add("all types")
      .Describe("d")
      .Perm("r")
      .Poll()
      .Arg<std::string>("s", {.goodchars = "[a-z]"})
      .Arg<int64_t>("i", {.min = -5, .max = 5})
      .Arg<double>("f", {.min = 0.5})
      .Arg<bool>("b")
      .Arg<Color>("color")
      .Arg<std::string>("size", {.choices = {"s", "m"}})
      .Arg<std::optional<std::string>>("pool", {.type = "CephPoolname", .positional = false})
      .Arg<std::string>("with_default", {.default_value = "x"})
      .Arg<std::optional<std::vector<std::string>>>("rest")
      .Handle([](const auto&...) { return CommandResult::Ok(); });
  EXPECT_EQ(Signature("all types"),
            "all types name=s,type=CephString,goodchars=[a-z] "
            "name=i,type=CephInt,range=-5|5 "
            "name=f,type=CephFloat,range=0.5 "
            "name=b,type=CephBool "
            "name=color,type=CephChoices,strings=red|green "
            "name=size,type=CephChoices,strings=s|m "
            "name=pool,type=CephPoolname,req=false,positional=false "
            "name=with_default,type=CephString,req=false "
            "name=rest,type=CephString,n=N,req=false");
  const Command* command = set_.Find("all types");
  EXPECT_EQ(command->description, "d");
  EXPECT_EQ(command->permissions, "r");
  EXPECT_TRUE(command->poll);
  EXPECT_TRUE(set_.status().ok());
}

TEST_F(CommandTest, HandlerGetsTheValues) {
  set_.Add("c")
      .Arg<Color>("color")
      .Arg<std::vector<int64_t>>("nums", {.min = 0, .max = 9})
      .Arg<std::optional<bool>>("flag")
      .Arg<double>("factor", {.default_value = 1.5})
      .Handle([](Color color, const std::vector<int64_t>& nums, std::optional<bool> flag,
                 double factor) -> absl::StatusOr<std::string> {
        return absl::StrCat(color == Color::kGreen ? "green" : "red", " ", absl::StrJoin(nums, "+"),
                            " ", flag ? (*flag ? "yes" : "no") : "none", " ", factor);
      });
  EXPECT_EQ(Run("c", {{"color", "green"}, {"nums", {1, 2}}}).out, "green 1+2 none 1.5");
  EXPECT_EQ(Run("c", {{"color", "red"}, {"nums", 7}, {"flag", false}, {"factor", 2}}).out,
            "red 7 no 2");
  EXPECT_EQ(Run("c", {{"color", "red"}, {"nums", {1}}, {"flag", nullptr}}).out, "red 1 none 1.5");
}

TEST_F(CommandTest, WrongArgumentsAreNamed) {
  set_.Add("c")
      .Arg<Color>("color")
      .Arg<std::vector<int64_t>>("nums", {.min = 0, .max = 9})
      .Arg<std::optional<bool>>("flag")
      .Handle([](const auto&...) { return CommandResult::Ok(); });
  const auto error = [this](const Json& args) {
    const CommandResult result = Run("c", args);
    EXPECT_EQ(result.retval, -EINVAL);
    return result.err;
  };
  EXPECT_EQ(error({{"nums", {1}}}), "missing required parameter color");
  EXPECT_EQ(error({{"color", "blue"}, {"nums", {1}}}),
            "argument color: \"blue\" is not one of red, green");
  EXPECT_EQ(error({{"color", 5}, {"nums", {1}}}), "argument color: 5 is not one of red, green");
  EXPECT_EQ(error({{"color", "red"}, {"nums", {1, 10}}}), "argument nums: 10 not in range [0, 9]");
  EXPECT_EQ(error({{"color", "red"}, {"nums", {1, 2.5}}}), "argument nums: 2.5 is not an integer");
  EXPECT_EQ(error({{"color", "red"}, {"nums", uint64_t{1} << 63}}),
            "argument nums: 9223372036854775808 is not an integer");
  EXPECT_EQ(error({{"color", "red"}, {"nums", {1}}, {"flag", "true"}}),
            "argument flag: \"true\" is not true or false");
  EXPECT_EQ(error({{"color", "\xff"}, {"nums", {1}}}),
            "argument color: \"\xEF\xBF\xBD\" is not one of red, green");
}

TEST_F(CommandTest, RawFormGetsTheJson) {
  set_.AddRaw(
      "raw  form name=x,type=CephString", "d", "w",
      [](const CommandContext&, const Json& args) { return CommandResult::Ok(args.dump()); });
  EXPECT_EQ(Run("raw form", {{"x", "y"}}).out, R"({"x":"y"})");
}

TEST_F(CommandTest, WhatDoesNotSayMayChangeSomething) {
  set_.Add("c").Handle([] { return CommandResult::Ok(); });
  EXPECT_EQ(set_.Find("c")->permissions, "rw");
}

TEST_F(CommandTest, DeclarationsThatAreWrongAreTold) {
  const auto handler = [](const CommandContext&, const Json&) { return CommandResult::Ok(); };
  set_.AddRaw("name=x,type=CephString", "", "r", handler);
  EXPECT_THAT(set_.status().message(), HasSubstr("has no literal words"));
  CommandSet perms;
  perms.AddRaw("a", "", "rq", handler);
  EXPECT_THAT(perms.status().message(), HasSubstr("\"rq\" are no permissions"));
  CommandSet twice;
  twice.AddRaw("a", "", "r", handler);
  twice.AddRaw("a name=x,type=CephInt", "", "r", handler);
  EXPECT_THAT(twice.status().message(), HasSubstr("declared twice"));
  CommandSet words;
  words.Add("a  b").Handle([] { return CommandResult::Ok(); });
  EXPECT_THAT(words.status().message(), HasSubstr("one space between them"));
  CommandSet no_handler;
  no_handler.AddRaw("a", "", "r", nullptr);
  EXPECT_THAT(no_handler.status().message(), HasSubstr("\"a\" has no handler"));
}

TEST_F(CommandTest, SizesAreBytes) {
  set_.Add("c").Arg<ByteSize>("size").Arg<std::optional<ByteSize>>("most").Handle(
      [](ByteSize size, std::optional<ByteSize> most) {
        return absl::StrCat(size.bytes, " ", most.value_or(ByteSize{7}).bytes);
      });
  EXPECT_EQ(Signature("c"), "c name=size,type=CephSize name=most,type=CephSize,req=false");
  EXPECT_EQ(Run("c", {{"size", 4096}}).out, "4096 7");
  EXPECT_EQ(Run("c", {{"size", -1}}).err, "argument size: -1 is not a number of bytes");
  EXPECT_EQ(Run("c", {{"size", "4K"}}).err, "argument size: \"4K\" is not a number of bytes");
}

TEST_F(CommandTest, InputThatIsNeededIsAskedFor) {
  set_.Add("c").NeedsInput("the password").Handle([](const CommandContext& context) {
    return *context.inbuf();
  });
  const auto run = [this](const std::optional<std::string>& inbuf) {
    const CommandContext context(std::make_shared<internal::CallState>(), "c", "", inbuf);
    return set_.Find("c")->handler(context, Json::object());
  };
  EXPECT_EQ(run(std::nullopt).retval, -EINVAL);
  EXPECT_EQ(run(std::nullopt).err,
            "Input file not specified: Please specify the file containing the password with "
            "\"-i\" option");
  EXPECT_EQ(run(" \r\n").err, "Empty input file: Please add the password to the file");
  EXPECT_EQ(run(std::string("\xff\0x", 3)).out, std::string("\xff\0x", 3));
}

TEST(DeclarationTest, ArgumentsThatCannotBeMeantAreToldByName) {
  const auto fault = [](const auto& declare) {
    CommandSet set;
    declare(set.Add("c"));
    return std::string(set.status().message());
  };
  const auto handle = [](auto builder) {
    std::move(builder).Handle([](const auto&...) { return CommandResult::Ok(); });
  };
  using Text = std::string;
  using MaybeText = std::optional<std::string>;
  EXPECT_EQ(fault([&](auto b) { handle(std::move(b).template Arg<Text>("two words")); }),
            "command \"c\": argument \"two words\": its name is not made of letters, digits, '_' "
            "and '-'");
  EXPECT_THAT(fault([&](auto b) { handle(std::move(b).template Arg<Text>("prefix")); }),
              HasSubstr("\"prefix\" is what the command's own words are called"));
  EXPECT_THAT(fault([&](auto b) {
                handle(std::move(b).template Arg<Text>("a").template Arg<int64_t>("a"));
              }),
              HasSubstr("argument \"a\": its name is there twice"));
  EXPECT_THAT(fault([&](auto b) {
                handle(std::move(b).template Arg<MaybeText>("a").template Arg<Text>("b"));
              }),
              HasSubstr("\"b\": it must be given, and comes after a, which may be left out"));
  EXPECT_THAT(fault([&](auto b) {
                handle(std::move(b).template Arg<std::vector<Text>>("a").template Arg<Text>("b"));
              }),
              HasSubstr("\"b\": it comes after a, which takes all there is"));
  EXPECT_THAT(fault([&](auto b) { handle(std::move(b).template Arg<int64_t>("a", {.max = 5})); }),
              HasSubstr("a max without a min"));
  EXPECT_THAT(
      fault([&](auto b) { handle(std::move(b).template Arg<double>("a", {.min = 2, .max = 1})); }),
      HasSubstr("its min, 2, is over its max, 1"));
  EXPECT_THAT(
      fault([&](auto b) {
        handle(std::move(b).template Arg<int64_t>("a", {.min = 1, .max = 5, .default_value = 9}));
      }),
      HasSubstr("9 not in range [1, 5]"));
  EXPECT_THAT(fault([&](auto b) {
                handle(std::move(b).template Arg<int64_t>("a", {.goodchars = "[a-z]"}));
              }),
              HasSubstr("only texts have choices, goodchars or another type"));
  EXPECT_THAT(
      fault([&](auto b) { handle(std::move(b).template Arg<Text>("a", {.choices = {"x|y"}})); }),
      HasSubstr("the choice \"x|y\" is empty, or has one of"));
  EXPECT_THAT(
      fault([&](auto b) {
        handle(std::move(b).template Arg<Text>("a", {.choices = {"x"}, .default_value = "y"}));
      }),
      HasSubstr("its default, \"y\", is none of its choices"));
  EXPECT_THAT(
      fault([&](auto b) { handle(std::move(b).template Arg<Text>("a", {.type = "CephPolname"})); }),
      HasSubstr("\"CephPolname\" is no type of a text (CephString, "));
  EXPECT_EQ(fault([&](auto b) {
              handle(std::move(b)
                         .template Arg<Text>("a")
                         .template Arg<std::optional<std::vector<Text>>>("b")
                         .template Arg<Text>("c", {.positional = false}));
            }),
            "");
}

TEST(CommandResultTest, StatusBecomesAnErrno) {
  EXPECT_EQ(CommandResult(absl::OkStatus()).retval, 0);
  EXPECT_EQ(CommandResult(absl::NotFoundError("x")).retval, -ENOENT);
  EXPECT_EQ(CommandResult(absl::DeadlineExceededError("x")).retval, -ETIMEDOUT);
  EXPECT_EQ(CommandResult(WithErrno(absl::UnknownError("x"), ENOTEMPTY)).retval, -ENOTEMPTY);
  EXPECT_EQ(CommandResult(absl::StatusOr<std::string>("text")).out, "text");
}

TEST(RemoteFailureTest, SurvivesInAStatus) {
  const absl::Status status = internal::RemoteFailureStatus(
      "m", "f", {.kind = "RAISED", .type = "KeyError", .message = "\xff", .traceback = "a\nb"});
  const auto failure = GetRemoteFailure(status);
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->kind, "RAISED");
  EXPECT_EQ(failure->type, "KeyError");
  EXPECT_EQ(failure->traceback, "a\nb");
  EXPECT_FALSE(GetRemoteFailure(absl::UnknownError("x")).has_value());
}

}  // namespace
}  // namespace outpost
