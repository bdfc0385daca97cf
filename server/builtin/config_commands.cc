// config set, get, rm, reset: what changes options, and what one of them is.
#include <cerrno>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/builtin/builtin_commands.h"
#include "server/builtin/config_table.h"
#include "server/builtin/option_target.h"
#include "server/builtin/pass_on.h"
#include "server/builtin/render.h"

namespace outpost::builtin {
namespace {

using command::BuiltinCall;
using command::ResultCallback;
using nlohmann::json;

command::Result Fail(int error, std::string text) { return {-error, "", std::move(text)}; }

// What there is to say of `status` after the option was named.
std::string Reason(const absl::Status& status, const config::OptionKey& key) {
  return std::string(
      absl::StripPrefix(status.message(), absl::StrCat("option ", key.ToString(), ": ")));
}

// What the cluster's options are refused with where the cluster has no such command.
command::Result NotOurs(absl::string_view name) {
  return Fail(
      EINVAL,
      absl::StrCat("unrecognized config option '", name,
                   "': the option of a module is mgr/<module>/<option>, and this cluster has no "
                   "options of its own"));
}

// A change has ended.
config::ConfigRegistry::Done WhenChanged(config::OptionKey key, ResultCallback done) {
  return [key = std::move(key),
          done = std::move(done)](const absl::StatusOr<v1::OptionValue>& value) mutable {
    const absl::Status& status = value.status();
    if (absl::IsNotFound(status)) {
      return done(Fail(EINVAL, absl::StrCat("unrecognized config option '", key.ToString(),
                                            "': ", Reason(status, key))));
    }
    if (absl::IsInvalidArgument(status)) {
      return done(Fail(EINVAL, absl::StrCat("error parsing value: ", status.message())));
    }
    done(status.ok() ? command::Result{} : Failure(status));
  };
}

void AddSet(const Subjects& s, command::Dispatcher* dispatcher) {
  dispatcher->AddBuiltin(
      {absl::StrCat("config set ", kWho,
                    " name=name,type=CephString name=value,type=CephString"
                    " name=force,type=CephBool,req=false,positional=false"),
       "set an option: mgr/<module>/<option>, or mgr/<module>/<manager id>/<option> on one "
       "manager; "
       "--force: though no module declares it yet",
       "rw"},
      [config = s.config, source = s.source](BuiltinCall call, ResultCallback done) {
        const std::string name = call.args["name"];
        if (!IsModuleOption(name)) {
          return PassOn(source, "config set", std::move(call), NotOurs(name), std::move(done));
        }
        auto key = OptionTarget(call.args.value("who", ""), name);
        if (!key.ok()) return done(Failure(key.status()));
        const std::string value = call.args["value"];
        const std::string text = key->ToString();
        auto changed = WhenChanged(*std::move(key), std::move(done));
        if (call.args.value("force", false)) {
          config->ForceSet(text, value, call.caller, std::move(changed));
        } else {
          config->Set(text, value, call.caller, std::move(changed));
        }
      });
}

void AddRm(const Subjects& s, command::Dispatcher* dispatcher) {
  dispatcher->AddBuiltin(
      {absl::StrCat("config rm ", kWho, " name=name,type=CephString"),
       "take back what was set for an option", "rw"},
      [config = s.config, source = s.source](BuiltinCall call, ResultCallback done) {
        const std::string name = call.args["name"];
        if (!IsModuleOption(name)) {
          return PassOn(source, "config rm", std::move(call), NotOurs(name), std::move(done));
        }
        auto key = OptionTarget(call.args.value("who", ""), name);
        if (!key.ok()) return done(Failure(key.status()));
        const std::string text = key->ToString();
        config->Remove(text, call.caller,
                       [key = *std::move(key), done = std::move(done)](
                           const absl::StatusOr<v1::OptionValue>& value) mutable {
                         if (!absl::IsNotFound(value.status())) {
                           return done(value.ok() ? command::Result{} : Failure(value.status()));
                         }
                         // As Ceph has it: the wish is fulfilled.
                         done({.retval = 0,
                               .out = "",
                               .err = absl::StrCat("nothing is set for '", key.ToString(),
                                                   "': ", Reason(value.status(), key))});
                       });
      });
}

command::Result GetOne(const config::ConfigRegistry& config, const std::string& who,
                       const std::string& name, const std::string& format) {
  const auto key = OptionTarget(who, name);
  if (!key.ok()) return Failure(key.status());
  const auto value = config.Get(key->ToString());
  if (absl::IsNotFound(value.status())) {
    return Fail(ENOENT, absl::StrCat("unrecognized key '", key->ToString(),
                                     "': ", Reason(value.status(), *key)));
  }
  if (!value.ok()) return Failure(value.status());
  const json data = value->has_value() ? json(value->value()) : json(nullptr);
  // An empty value is a line, too.
  return Render(format, data, [&] { return value->value() + "\n"; });
}

void AddGet(const Subjects& s, command::Dispatcher* dispatcher) {
  dispatcher->AddBuiltin(
      {absl::StrCat("config get ", kWho, " name=key,type=CephString,req=false"),
       "show the value of an option: mgr/<module>/<option>; of mgr or mgr.<manager id> alone, all "
       "that is set",
       "r"},
      [config = s.config, source = s.source](BuiltinCall call, ResultCallback done) {
        const std::string who = call.args.value("who", "");
        const std::string key = call.args.value("key", "");
        if (IsModuleOption(key)) return done(GetOne(*config, who, key, call.format));
        if (who.empty()) {
          return done(key.empty() ? Fail(EINVAL,
                                         "Invalid command: missing required parameter "
                                         "who(<string>): mgr, mgr.<manager id>, or the key "
                                         "of an option")
                                  : NotOurs(key));
        }
        const auto manager = ManagerOf(who);
        if (!key.empty() || !manager.ok()) {
          return PassOn(source, "config get", std::move(call),
                        key.empty() ? Failure(manager.status()) : NotOurs(key), std::move(done));
        }
        const std::vector<ConfigRow> rows = RowsOfManager(config->Settings(), *manager);
        done(Render(call.format, RowsByName(rows), [&] { return RowsTable(rows); }));
      });
}

void AddReset(const Subjects& s, command::Dispatcher* dispatcher) {
  dispatcher->AddBuiltin(
      {"config reset name=num,type=CephInt,range=0",
       "go back to an earlier version of the configuration, see `config log`", "rw"},
      [config = s.config](BuiltinCall call, ResultCallback done) {
        config->Reset(
            call.args["num"].get<uint64_t>(), call.caller,
            [done = std::move(done)](absl::StatusOr<std::vector<std::string>> kept) mutable {
              if (absl::IsInvalidArgument(kept.status()) || absl::IsOutOfRange(kept.status())) {
                return done(Fail(EINVAL, absl::StrCat("must specify a valid historical version to "
                                                      "revert to; see 'outpost config log' for a "
                                                      "list of them: ",
                                                      kept.status().message())));
              }
              if (!kept.ok()) return done(Failure(kept.status()));
              command::Result result;
              for (const std::string& key : *kept) {
                absl::StrAppend(&result.err, key,
                                " stays as it is: former values of secrets are not kept\n");
              }
              done(std::move(result));
            });
      });
}

}  // namespace

void AddConfigCommands(const Subjects& subjects, command::Dispatcher* dispatcher) {
  AddSet(subjects, dispatcher);
  AddGet(subjects, dispatcher);
  AddRm(subjects, dispatcher);
  AddReset(subjects, dispatcher);
}

}  // namespace outpost::builtin
