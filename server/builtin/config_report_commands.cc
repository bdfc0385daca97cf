// config dump, ls, show, help, log: what options there are, and what became of them.

#include <cerrno>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "outpost/table.h"
#include "server/builtin/builtin_commands.h"
#include "server/builtin/config_table.h"
#include "server/builtin/option_target.h"
#include "server/builtin/pass_on.h"
#include "server/builtin/render.h"
#include "server/config/option_value.h"
#include "server/event/proto_time.h"

namespace outpost::builtin {
namespace {

using command::BuiltinCall;
using command::ResultCallback;
using nlohmann::json;

void AddDump(const Subjects& s, command::Dispatcher* dispatcher) {
  dispatcher->AddBuiltin(
      {"config dump", "show all that was set for options of modules", "r"},
      [config = s.config](const BuiltinCall& call, ResultCallback done) {
        const auto rows = RowsOfAll(config->Settings());
        done(Render(call.format, RowsList(rows), [&] { return RowsTable(rows); }));
      });
}

std::string DetailTable(const std::vector<v1::ConfigEntry>& entries) {
  Table table({{"KEY"}, {"VALUE"}, {"SOURCE"}, {"DESCRIPTION"}});
  for (const auto& entry : entries) {
    table.AddRow({entry.key(), entry.effective().value(), entry.effective().source(),
                  entry.declaration().description()});
  }
  return table.Print();
}

json DetailJson(const v1::ConfigEntry& entry) {
  const v1::OptionValue& value = entry.effective();
  return {{"key", entry.key()},
          {"value", value.has_value() ? json(value.value()) : json(nullptr)},
          {"source", value.source()},
          {"type", config::TypeName(value.type())},
          {"description", entry.declaration().description()}};
}

void AddLs(const Subjects& s, command::Dispatcher* dispatcher) {
  dispatcher->AddBuiltin(
      {"config ls name=module,type=CephString,req=false"
       " name=detail,type=CephBool,req=false,positional=false",
       "list the options of modules; --detail: with their values here, and where those come from",
       "r"},
      [config = s.config](const BuiltinCall& call, ResultCallback done) {
        const std::string module = call.args.value("module", "");
        const bool detail = call.args.value("detail", false);
        const auto entries = config->List(module, /*only_set=*/false);
        if (entries.empty() && !module.empty()) {
          return done({.retval = -ENOENT,
                       .out = "",
                       .err = absl::StrCat("no module '", module, "' has declared options")});
        }
        json data = json::array();
        std::vector<std::string> keys;
        for (const auto& entry : entries) {
          data.push_back(detail ? DetailJson(entry) : json(entry.key()));
          keys.push_back(entry.key());
        }
        done(Render(call.format, data,
                    [&] { return detail ? DetailTable(entries) : absl::StrJoin(keys, "\n"); }));
      });
}

// An option as it is in effect here, and the weaker layers in which it is set as well.
struct InEffect {
  v1::OptionValue value;
  std::vector<std::string> overrides;
};

// Those that are not at their default, by key; with a `key`, that one whatever it is.
std::map<std::string, InEffect> EffectiveOptions(const config::ConfigRegistry& config,
                                                 const std::string& manager_id,
                                                 const std::string& key) {
  std::map<std::string, InEffect> options;
  for (const auto& entry : config.List("", /*only_set=*/key.empty())) {
    const v1::OptionValue& value = entry.effective();
    if (key.empty() ? value.source() != "default" : entry.key() == key) {
      options[entry.key()].value = value;
    }
  }
  for (const config::Setting& setting : config.Settings()) {
    if (!setting.key.manager_id.empty() && setting.key.manager_id != manager_id) continue;
    for (auto& [name, option] : options) {
      const bool meant =
          setting.key.module.empty()
              ? option.value.name() == setting.key.option
              : name == config::OptionKey{setting.key.module, "", setting.key.option}.ToString();
      if (meant && setting.key.Layer() != option.value.source()) {
        option.overrides.emplace_back(setting.key.Layer());
      }
    }
  }
  return options;
}

command::Result Show(const std::map<std::string, InEffect>& options, const std::string& format) {
  json data = json::array();
  Table table({{"NAME"}, {"VALUE"}, {"SOURCE"}, {"OVERRIDES"}});
  for (const auto& [name, option] : options) {
    data.push_back({{"name", name},
                    {"value", option.value.value()},
                    {"source", option.value.source()},
                    {"overrides", option.overrides}});
    table.AddRow(
        {name, option.value.value(), option.value.source(), absl::StrJoin(option.overrides, ",")});
  }
  return Render(format, data, [&] { return table.Print(); });
}

void AddShow(const Subjects& s, command::Dispatcher* dispatcher) {
  dispatcher->AddBuiltin(
      {"config show name=who,type=CephString name=key,type=CephString,req=false",
       "show what is in effect on mgr.<manager id>, and in which layer it is set; with a key, its "
       "value",
       "r"},
      [s](BuiltinCall call, ResultCallback done) {
        const std::string who = call.args["who"];
        const std::string key = call.args.value("key", "");
        if (who != absl::StrCat("mgr.", s.manager_id)) {
          command::Result otherwise = {.retval = -ENOENT,
                                       .out = "",
                                       .err = absl::StrCat("no config state for daemon ", who,
                                                           "; this manager is mgr.", s.manager_id)};
          return PassOn(s.source, "config show", std::move(call), std::move(otherwise),
                        std::move(done));
        }
        const auto options = EffectiveOptions(*s.config, s.manager_id, key);
        if (key.empty()) return done(Show(options, call.format));
        if (options.empty()) {
          const absl::Status why = s.config->Describe(key).status();
          return done(Failure(why.ok() ? absl::NotFoundError(absl::StrCat(
                                             "option ", key, ": name it mgr/<module>/<option>"))
                                       : why));
        }
        const v1::OptionValue& value = options.begin()->second.value;
        done(Render(call.format, value.value(), [&] { return value.value() + "\n"; }));
      });
}

// As Ceph prints a list.
template <typename List>
std::string InBrackets(const List& list) {
  return absl::StrCat("[", absl::StrJoin(list, ","), "]");
}

std::string HelpText(const std::string& key, const v1::OptionDescriptor& option) {
  std::string text =
      absl::StrCat(key, " - ", option.description(), "\n  (", config::TypeName(option.type()), ", ",
                   LevelName(option.level()), ")\n  Default: ", option.default_value());
  if (!option.enum_allowed().empty()) {
    absl::StrAppend(&text, "\n  Possible values:  ", absl::StrJoin(option.enum_allowed(), " "));
  }
  if (option.has_min()) absl::StrAppend(&text, "\n  Minimum: ", option.min());
  if (option.has_max()) absl::StrAppend(&text, "\n  Maximum: ", option.max());
  absl::StrAppend(&text, "\n  Can update at runtime: ", option.runtime() ? "true" : "false");
  if (!option.tags().empty()) absl::StrAppend(&text, "\n  Tags: ", InBrackets(option.tags()));
  if (!option.see_also().empty()) {
    absl::StrAppend(&text, "\n  See also: ", InBrackets(option.see_also()));
  }
  if (!option.long_description().empty()) {
    absl::StrAppend(&text, "\n\n", option.long_description());
  }
  return text;
}

json HelpJson(const std::string& key, const v1::OptionDescriptor& option) {
  json flags = json::array();
  if (option.runtime()) flags.push_back("runtime");
  if (option.secret()) flags.push_back("secret");
  return {
      {"name", key},
      {"type", config::TypeName(option.type())},
      {"level", LevelName(option.level())},
      {"desc", option.description()},
      {"long_desc", option.long_description()},
      {"default", option.default_value()},
      {"daemon_default", ""},
      {"services", json::array({"mgr"})},
      {"min", option.min()},
      {"max", option.max()},
      {"enum_values",
       std::vector<std::string>(option.enum_allowed().begin(), option.enum_allowed().end())},
      {"tags", std::vector<std::string>(option.tags().begin(), option.tags().end())},
      {"see_also", std::vector<std::string>(option.see_also().begin(), option.see_also().end())},
      {"can_update_at_runtime", option.runtime()},
      {"flags", std::move(flags)}};
}

void AddHelp(const Subjects& s, command::Dispatcher* dispatcher) {
  dispatcher->AddBuiltin(
      {"config help name=key,type=CephString", "describe an option: mgr/<module>/<option>", "r"},
      [config = s.config, source = s.source](BuiltinCall call, ResultCallback done) {
        const std::string key = call.args["key"];
        const auto unknown = [&](absl::string_view why) {
          return command::Result{
              .retval = -ENOENT,
              .out = "",
              .err = absl::StrCat("configuration option '", key, "' not recognized: ", why)};
        };
        if (!IsModuleOption(key)) {
          command::Result otherwise = unknown("the option of a module is mgr/<module>/<option>");
          return PassOn(source, "config help", std::move(call), std::move(otherwise),
                        std::move(done));
        }
        const auto option = config->Describe(key);
        if (absl::IsNotFound(option.status())) {
          const absl::string_view why =
              absl::StripPrefix(option.status().message(), absl::StrCat("option ", key, ": "));
          return done(unknown(why));
        }
        if (!option.ok()) return done(Failure(option.status()));
        done(Render(call.format, HelpJson(key, *option), [&] { return HelpText(key, *option); }));
      });
}

std::string Stamp(const v1::ConfigChange& change) {
  const absl::Time time = event::FromProto(change.time());
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6S%z", time, absl::LocalTimeZone());
}

std::string LogText(const config::ConfigVersion& version) {
  const v1::ConfigChange& first = version.changes.front();
  std::string text =
      absl::StrCat("--- ", version.number, " --- ", Stamp(first), " --- ", first.who(), " ---\n");
  for (const v1::ConfigChange& change : version.changes) {
    if (change.has_old_value()) {
      absl::StrAppend(&text, "- ", change.key(), " = ", change.old_value(), "\n");
    }
    if (change.has_new_value()) {
      absl::StrAppend(&text, "+ ", change.key(), " = ", change.new_value(), "\n");
    }
  }
  return text;
}

json LogJson(const config::ConfigVersion& version) {
  json changes = json::array();
  for (const v1::ConfigChange& change : version.changes) {
    json& item = changes.emplace_back(json{{"name", change.key()}});
    if (change.has_old_value()) item["previous_value"] = change.old_value();
    if (change.has_new_value()) item["new_value"] = change.new_value();
  }
  return {{"version", version.number},
          {"timestamp", Stamp(version.changes.front())},
          {"who", version.changes.front().who()},
          {"changes", std::move(changes)}};
}

void AddLog(const Subjects& s, command::Dispatcher* dispatcher) {
  dispatcher->AddBuiltin(
      {"config log name=num,type=CephInt,range=1,req=false",
       "show the last changes of options, 10 or so many: the version, when, who, what", "r"},
      [config = s.config](const BuiltinCall& call, ResultCallback done) {
        constexpr int kDefault = 10;
        json data = json::array();
        std::string text;
        for (const auto& version : config->Versions(call.args.value("num", kDefault))) {
          data.push_back(LogJson(version));
          absl::StrAppend(&text, LogText(version));
        }
        done(Render(call.format, data, [&] { return text; }));
      });
}

}  // namespace

void AddConfigReportCommands(const Subjects& subjects, command::Dispatcher* dispatcher) {
  AddDump(subjects, dispatcher);
  AddLs(subjects, dispatcher);
  AddShow(subjects, dispatcher);
  AddHelp(subjects, dispatcher);
  AddLog(subjects, dispatcher);
}

}  // namespace outpost::builtin
