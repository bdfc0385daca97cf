// What is set, as `config dump` and `config get` show it: in the columns of Ceph's own.
//
// **Thread safety.** Pure functions: any thread.
#ifndef OUTPOST_SERVER_BUILTIN_CONFIG_TABLE_H_
#define OUTPOST_SERVER_BUILTIN_CONFIG_TABLE_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "outpost/v1/types.pb.h"
#include "server/config/config_registry.h"

namespace outpost::builtin {

// "basic", "advanced", "dev".
std::string LevelName(v1::OptionLevel level);

struct ConfigRow {
  std::string who;    // "mgr", "mgr.x", "global"
  std::string level;  // "unknown" where nobody declares the option
  std::string option;
  std::string value;
  bool runtime = false;  // a change takes effect at run time
};

// A row for each setting.
std::vector<ConfigRow> RowsOfAll(const std::vector<config::Setting>& settings);
// What is set for manager `id` (empty: for all of them). What is localized for it stands in
// the place of what is set for all.
std::vector<ConfigRow> RowsOfManager(const std::vector<config::Setting>& settings,
                                     absl::string_view id);

// WHO MASK LEVEL OPTION VALUE RO.
std::string RowsTable(const std::vector<ConfigRow>& rows);
// A list of objects; an object with the options' names as keys.
nlohmann::json RowsList(const std::vector<ConfigRow>& rows);
nlohmann::json RowsByName(const std::vector<ConfigRow>& rows);

}  // namespace outpost::builtin

#endif  // OUTPOST_SERVER_BUILTIN_CONFIG_TABLE_H_
