// How Ceph's command line reads numbers and shows values: Python's rules, because
// that command line is a Python program and people and scripts know its habits
// ("0x1f" and "1_000" are integers, 1.5 in a range prints as [0.0, 2.0]).
//
// **Thread safety.** Pure functions: any thread.
#ifndef OUTPOST_SERVER_COMMAND_CLI_LITERALS_H_
#define OUTPOST_SERVER_COMMAND_CLI_LITERALS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace outpost::command {

// A well-formed integer; `value` counts only when it fits 64 bits.
struct IntegerLiteral {
  bool fits = true;
  bool negative = false;
  int64_t value = 0;
};

// `base` is 10, 16 (an 0x may stand before), or 0 (as in source text: 0x, 0o, 0b,
// and no decimal with leading zeros). Absent: not an integer.
std::optional<IntegerLiteral> ParseInteger(absl::string_view text, int base);

// Absent: not a number, or not a finite one (JSON has no way to say those).
std::optional<double> ParseFloat(absl::string_view text);

// The shortest text that reads back as `value`, always recognizable as a float: "2.0".
std::string FormatFloat(double value);

// "['a', 'b']".
std::string FormatList(const std::vector<std::string>& items);

}  // namespace outpost::command

#endif  // OUTPOST_SERVER_COMMAND_CLI_LITERALS_H_
