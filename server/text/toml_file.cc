#include "server/text/toml_file.h"

#include <stdexcept>

#include "absl/strings/str_cat.h"

namespace outpost::text {

void internal::TomlAssertionFailed() { throw std::runtime_error("is not well formed"); }

absl::StatusOr<toml::table> ParseTomlFile(const std::string& path) {
  try {
    return toml::parse_file(path);
  } catch (const toml::parse_error& e) {
    const auto line = e.source().begin.line;  // 0: it could not be read at all
    return absl::InvalidArgumentError(absl::StrCat(
        path, line > 0 ? absl::StrCat(" line ", line) : "", ": ", std::string(e.description())));
  } catch (const std::exception& e) {
    return absl::InvalidArgumentError(absl::StrCat(path, " ", e.what()));
  }
}

}  // namespace outpost::text
