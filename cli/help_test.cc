#include "cli/help.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outpost::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Wrap, BreaksAtSpacesAndChoices) {
  EXPECT_THAT(Wrap("", 10), IsEmpty());
  EXPECT_THAT(Wrap("short", 10), ElementsAre("short"));
  EXPECT_THAT(Wrap("long string long string", 11), ElementsAre("long string", " long", " string"));
  EXPECT_THAT(Wrap("[red|green|blue]", 11), ElementsAre("[red|green|", " blue]"));
}

TEST(Wrap, CutsAWordThatIsLongerThanALine) {
  EXPECT_THAT(Wrap("abcdefghijkl", 5), ElementsAre("abcde", " fghi", " jkl"));
}

TEST(TwoColumns, SplitsEightyColumnsAsCephDoes) {
  EXPECT_EQ(TwoColumns("noop args <who> <n:int> [<f:float>] [red|green] [--b] [<many>...]",
                       "echo the parsed args", 80),
            "noop args <who> <n:int> [<f:float>]     echo the parsed args\n"
            " [red|green] [--b] [<many>...]\n");
}

TEST(TwoColumns, ANarrowTerminalStillGetsText) {
  EXPECT_EQ(TwoColumns("osd", "x", 1), "osd       x\n");
}

TEST(CommandHelp, SaysWhoIsNotRunning) {
  v1::CommandInfo command;
  command.set_usage("iostat");
  command.set_provider("module/iostat");
  command.mutable_declaration()->set_description("Get IO rates");
  command.set_available(true);
  EXPECT_EQ(CommandHelp(command, 120).find("not available"), std::string::npos);
  command.set_available(false);
  EXPECT_EQ(CommandHelp(command, 160),
            "iostat" + std::string(74, ' ') +
                "Get IO rates (not available: module iostat is not running)\n");
}

}  // namespace
}  // namespace outpost::cli
