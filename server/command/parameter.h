// Param is one parameter of a command, and ArgumentType one of the types that
// parameters may have. A type is a row in a table: how signatures call it, how it
// checks a word, how it shows itself. Adding a type means adding a row.
//
// **Thread safety.** Types are constants; a Param is plain data.
#ifndef OUTPOST_SERVER_COMMAND_PARAMETER_H_
#define OUTPOST_SERVER_COMMAND_PARAMETER_H_

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace outpost::command {

struct Param;

struct ArgumentType {
  absl::string_view name;  // as in a signature: "CephInt"
  // The typed value of one word, or INVALID_ARGUMENT whose message says, in the
  // words of Ceph's command line, what is wrong with it: "x doesn't represent an int".
  absl::StatusOr<nlohmann::json> (*parse)(const Param& param, absl::string_view word);
  // What a value looks like: "<int[0-10]>".
  std::string (*describe)(const Param& param);
  // How the parameter shows in a usage line, without its brackets: "<n:int>".
  std::string (*usage)(const Param& param);
  // Which of a signature's keys have a meaning for the type.
  bool takes_range = false;
  bool takes_goodchars = false;
  bool takes_strings = false;
  bool takes_prefix = false;
  // Ceph lets these have keys that mean nothing, and has commands with such.
  bool takes_any_key = false;
};

// The type that signatures call `name`; null when there is none.
const ArgumentType* FindArgumentType(absl::string_view name);
// All names, in the order of the table.
std::vector<std::string> ArgumentTypeNames();

template <typename T>
struct Bounds {
  std::optional<T> min;
  std::optional<T> max;  // only with a min
};

// One parameter as a signature declares it.
struct Param {
  std::string name;
  const ArgumentType* type = nullptr;
  bool required = true;
  // False: given by name only (--name value).
  bool positional = true;
  // n=N: one or more, the value is an array. Otherwise `count` (n=2) words, and an
  // array when that is more than one.
  bool repeated = false;
  int count = 1;
  Bounds<int64_t> int_range;         // CephInt
  Bounds<double> float_range;        // CephFloat
  std::vector<std::string> choices;  // CephChoices
  std::string goodchars;             // CephString: a character class, "[A-Za-z0-9]"; may be empty
  std::bitset<128> allowed;          // what goodchars means
  std::string prefix;                // CephPrefix: the word

  bool is(absl::string_view type_name) const { return type->name == type_name; }
  bool takes_many() const { return repeated || count > 1; }
  // As errors name it: "n(<int[0-10]>)", "[who(<string>)...]".
  std::string ToString() const;
};

}  // namespace outpost::command

#endif  // OUTPOST_SERVER_COMMAND_PARAMETER_H_
