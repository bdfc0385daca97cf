#include "outpost/table.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "outpost/command.h"
#include "outpost/format.h"

namespace outpost {
namespace {

TEST(TableTest, ColumnsAreAsWideAsTheirWidestCell) {
  Table table({{"ID", Table::Align::kRight}, {"NAME"}, {"STATE", Table::Align::kCenter}});
  table.AddRow({"7", "b\xC3\xA4r", "up"});
  table.AddRow({"12345", "x", "\033[1mdown\033[0m", "too many"});
  table.AddRow({});
  EXPECT_EQ(table.Print(),
            "   ID  NAME  STATE  \n"
            "    7  b\xC3\xA4r     up   \n"
            "12345  x      \033[1mdown\033[0m  \n"
            "                    ");
}

TEST(TableTest, OfJson) {
  EXPECT_EQ(PrintTable(Json::parse(R"([{"a": 1, "b": "x"}, {"a": [2]}])")),
            "A    B  \n1    x  \n[2]     ");
  EXPECT_EQ(PrintTable(Json::parse(R"({"k": true})")), "NAME  VALUE  \nk     true   ");
  EXPECT_EQ(PrintTable(Json::parse(R"(["x", 1])")), "x\n1");
  EXPECT_EQ(PrintTable(5), "5");
  EXPECT_EQ(PrintTable(Json::array()), "");
}

CommandContext Asking(const std::string& format) {
  return CommandContext(std::make_shared<internal::CallState>(), "c", format, std::nullopt);
}

TEST(RenderTest, AsTheCallerAskedFor) {
  const Json data = {{"k", "\xff"}};
  const auto plain = [] { return std::string("a table"); };
  EXPECT_EQ(Render(Asking(""), data, plain).out, "a table");
  EXPECT_EQ(Render(Asking("plain"), data, plain).out, "a table");
  EXPECT_EQ(Render(Asking("json"), data, plain).out, "{\"k\":\"\xEF\xBF\xBD\"}");
  EXPECT_EQ(Render(Asking("json-pretty"), Json{{"k", 1}}).out, "{\n    \"k\": 1\n}");
  const CommandResult xml = Render(Asking("xml"), data, plain);
  EXPECT_EQ(xml.retval, -EINVAL);
  EXPECT_EQ(xml.err, "c: there is no format \"xml\" (plain, json, json-pretty)");
}

}  // namespace
}  // namespace outpost
