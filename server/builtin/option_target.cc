#include "server/builtin/option_target.h"

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace outpost::builtin {

bool IsModuleOption(absl::string_view name) {
  return absl::StartsWith(name, "mgr/") || absl::StartsWith(name, "global/");
}

absl::StatusOr<std::string> ManagerOf(absl::string_view who) {
  if (who.empty() || who == "mgr" || who == "global") return std::string();
  absl::string_view id = who;
  if (absl::ConsumePrefix(&id, "mgr.") && !id.empty()) return std::string(id);
  return absl::InvalidArgumentError(
      absl::StrCat("unrecognized config target '", who,
                   "': the options of modules belong to mgr, or to mgr.<manager id> for one of "
                   "the managers"));
}

absl::StatusOr<config::OptionKey> OptionTarget(absl::string_view who, absl::string_view name) {
  const absl::StatusOr<std::string> manager = ManagerOf(who);
  if (!manager.ok()) return manager.status();
  absl::StatusOr<config::OptionKey> key = config::OptionKey::Parse(name);
  if (!key.ok() || manager->empty() || key->manager_id == *manager) return key;
  if (key->module.empty() || !key->manager_id.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "config target '", who, "' does not fit ", name, ", which is for ",
        key->module.empty() ? "every manager" : absl::StrCat("the manager ", key->manager_id)));
  }
  key->manager_id = *manager;
  return key;
}

}  // namespace outpost::builtin
