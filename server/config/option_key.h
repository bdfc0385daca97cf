// OptionKey is where a value of an option is set: the text that people write, taken apart.
//
//     global/<option>                     for every module that declares it
//     mgr/<module>/<option>               for one module
//     mgr/<module>/<manager id>/<option>  for one module on one manager (localized)
//
// **Thread safety.** A value: as std::string.
#ifndef OUTPOST_SERVER_CONFIG_OPTION_KEY_H_
#define OUTPOST_SERVER_CONFIG_OPTION_KEY_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace outpost::config {

// What the keys of the StateStore that hold values of options begin with.
inline constexpr char kStoredValues[] = "config/";

struct OptionKey {
  std::string module;      // empty: global
  std::string manager_id;  // empty: on every manager
  std::string option;

  // INVALID_ARGUMENT shows the text and the right forms.
  static absl::StatusOr<OptionKey> Parse(absl::string_view text);

  std::string ToString() const;
  // Under which key of the StateStore the value is kept.
  std::string StoreKey() const;
  // The layer that a value set here is in: "global", "module", "localized".
  const char* Layer() const;
};

}  // namespace outpost::config

#endif  // OUTPOST_SERVER_CONFIG_OPTION_KEY_H_
