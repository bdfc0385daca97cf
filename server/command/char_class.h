// The character classes of a signature's goodchars, "[A-Za-z0-9_.]", with the
// meaning that Python's regular expressions give them.
//
// **Thread safety.** A pure function: any thread.
#ifndef OUTPOST_SERVER_COMMAND_CHAR_CLASS_H_
#define OUTPOST_SERVER_COMMAND_CHAR_CLASS_H_

#include <bitset>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace outpost::command {

// The printable ASCII characters (and white space) in the class. INVALID_ARGUMENT when
// `text` is not one class in brackets, or holds none of them.
absl::StatusOr<std::bitset<128>> ParseCharClass(absl::string_view text);

}  // namespace outpost::command

#endif  // OUTPOST_SERVER_COMMAND_CHAR_CLASS_H_
