#include "tests/bench/rows.h"

#include <algorithm>
#include <cstdio>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"
#include "outpost/table.h"

namespace outpost::bench {
namespace {

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

nlohmann::json ToJson(const Row& row) {
  return {{"measured", row.name},
          {"unit", row.what},
          {"outpost", row.ours},
          {"bare", row.unit},
          {"ratio", row.ratio},
          {"bar", row.bar},
          {"bar_is", row.at_most ? "at most" : "at least"},
          {"holds", row.Holds()}};
}

Row Compare(const std::string& name, const std::string& what, int rounds, const Measure& ours,
            const Measure& unit, double bar, bool at_most) {
  std::vector<double> our_values;
  std::vector<double> unit_values;
  std::vector<double> ratios;
  for (int round = 0; round < rounds; ++round) {
    unit_values.push_back(unit());
    our_values.push_back(ours());
    ratios.push_back(our_values.back() / unit_values.back());
  }
  std::fprintf(stderr, "  %s\n", name.c_str());
  return {name, Median(our_values), Median(unit_values), what, Median(ratios), bar, at_most};
}

bool Report(const std::vector<Row>& rows, const std::string& json_file) {
  using Align = Table::Align;
  Table table({{"MEASURED"},
               {"UNIT OF"},
               {"OUTPOST", Align::kRight},
               {"BARE", Align::kRight},
               {"RATIO", Align::kRight},
               {"BAR", Align::kRight},
               {""}});
  nlohmann::json json = nlohmann::json::array();
  bool all_hold = true;
  for (const Row& row : rows) {
    all_hold &= row.Holds();
    table.AddRow(
        {row.name, row.what,
         row.ours < 10 ? absl::StrFormat("%.2f", row.ours) : absl::StrFormat("%.0f", row.ours),
         absl::StrFormat("%.0f", row.unit), absl::StrFormat("%.2f", row.ratio),
         row.bar == 0 ? "-" : absl::StrCat(row.at_most ? "<= " : ">= ", row.bar),
         row.bar == 0  ? ""
         : row.Holds() ? "holds"
                       : "MISSED"});
    json.push_back(ToJson(row));
  }
  std::printf("%s\n", table.Print().c_str());
  if (!json_file.empty()) std::ofstream(json_file) << json.dump(2) << "\n";
  return all_hold;
}

}  // namespace outpost::bench
