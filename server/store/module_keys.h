// The keys of modules in the StateStore: where they are, and which there may be.
//
// **Thread safety.** Pure functions: any thread.
#ifndef OUTPOST_SERVER_STORE_MODULE_KEYS_H_
#define OUTPOST_SERVER_STORE_MODULE_KEYS_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace outpost::store {

// What the keys of all modules begin with; then come the module's name and a "/".
inline constexpr char kModuleKeys[] = "kv/";

inline constexpr size_t kLongestModuleKey = 1024;               // bytes
inline constexpr size_t kLargestModuleValue = size_t{8} << 20;  // bytes

// What the keys of `module` begin with: "kv/<module>/".
std::string PrefixOfModule(absl::string_view module);

// INVALID_ARGUMENT: a module can't have a key `key`, the value of `key` can't be `value`.
absl::Status CheckModuleKey(absl::string_view key);
absl::Status CheckModuleValue(absl::string_view key, absl::string_view value);

}  // namespace outpost::store

#endif  // OUTPOST_SERVER_STORE_MODULE_KEYS_H_
