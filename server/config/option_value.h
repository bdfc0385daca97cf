// Reading the text of an option's value: what each OptionType takes, and the
// canonical form of it. The forms are Ceph's ("4K" is 4096 bytes, "2h30" 7230 seconds).
//
// **Thread safety.** Pure functions: any thread.
#ifndef OUTPOST_SERVER_CONFIG_OPTION_VALUE_H_
#define OUTPOST_SERVER_CONFIG_OPTION_VALUE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "outpost/v1/types.pb.h"

namespace outpost::config {

struct ParsedValue {
  // The text that is stored and sent.
  std::string canonical;
  // What bounds are compared with; monostate for the types that have no order.
  std::variant<std::monostate, int64_t, uint64_t, double> number;
};

// INVALID_ARGUMENT says what a value of `type` looks like, as the end of a sentence
// that begins with the value: "is not a bool (true, false, …)".
absl::StatusOr<ParsedValue> ParseValue(v1::OptionType type, absl::string_view text);

// Whether `type` has an order, so that an option of it may have bounds.
bool IsNumeric(v1::OptionType type);

// "str", "int", …
absl::string_view TypeName(v1::OptionType type);

}  // namespace outpost::config

#endif  // OUTPOST_SERVER_CONFIG_OPTION_VALUE_H_
