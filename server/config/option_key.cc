#include "server/config/option_key.h"

#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace outpost::config {

absl::StatusOr<OptionKey> OptionKey::Parse(absl::string_view text) {
  const std::vector<std::string> parts = absl::StrSplit(text, '/');
  bool complete = text.size() <= 512;
  for (const std::string& part : parts) complete = complete && !part.empty();
  if (complete && parts.size() == 2 && parts[0] == "global") return OptionKey{"", "", parts[1]};
  if (complete && parts.size() == 3 && parts[0] == "mgr") return OptionKey{parts[1], "", parts[2]};
  if (complete && parts.size() == 4 && parts[0] == "mgr") {
    return OptionKey{parts[1], parts[2], parts[3]};
  }
  return absl::InvalidArgumentError(
      absl::StrCat("option key \"", absl::Utf8SafeCHexEscape(text.substr(0, 512)),
                   "\": a key is mgr/<module>/<option>, mgr/<module>/<manager id>/<option> or "
                   "global/<option>"));
}

std::string OptionKey::ToString() const {
  if (module.empty()) return absl::StrCat("global/", option);
  if (manager_id.empty()) return absl::StrCat("mgr/", module, "/", option);
  return absl::StrCat("mgr/", module, "/", manager_id, "/", option);
}

std::string OptionKey::StoreKey() const { return absl::StrCat(kStoredValues, ToString()); }

const char* OptionKey::Layer() const {
  if (module.empty()) return "global";
  return manager_id.empty() ? "module" : "localized";
}

}  // namespace outpost::config
