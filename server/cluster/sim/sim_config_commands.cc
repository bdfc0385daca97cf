// config get, set, rm and help of a simulated cluster: options of its daemons. They are kept and
// told, and nothing obeys them.
#include <cerrno>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/cluster/sim/sim_command_handlers.h"
#include "server/cluster/sim/sim_daemon_options.h"

namespace outpost::cluster::sim {

using command::Result;

Result ConfigGet(Model& model, const Arguments& arguments) {
  const absl::StatusOr<std::string> who = arguments.Text("who");
  const absl::StatusOr<std::string> key = arguments.Text("key");
  for (const absl::Status& status : {who.status(), key.status()}) {
    if (!status.ok()) return Invalid(status);
  }
  const std::vector<std::string> sections = OptionSections(*who);
  if (sections.empty()) return Fail(EINVAL, absl::StrCat("unrecognized entity '", *who, "'"));
  if (*key == "fsid") return {0, absl::StrCat(model.cluster().fsid, "\n"), ""};
  const DaemonOption* const option = FindDaemonOption(*key);
  if (option == nullptr) return Fail(ENOENT, absl::StrCat("unrecognized key '", *key, "'"));
  const auto& set = model.cluster().options;
  for (const std::string& section : sections) {
    if (const auto found = set.find({section, *key}); found != set.end()) {
      return {0, absl::StrCat(found->second, "\n"), ""};
    }
  }
  return {0, absl::StrCat(option->value, "\n"), ""};
}

Result ConfigHelp(Model&, const Arguments& arguments) {
  const absl::StatusOr<std::string> key = arguments.Text("key");
  if (!key.ok()) return Invalid(key.status());
  const DaemonOption* const option = FindDaemonOption(*key);
  if (option == nullptr) {
    return Fail(ENOENT, absl::StrCat("configuration option '", *key, "' not recognized"));
  }
  // A default in JSON is of the option's type; no text here needs escapes.
  const bool quoted = option->type == "str";
  return {
      0,
      absl::StrCat(R"({"name":")", option->name, R"(","type":")", option->type, R"(","default":)",
                   quoted ? "\"" : "", option->value, quoted ? "\"" : "", "}"),
      ""};
}

Result ConfigSet(Model& model, const Arguments& arguments) {
  const absl::StatusOr<std::string> who = arguments.Text("who");
  const absl::StatusOr<std::string> name = arguments.Text("name");
  const absl::StatusOr<std::string> value = arguments.Text("value");
  for (const absl::Status& status : {who.status(), name.status(), value.status()}) {
    if (!status.ok()) return Invalid(status);
  }
  if (OptionSections(*who).empty()) {
    return Fail(EINVAL, absl::StrCat("unrecognized config target '", *who, "'"));
  }
  if (FindDaemonOption(*name) == nullptr) {
    return Fail(EINVAL, absl::StrCat("unrecognized config option '", *name, "'"));
  }
  model.SetOption(*who, *name, *value);
  return {};
}

Result ConfigRemove(Model& model, const Arguments& arguments) {
  const absl::StatusOr<std::string> who = arguments.Text("who");
  const absl::StatusOr<std::string> name = arguments.Text("name");
  for (const absl::Status& status : {who.status(), name.status()}) {
    if (!status.ok()) return Invalid(status);
  }
  if (OptionSections(*who).empty()) {
    return Fail(EINVAL, absl::StrCat("unrecognized config target '", *who, "'"));
  }
  model.RemoveOption(*who, *name);
  return {};
}

}  // namespace outpost::cluster::sim
