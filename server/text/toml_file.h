// Reading TOML files. toml++ 3.3 asserts what a file can break ("[/"), and ends the process:
// here that is an error as any other. Include this and not toml++ itself, so that there is
// one kind of it in a program.
#ifndef OUTPOST_SERVER_TEXT_TOML_FILE_H_
#define OUTPOST_SERVER_TEXT_TOML_FILE_H_

#include <string>

namespace outpost::text::internal {
// Throws what ParseTomlFile catches.
[[noreturn]] void TomlAssertionFailed();
}  // namespace outpost::text::internal

// toml++ takes its own meaning of TOML_ASSERT where NDEBUG is set.
#ifdef NDEBUG
#undef NDEBUG
#define OUTPOST_TOML_NDEBUG
#endif
#define TOML_ASSERT(expr) \
  ((expr) ? static_cast<void>(0) : ::outpost::text::internal::TomlAssertionFailed())
#include <toml++/toml.h>
#ifdef OUTPOST_TOML_NDEBUG
#define NDEBUG
#undef OUTPOST_TOML_NDEBUG
#endif

#include "absl/status/statusor.h"

namespace outpost::text {

// INVALID_ARGUMENT: it can't be read, or is no TOML; the message names the file and, where
// it is known, the line.
absl::StatusOr<toml::table> ParseTomlFile(const std::string& path);

}  // namespace outpost::text

#endif  // OUTPOST_SERVER_TEXT_TOML_FILE_H_
