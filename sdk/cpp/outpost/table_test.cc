#include "outpost/table.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace outpost
