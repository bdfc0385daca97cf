// config get, set, rm, ls.
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "outpost/table.h"
#include "server/builtin/builtin_commands.h"
#include "server/builtin/render.h"

namespace outpost::builtin {
namespace {

using command::BuiltinCall;
using command::ResultCallback;
using nlohmann::json;

json ValueOrNull(const v1::OptionValue& value) {
  return value.has_value() ? json(value.value()) : json(nullptr);
}

std::string ConfigTable(const std::vector<v1::ConfigEntry>& entries) {
  Table table({{"KEY"}, {"VALUE"}, {"SOURCE"}, {"DESCRIPTION"}});
  for (const auto& entry : entries) {
    table.AddRow({entry.key(), entry.effective().value(), entry.effective().source(),
                  entry.declaration().description()});
  }
  return table.Print();
}

json ConfigJson(const std::vector<v1::ConfigEntry>& entries) {
  json data = json::array();
  for (const auto& entry : entries) {
    data.push_back({{"key", entry.key()},
                    {"value", ValueOrNull(entry.effective())},
                    {"source", entry.effective().source()},
                    {"type", v1::OptionType_Name(entry.effective().type())},
                    {"description", entry.declaration().description()}});
  }
  return data;
}

}  // namespace

void AddConfigCommands(const Subjects& subjects, command::Dispatcher* dispatcher) {
  config::ConfigRegistry* const config = subjects.config;
  dispatcher->AddBuiltin(
      {"config get name=key,type=CephString", "show the value of an option: mgr/<module>/<option>",
       "r"},
      [config](const BuiltinCall& call, ResultCallback done) {
        const auto value = config->Get(call.args["key"].get<std::string>());
        if (!value.ok()) return done(Failure(value.status()));
        done(Render(call.format, ValueOrNull(*value), [&] { return value->value(); }));
      });
  dispatcher->AddBuiltin(
      {"config set name=key,type=CephString name=value,type=CephString",
       "set an option: mgr/<module>/<option>, or mgr/<module>/<manager id>/<option>", "rw"},
      [config](const BuiltinCall& call, ResultCallback done) {
        config->Set(call.args["key"].get<std::string>(), call.args["value"].get<std::string>(),
                    call.caller,
                    [done = std::move(done)](absl::StatusOr<v1::OptionValue> value) mutable {
                      done(value.ok() ? command::Result{} : Failure(value.status()));
                    });
      });
  dispatcher->AddBuiltin(
      {"config rm name=key,type=CephString", "take back what was set for an option", "rw"},
      [config](const BuiltinCall& call, ResultCallback done) {
        config->Remove(call.args["key"].get<std::string>(), call.caller,
                       [done = std::move(done)](absl::StatusOr<v1::OptionValue> value) mutable {
                         done(value.ok() ? command::Result{} : Failure(value.status()));
                       });
      });
  dispatcher->AddBuiltin(
      {"config ls name=module,type=CephString,req=false", "list the options of modules", "r"},
      [config](const BuiltinCall& call, ResultCallback done) {
        const auto entries = config->List(call.args.value("module", ""), /*only_set=*/false);
        done(Render(call.format, ConfigJson(entries), [&] { return ConfigTable(entries); }));
      });
}

}  // namespace outpost::builtin
