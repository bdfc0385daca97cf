// config-key get, set, rm, exists, ls, dump: the keys of modules, mgr/<module>/<key>.
#include <algorithm>
#include <cerrno>
#include <functional>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "outpost/internal/utf8.h"
#include "server/builtin/builtin_commands.h"
#include "server/builtin/pass_on.h"
#include "server/builtin/render.h"
#include "server/module/installed_modules.h"
#include "server/store/module_keys.h"

namespace outpost::builtin {
namespace {

using command::BuiltinCall;
using command::ResultCallback;
using nlohmann::json;

constexpr char kForm[] = "the key of a module is mgr/<module>/<key>";

command::Result Say(std::string text) { return {0, "", std::move(text)}; }
command::Result Fail(int error, std::string text) { return {-error, "", std::move(text)}; }

bool IsModuleKey(absl::string_view key) { return absl::StartsWith(key, "mgr/"); }

// Where "mgr/<module>/<key>" is in the store.
absl::StatusOr<std::string> StoreKey(absl::string_view key) {
  const std::vector<std::string> parts = absl::StrSplit(key, absl::MaxSplits('/', 2));
  if (parts.size() < 3) {
    return absl::InvalidArgumentError(absl::StrCat("key '", key, "': ", kForm));
  }
  absl::Status status = module::ValidateModuleName(parts[1]);
  status.Update(store::CheckModuleKey(parts[2]));
  if (!status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("key '", key, "': ", status.message()));
  }
  return absl::StrCat(store::PrefixOfModule(parts[1]), parts[2]);
}

// "mgr/<module>/<key>" of a key of the store.
std::string Shown(absl::string_view store_key) {
  return absl::StrCat("mgr/", absl::StripPrefix(store_key, store::kModuleKeys));
}

// Whether the value of a key called so is not for everybody's eyes. Modules do not declare
// their keys, so all that there is to tell by is the name.
bool SoundsSecret(absl::string_view key) {
  std::string name = absl::AsciiStrToLower(key.substr(key.rfind('/') + 1));
  for (const char* word : {"secret", "passw", "passphrase", "token", "private", "credential"}) {
    if (absl::StrContains(name, word)) return true;
  }
  return absl::EndsWith(name, "key");
}

std::string DumpedValue(absl::string_view key, const std::string& value) {
  if (SoundsSecret(key)) return absl::StrCat(config::kRedacted, ", ", value.size(), " bytes");
  const bool text =
      internal::IsUtf8(value) && std::none_of(value.begin(), value.end(), [](char c) {
        return absl::ascii_iscntrl(static_cast<unsigned char>(c)) && c != '\n' && c != '\t';
      });
  if (!text) return absl::StrCat("<<< binary blob of length ", value.size(), " >>>");
  return value;
}

// Adds `prefix`, which works on one key: `run` for the key of a module, and the cluster's
// command for any other.
using KeyHandler = std::function<void(store::StateStore&, const std::string& key,
                                      const std::string& store_key, BuiltinCall&, ResultCallback)>;
void AddKeyCommand(const Subjects& s, const std::string& prefix, const char* more_parameters,
                   const char* description, const char* permissions, KeyHandler run,
                   command::Dispatcher* dispatcher) {
  dispatcher->AddBuiltin({absl::StrCat(prefix, " name=key,type=CephString", more_parameters),
                          description, permissions},
                         [prefix, store = s.store, source = s.source, run = std::move(run)](
                             BuiltinCall call, ResultCallback done) {
                           const std::string key = call.args["key"];
                           if (!IsModuleKey(key)) {
                             return PassOn(source, prefix, std::move(call),
                                           Fail(EINVAL, absl::StrCat("key '", key, "': ", kForm)),
                                           std::move(done));
                           }
                           absl::StatusOr<std::string> store_key = StoreKey(key);
                           if (!store_key.ok()) return done(Failure(store_key.status()));
                           run(*store, key, *store_key, call, std::move(done));
                         });
}

void Get(store::StateStore& store, const std::string& key, const std::string& store_key,
         BuiltinCall&, ResultCallback done) {
  std::optional<std::string> value = store.Get(store_key);
  if (!value) {
    return done(
        Fail(ENOENT, absl::StrCat("error obtaining '", key, "': (2) No such file or directory")));
  }
  done({.retval = 0, .out = *std::move(value), .err = ""});
}

void Exists(store::StateStore& store, const std::string& key, const std::string& store_key,
            BuiltinCall&, ResultCallback done) {
  if (store.Get(store_key)) return done(Say(absl::StrCat("key '", key, "' exists")));
  done(Fail(ENOENT, absl::StrCat("key '", key, "' doesn't exist")));
}

// Makes one change, and says `text` when it is durable.
void Write(store::StateStore& store, store::Change change, std::string text, ResultCallback done) {
  store.Write({.conditions = {}, .changes = {std::move(change)}},
              [text = std::move(text), done = std::move(done)](const absl::Status& status) mutable {
                done(status.ok() ? Say(std::move(text)) : Failure(status));
              });
}

void Set(store::StateStore& store, const std::string& key, const std::string& store_key,
         BuiltinCall& call, ResultCallback done) {
  const auto given = call.args.find("val");
  if (given == call.args.end() && !call.inbuf) {
    return done(Fail(EINVAL,
                     "Invalid command: missing required parameter val(<string>), or a file "
                     "(-i)"));
  }
  std::string value = given != call.args.end() ? given->get<std::string>() : *std::move(call.inbuf);
  if (auto status = store::CheckModuleValue(key, value); !status.ok()) {
    return done(Fail(EFBIG, absl::StrCat("error: ", status.message())));
  }
  Write(store, {store_key, std::move(value)}, absl::StrCat("set ", key), std::move(done));
}

void Remove(store::StateStore& store, const std::string& key, const std::string& store_key,
            BuiltinCall&, ResultCallback done) {
  if (!store.Get(store_key)) return done(Say(absl::StrCat("no such key '", key, "'")));
  Write(store, {store_key, std::nullopt}, "key deleted", std::move(done));
}

void AddLs(const Subjects& s, const std::string& prefix, command::Dispatcher* dispatcher) {
  dispatcher->AddBuiltin({prefix, "list the keys of modules", "r"},
                         [store = s.store](const BuiltinCall& call, ResultCallback done) {
                           json keys = json::array();
                           for (const auto& [key, value] : store->List(store::kModuleKeys)) {
                             keys.push_back(Shown(key));
                           }
                           done(Render(call.format, keys, [&] { return keys.dump(4); }));
                         });
}

void AddDump(const Subjects& s, command::Dispatcher* dispatcher) {
  dispatcher->AddBuiltin(
      {"config-key dump name=key,type=CephString,req=false",
       "dump the keys of modules (that begin with a prefix) and their values; not those whose name "
       "says that they are secrets",
       "r"},
      [store = s.store](const BuiltinCall& call, ResultCallback done) {
        const std::string prefix = call.args.value("key", "");
        json keys = json::object();
        for (const auto& [key, value] : store->List(store::kModuleKeys)) {
          const std::string shown = Shown(key);
          if (absl::StartsWith(shown, prefix)) keys[shown] = DumpedValue(shown, value);
        }
        constexpr auto kReplace = json::error_handler_t::replace;
        done(Render(call.format, keys, [&] { return keys.dump(4, ' ', false, kReplace); }));
      });
}

}  // namespace

void AddKeyValueCommands(const Subjects& subjects, command::Dispatcher* dispatcher) {
  const auto add = [&](const char* prefix, const char* more_parameters, const char* description,
                       const char* permissions, KeyHandler run) {
    AddKeyCommand(subjects, prefix, more_parameters, description, permissions, std::move(run),
                  dispatcher);
  };
  add("config-key get", "", "print the value of a module's key: mgr/<module>/<key>", "r", Get);
  add("config-key exists", "", "tell whether there is such a key", "r", Exists);
  // Ceph has two words for these.
  for (const char* prefix : {"config-key set", "config-key put"}) {
    add(prefix, " name=val,type=CephString,req=false",
        "set a key to a text, or to the content of a file (-i)", "rw", Set);
  }
  for (const char* prefix : {"config-key rm", "config-key del"}) {
    add(prefix, "", "remove a key", "rw", Remove);
  }
  for (const char* prefix : {"config-key ls", "config-key list"}) {
    AddLs(subjects, prefix, dispatcher);
  }
  AddDump(subjects, dispatcher);
}

}  // namespace outpost::builtin
