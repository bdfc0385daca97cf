#include "cli/arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace outpost::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Arguments MustParse(const std::vector<std::string>& args) {
  absl::StatusOr<Arguments> arguments = ParseArguments(args);
  EXPECT_TRUE(arguments.ok()) << arguments.status();
  return arguments.ok() ? *arguments : Arguments();
}

std::string ErrorOf(const std::vector<std::string>& args) {
  return std::string(ParseArguments(args).status().message());
}

TEST(ParseArguments, GlobalFlagsAreFoundOnAnySideOfTheWords) {
  for (const std::vector<std::string>& args :
       std::vector<std::vector<std::string>>{{"-f", "json", "osd", "status"},
                                             {"osd", "-f", "json", "status"},
                                             {"osd", "status", "--format", "json"},
                                             {"osd", "status", "--format=json"},
                                             {"osd", "status", "-fjson"}}) {
    const Arguments arguments = MustParse(args);
    EXPECT_EQ(arguments.format, "json");
    EXPECT_THAT(arguments.words, ElementsAre("osd", "status"));
  }
}

TEST(ParseArguments, EverythingElseGoesToTheCommandInOrderAndUnchanged) {
  const Arguments arguments =
      MustParse({"noop", "args", "--name", "value", "--n=3", "-i", "in", "-5", "", "--flag", "-x",
                 "[a]", "++", "a=b c", "--x", "-1.5e3", "/opt", "{\"a\": 1}"});
  EXPECT_EQ(arguments.in_file, "in");
  EXPECT_THAT(arguments.words,
              ElementsAre("noop", "args", "--name", "value", "--n=3", "-5", "", "--flag", "-x",
                          "[a]", "++", "a=b c", "--x", "-1.5e3", "/opt", "{\"a\": 1}"));
}

TEST(ParseArguments, PrefixesOfFlagsAreNotTakenForThem) {
  const Arguments arguments = MustParse({"noop", "--form", "json", "--per", "3", "--inf", "x"});
  EXPECT_EQ(arguments.format, "");
  EXPECT_THAT(arguments.words, ElementsAre("noop", "--form", "json", "--per", "3", "--inf", "x"));
}

TEST(ParseArguments, TheFirstDoubleDashEndsGlobalFlags) {
  const Arguments arguments =
      MustParse({"--timeout", "3", "mycmd", "--", "--timeout", "5", "--", "-f", "json"});
  EXPECT_EQ(arguments.timeout, absl::Seconds(3));
  EXPECT_EQ(arguments.format, "");
  EXPECT_THAT(arguments.words, ElementsAre("mycmd", "--timeout", "5", "--", "-f", "json"));
}

TEST(ParseArguments, Durations) {
  EXPECT_EQ(MustParse({"x"}).timeout, absl::InfiniteDuration());
  EXPECT_EQ(MustParse({"x", "--timeout", "0"}).timeout, absl::InfiniteDuration());
  EXPECT_EQ(MustParse({"x", "--timeout", "0.25"}).timeout, absl::Milliseconds(250));
  EXPECT_EQ(MustParse({"x"}).connect_timeout, absl::Seconds(5));
  EXPECT_EQ(MustParse({"x", "--connect-timeout=2"}).connect_timeout, absl::Seconds(2));
  EXPECT_EQ(MustParse({"x"}).period, absl::Seconds(1));
  EXPECT_EQ(MustParse({"x", "-p", "0"}).period, absl::ZeroDuration());
  EXPECT_EQ(MustParse({"-p", "1", "x", "-p", "3"}).period, absl::Seconds(3));
}

TEST(ParseArguments, WhatDoesNotFitIsNamed) {
  EXPECT_EQ(ErrorOf({"x", "--format", "jsn"}),
            "--format: \"jsn\" is not one of plain, json, json-compact, json-pretty, yaml, xml, "
            "xml-pretty");
  EXPECT_EQ(ErrorOf({"x", "--timeout", "soon"}),
            "--timeout: \"soon\" is not a number of seconds from 0 to 1000000000");
  EXPECT_THAT(ErrorOf({"x", "--period", "-1"}), HasSubstr("--period: \"-1\""));
  EXPECT_THAT(ErrorOf({"x", "--timeout", "inf"}), HasSubstr("--timeout: \"inf\""));
  EXPECT_THAT(ErrorOf({"x", "--timeout", "nan"}), HasSubstr("--timeout: \"nan\""));
  EXPECT_THAT(ErrorOf({"x", "--timeout"}), HasSubstr("--timeout"));
}

TEST(ParseArguments, FlagsOfCephsCommandLine) {
  EXPECT_THAT(MustParse({"-s"}).words, ElementsAre("status"));
  EXPECT_THAT(MustParse({"--status", "-f", "json"}).words, ElementsAre("status"));
  EXPECT_FALSE(MustParse({"x", "--verbose", "--concise"}).verbose);
  EXPECT_FALSE(MustParse({"x"}).watch);
  for (const char* flag :
       {"-w", "--watch", "--watch-debug", "--watch-error", "--watch-channel=*"}) {
    EXPECT_TRUE(MustParse({flag}).watch) << flag;
  }
  EXPECT_EQ(MustParse({"-W", "audit"}).watch_channel, "audit");
  EXPECT_EQ(MustParse({"-w", "--watch-sec"}).watch_severity, "sec");
  // With -s there is still nothing but the status before the log.
  EXPECT_THAT(MustParse({"-s", "-w"}).words, IsEmpty());
}

TEST(ParseArguments, OfAModulesLogFMeansToFollow) {
  for (const std::vector<std::string>& args :
       std::vector<std::vector<std::string>>{{"module", "logs", "hello", "-f"},
                                             {"module", "logs", "-f", "hello"},
                                             {"module", "logs", "hello", "--follow"},
                                             {"module", "events", "-f"},
                                             {"module", "events", "hello", "-f"},
                                             {"mgr", "module", "logs", "hello", "-f"}}) {
    const Arguments arguments = MustParse(args);
    EXPECT_THAT(arguments.words, ::testing::Contains("--follow"));
    EXPECT_EQ(arguments.format, "");
  }
  EXPECT_EQ(MustParse({"module", "logs", "hello", "-f", "json"}).format, "json");
  EXPECT_THAT(ErrorOf({"module", "ls", "-f"}), HasSubstr("--format"));
}

TEST(ParseArguments, WhatNoFlagSaysIsAsInTheDefaults) {
  const Arguments defaults =
      MustParse({"-a", "unix:/d", "-f", "json", "-p", "7", "--timeout", "8"});
  Arguments arguments = *ParseArguments({"x", "-p", "9"}, defaults);
  EXPECT_EQ(arguments.address, "unix:/d");
  EXPECT_EQ(arguments.format, "json");
  EXPECT_EQ(arguments.period, absl::Seconds(9));
  EXPECT_EQ(arguments.timeout, absl::Seconds(8));
  EXPECT_THAT(arguments.words, ElementsAre("x"));
}

TEST(GlobalFlags, TellWhatTheyTake) {
  size_t with_choices = 0;
  size_t with_file = 0;
  for (const GlobalFlag& flag : GlobalFlags()) {
    EXPECT_FALSE(flag.names.empty());
    with_choices += flag.choices.empty() ? 0 : 1;
    with_file += flag.value_name == "FILE" ? 1 : 0;
  }
  EXPECT_EQ(with_choices, 1u);  // --format
  EXPECT_EQ(with_file, 2u);     // --in-file, --out-file
}

TEST(ParseArguments, HelpAndVersionAreFlags) {
  const Arguments help = MustParse({"osd", "--help"});
  EXPECT_TRUE(help.help);
  EXPECT_THAT(help.words, ElementsAre("osd"));
  EXPECT_TRUE(MustParse({"-v"}).version);
  EXPECT_THAT(MustParse({"-h", "--verbose"}).words, IsEmpty());
}

TEST(ParseArguments, TheAddressIsTheFlagThenTheEnvironmentThenASocketThatExists) {
  unsetenv("OUTPOST_ADDRESS");
  std::string directory = "/tmp/outpost-runtime-XXXXXX";  // short, as a socket's path must be
  ASSERT_NE(mkdtemp(directory.data()), nullptr);
  setenv("XDG_RUNTIME_DIR", directory.c_str(), 1);
  EXPECT_EQ(MustParse({"x"}).address, "unix:/run/outpost/outpost.sock");

  std::filesystem::create_directory(directory + "/outpost");
  std::ofstream(directory + "/outpost/outpost.sock").put('\n');
  EXPECT_EQ(MustParse({"x"}).address, "unix:" + directory + "/outpost/outpost.sock");

  setenv("OUTPOST_ADDRESS", "127.0.0.1:7780", 1);
  EXPECT_EQ(MustParse({"x"}).address, "127.0.0.1:7780");
  EXPECT_EQ(MustParse({"x", "-a", "/tmp/o.sock"}).address, "unix:/tmp/o.sock");
  EXPECT_EQ(MustParse({"x", "-a", "run/o.sock"}).address, "unix:run/o.sock");
  EXPECT_EQ(MustParse({"x", "-a", "dns:///host:1"}).address, "dns:///host:1");
  std::filesystem::remove_all(directory);
}

TEST(GlobalFlagsHelp, NamesEveryFlagInEightyColumns) {
  const std::string help = GlobalFlagsHelp();
  for (const char* flag :
       {"-a, --address TARGET", "-f, --format FORMAT", "-i, --in-file FILE", "-o, --out-file FILE",
        "--timeout SECONDS", "--connect-timeout SECONDS", "--retry SECONDS", "-p, --period SECONDS",
        "-h, --help", "-v, --version", "--verbose"}) {
    EXPECT_THAT(help, HasSubstr(flag));
  }
  size_t begin = 0;
  for (size_t end; (end = help.find('\n', begin)) != std::string::npos; begin = end + 1) {
    EXPECT_LE(end - begin, 79u) << help.substr(begin, end - begin);
  }
}

}  // namespace
}  // namespace outpost::cli
