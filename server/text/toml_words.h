// What a TOML file says, as a command line would have said it.
//
// **Thread safety.** A pure function: any thread.
#ifndef OUTPOST_SERVER_TEXT_TOML_WORDS_H_
#define OUTPOST_SERVER_TEXT_TOML_WORDS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/text/toml_file.h"

namespace outpost::text {

// A string, a number or a boolean as one word; a list as one for each element.
// INVALID_ARGUMENT, "must be …": it is something else.
absl::StatusOr<std::vector<std::string>> TomlWords(const toml::node& value);

}  // namespace outpost::text

#endif  // OUTPOST_SERVER_TEXT_TOML_WORDS_H_
