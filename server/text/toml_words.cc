#include "server/text/toml_words.h"

#include <charconv>

#include "absl/strings/str_cat.h"

namespace outpost::text {

absl::StatusOr<std::vector<std::string>> TomlWords(const toml::node& value) {
  std::vector<std::string> words;
  if (const auto* array = value.as_array()) {
    for (const auto& element : *array) {
      auto word = TomlWords(element);
      if (!word.ok() || element.is_array()) {
        return absl::InvalidArgumentError("must be a list of strings");
      }
      words.push_back((*word)[0]);
    }
    return words;
  }
  if (const auto* text = value.as_string()) return std::vector<std::string>{text->get()};
  if (const auto* number = value.as_integer()) {
    return std::vector<std::string>{absl::StrCat(number->get())};
  }
  if (const auto* number = value.as_floating_point()) {
    char shortest[32];  // absl::StrCat would cut it to six digits
    const auto end = std::to_chars(shortest, shortest + sizeof shortest, number->get()).ptr;
    return std::vector<std::string>{std::string(shortest, end)};
  }
  if (const auto* flag = value.as_boolean()) {
    return std::vector<std::string>{flag->get() ? "true" : "false"};
  }
  return absl::InvalidArgumentError("must be a string, a number, a boolean, or a list of strings");
}

}  // namespace outpost::text
