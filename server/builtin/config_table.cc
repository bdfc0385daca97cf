#include "server/builtin/config_table.h"

#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "outpost/table.h"

namespace outpost::builtin {
namespace {

using nlohmann::json;

ConfigRow Row(const config::Setting& setting) {
  ConfigRow row;
  row.who = setting.key.module.empty() ? "global" : "mgr";
  row.option = setting.key.ToString();
  row.value = setting.value;
  row.level = setting.declaration ? LevelName(setting.declaration->level()) : "unknown";
  row.runtime = setting.declaration && setting.declaration->runtime();
  return row;
}

json RowJson(const ConfigRow& row) {
  return {{"section", row.who},
          {"name", row.option},
          {"value", row.value},
          {"level", row.level},
          {"can_update_at_runtime", row.runtime},
          {"mask", ""}};
}

}  // namespace

std::string LevelName(v1::OptionLevel level) {
  switch (level) {
    case v1::OPTION_LEVEL_BASIC:
      return "basic";
    case v1::OPTION_LEVEL_DEV:
      return "dev";
    default:
      return "advanced";
  }
}

std::vector<ConfigRow> RowsOfAll(const std::vector<config::Setting>& settings) {
  std::vector<ConfigRow> rows;
  rows.reserve(settings.size());
  for (const config::Setting& setting : settings) rows.push_back(Row(setting));
  return rows;
}

std::vector<ConfigRow> RowsOfManager(const std::vector<config::Setting>& settings,
                                     absl::string_view id) {
  std::map<std::string, ConfigRow> by_option;
  for (const bool localized : {false, true}) {
    for (const config::Setting& setting : settings) {
      if (setting.key.manager_id.empty() == localized) continue;
      if (localized && setting.key.manager_id != id) continue;
      ConfigRow row = Row(setting);
      if (localized) {
        row.who = absl::StrCat("mgr.", id);
        row.option = config::OptionKey{setting.key.module, "", setting.key.option}.ToString();
      }
      by_option[row.option] = std::move(row);
    }
  }
  std::vector<ConfigRow> rows;
  rows.reserve(by_option.size());
  for (auto& [option, row] : by_option) rows.push_back(std::move(row));
  return rows;
}

std::string RowsTable(const std::vector<ConfigRow>& rows) {
  Table table({{"WHO"}, {"MASK"}, {"LEVEL"}, {"OPTION"}, {"VALUE"}, {"RO"}});
  for (const ConfigRow& row : rows) {
    table.AddRow({row.who, "", row.level, row.option, row.value, row.runtime ? "" : "*"});
  }
  return table.Print();
}

json RowsList(const std::vector<ConfigRow>& rows) {
  json list = json::array();
  for (const ConfigRow& row : rows) list.push_back(RowJson(row));
  return list;
}

json RowsByName(const std::vector<ConfigRow>& rows) {
  json by_name = json::object();
  for (const ConfigRow& row : rows) {
    by_name[row.option] = {{"value", row.value},
                           {"section", row.who},
                           {"mask", json::object()},
                           {"can_update_at_runtime", row.runtime}};
  }
  return by_name;
}

}  // namespace outpost::builtin
