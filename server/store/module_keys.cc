#include "server/store/module_keys.h"

#include "absl/strings/str_cat.h"

namespace outpost::store {

std::string PrefixOfModule(absl::string_view module) {
  return absl::StrCat(kModuleKeys, module, "/");
}

absl::Status CheckModuleKey(absl::string_view key) {
  if (key.empty()) return absl::InvalidArgumentError("the key is empty");
  if (key.size() > kLongestModuleKey) {
    return absl::InvalidArgumentError(absl::StrCat("the key has ", key.size(), " bytes; at most ",
                                                   kLongestModuleKey, " are allowed"));
  }
  return absl::OkStatus();
}

absl::Status CheckModuleValue(absl::string_view key, absl::string_view value) {
  if (value.size() <= kLargestModuleValue) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the value of key \"", key, "\" has ",
                                                 value.size(), " bytes; at most ",
                                                 kLargestModuleValue, " are allowed"));
}

}  // namespace outpost::store
