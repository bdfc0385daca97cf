// Rows: what was measured, as ratios.
//
// **Thread safety.** None.
#ifndef OUTPOST_TESTS_BENCH_ROWS_H_
#define OUTPOST_TESTS_BENCH_ROWS_H_

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace outpost::bench {

struct Row {
  std::string name;
  double ours = 0;
  double unit = 0;
  std::string what;  // of ours and unit
  double ratio = 0;
  double bar = 0;        // 0: none
  bool at_most = false;  // the bar is the largest ratio allowed, else the smallest

  bool Holds() const { return bar == 0 || (at_most ? ratio <= bar : ratio >= bar); }
};

nlohmann::json ToJson(const Row& row);

using Measure = std::function<double()>;

// Takes `unit` and `ours` in turn; the ratio is the median of the rounds' ratios.
Row Compare(const std::string& name, const std::string& what, int rounds, const Measure& ours,
            const Measure& unit, double bar, bool at_most);

// Prints the rows as a table, and writes them to a file as JSON where one is
// named. True: each holds its bar.
bool Report(const std::vector<Row>& rows, const std::string& json_file);

}  // namespace outpost::bench

#endif  // OUTPOST_TESTS_BENCH_ROWS_H_
