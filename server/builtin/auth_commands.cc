#include "server/builtin/auth_commands.h"

#include <cerrno>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "outpost/internal/audit_text.h"
#include "server/auth/peer.h"
#include "server/builtin/pass_on.h"
#include "server/builtin/render.h"

namespace outpost::builtin {
namespace {

using auth::Caps;
using auth::Entities;
using command::BuiltinCall;
using command::ResultCallback;
using nlohmann::json;

constexpr int64_t kAuditLines = 20;  // of `audit`

command::Result Say(std::string text) { return {0, "", std::move(text)}; }
command::Result Fail(int error, std::string text) { return {-error, "", std::move(text)}; }

std::string CapsText(const Caps& caps) {
  std::string text = caps.ToString();
  return text.empty() ? "(none)" : text;
}

json EntityJson(const std::string& name, const Caps& caps) {
  return {{"entity", name}, {"caps", {{"mgr", caps.ToString()}}}};
}

// "mgr 'allow r'", "'allow r'", or nothing: the words after the entity. INVALID_ARGUMENT
// says what is wrong with them.
absl::StatusOr<Caps> CapsOfWords(const json& args) {
  std::vector<std::string> words;
  if (const auto it = args.find("caps"); it != args.end()) words = *it;
  if (words.size() == 2 && words[0] == "mgr") words.erase(words.begin());
  if (words.empty() || (words.size() == 1 && words[0].empty())) return Caps();
  if (words.size() > 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", absl::StrJoin(words, " "),
                     "': write one text of caps, in quotes: mgr 'allow r, allow module hello rw'"));
  }
  return Caps::Parse(words[0]);
}

// Adds `prefix`, which is about one entity: `run` for one of ours, and the cluster's command
// for any other.
using EntityHandler =
    std::function<void(Entities*, const std::string&, const BuiltinCall&, ResultCallback)>;

// What the manifest of module/NAME asks for; nullopt: everything, or it is no module.
std::optional<Caps> AskedBy(const AskedCaps& asked, absl::string_view name) {
  if (!absl::ConsumePrefix(&name, "module/")) return std::nullopt;
  return asked(name);
}

void AddEntityCommand(const char* prefix, const char* more_parameters, const char* description,
                      const char* permissions, EntityHandler run, Entities* entities,
                      cluster::Source* source, command::Dispatcher* dispatcher) {
  dispatcher->AddBuiltin(
      {absl::StrCat(prefix, " name=entity,type=CephString", more_parameters), description,
       permissions},
      [prefix, entities, source, run = std::move(run)](BuiltinCall call, ResultCallback done) {
        const std::string name = call.args["entity"];
        if (auto status = auth::ValidateEntityName(name); !status.ok()) {
          if (absl::StrContains(name, '/')) return done(Failure(status));
          return PassOn(source, prefix, std::move(call), Failure(status), std::move(done));
        }
        run(entities, name, call, std::move(done));
      });
}

void Get(const AskedCaps& asked_caps, Entities* entities, const std::string& name,
         const BuiltinCall& call, ResultCallback done) {
  const bool fixed = name == auth::kAdmin;
  const std::optional<Caps> caps = fixed ? entities->CapsOf(name) : entities->Get(name);
  const std::optional<Caps> asked = AskedBy(asked_caps, name);
  if (!caps) {
    const std::optional<Caps> counts = entities->CapsOf(name);
    return done(
        Fail(ENOENT, absl::StrCat("no caps were set for ", name,
                                  counts ? absl::StrCat("; it has \"", CapsText(*counts), "\"")
                                         : "; it may do nothing",
                                  asked ? absl::StrCat(", of which its manifest asks for \"",
                                                       CapsText(*asked), "\" alone")
                                        : "")));
  }
  json entity = EntityJson(name, *caps);
  if (asked) entity["asks"] = {{"mgr", asked->ToString()}};
  done(Render(call.format, entity, [&] {
    return absl::StrCat("[", name, "]\n\tcaps mgr = \"", caps->ToString(), "\"",
                        asked ? absl::StrCat("\n\tasks mgr = \"", asked->ToString(), "\"") : "");
  }));
}

void Set(Entities* entities, const std::string& name, Caps caps, std::string said,
         ResultCallback done) {
  entities->Set(name, std::move(caps),
                [said = std::move(said), done = std::move(done)](const absl::Status& set) mutable {
                  done(set.ok() ? Say(std::move(said)) : Failure(set));
                });
}

void ChangeCaps(Entities* entities, const std::string& name, const BuiltinCall& call,
                ResultCallback done) {
  absl::StatusOr<Caps> caps = CapsOfWords(call.args);
  if (!caps.ok()) return done(Failure(caps.status()));
  Set(entities, name, *std::move(caps), absl::StrCat("updated caps for ", name), std::move(done));
}

void Add(Entities* entities, const std::string& name, const BuiltinCall& call,
         ResultCallback done) {
  absl::StatusOr<Caps> caps = CapsOfWords(call.args);
  if (!caps.ok()) return done(Failure(caps.status()));
  const std::optional<Caps> has = entities->Get(name);
  if (has && has->ToString() != caps->ToString()) {
    return done(
        Fail(EEXIST, absl::StrCat(name, " is there with other caps, \"", CapsText(*has),
                                  "\"; `outpost auth caps ", name, " mgr '…'` changes them")));
  }
  Set(entities, name, *std::move(caps), absl::StrCat("added ", name), std::move(done));
}

void Remove(Entities* entities, const std::string& name, const BuiltinCall&, ResultCallback done) {
  entities->Remove(name, [name, done = std::move(done)](const absl::Status& removed) mutable {
    if (absl::IsNotFound(removed)) {
      return done(Say(absl::StrCat("entity ", name, " does not exist")));
    }
    done(removed.ok() ? Say(absl::StrCat("removed ", name)) : Failure(removed));
  });
}

void AddLs(const char* prefix, Entities* entities, command::Dispatcher* dispatcher) {
  dispatcher->AddBuiltin(
      {prefix, "list who has caps, and which", "rx"},
      [entities](const BuiltinCall& call, ResultCallback done) {
        json all = json::array();
        all.push_back(EntityJson(auth::kAdmin, Caps::AllowAll()));
        for (const auto& [name, caps] : entities->List()) all.push_back(EntityJson(name, caps));
        if (!entities->Get(auth::kEveryModule)) {
          all.push_back(EntityJson(auth::kEveryModule, Caps::AllowAll()));
        }
        done(Render(call.format, {{"auth_dump", all}}, [&] {
          return absl::StrJoin(all, "\n", [](std::string* out, const json& entity) {
            const std::string caps = entity["caps"]["mgr"];
            absl::StrAppend(out, entity["entity"].get<std::string>(), "\n\tcaps: [mgr] ",
                            caps.empty() ? "(none)" : caps);
          });
        }));
      });
}

}  // namespace

void AddAuditCommand(const auth::AuditLog* audit, command::Dispatcher* dispatcher) {
  dispatcher->AddBuiltin(
      {"audit name=last,type=CephInt,range=1,req=false",
       "show who did what: the last 20, or `last`, entries of the audit log; with --follow, also "
       "what comes",
       "rx"},
      [audit](const BuiltinCall& call, ResultCallback done) {
        const auto count = static_cast<size_t>(call.args.value("last", kAuditLines));
        const std::vector<std::string> lines = audit->Last(count);
        json data = json::array();
        for (const std::string& line : lines) {
          data.push_back(json::parse(line, nullptr, /*allow_exceptions=*/false));
        }
        done(Render(call.format, data, [&] {
          return absl::StrJoin(lines, "\n", [](std::string* out, const std::string& line) {
            absl::StrAppend(out, internal::AuditText(line));
          });
        }));
      });
}

void AddAuthCommands(auth::Entities* entities, cluster::Source* source, AskedCaps asked,
                     command::Dispatcher* dispatcher) {
  const auto add = [&](const char* prefix, const char* more_parameters, const char* description,
                       const char* permissions, EntityHandler run) {
    AddEntityCommand(prefix, more_parameters, description, permissions, std::move(run), entities,
                     source, dispatcher);
  };
  for (const char* prefix : {"auth ls", "auth list"}) AddLs(prefix, entities, dispatcher);
  add("auth get", "",
      "show the caps that were set for a user or module, and what a module asks for", "rx",
      [asked = std::move(asked)](Entities* known, const std::string& name, const BuiltinCall& call,
                                 ResultCallback done) {
        Get(asked, known, name, call, std::move(done));
      });
  add("auth add", " name=caps,type=CephString,n=N,req=false",
      "add user/NAME or module/NAME with caps: mgr 'allow r'", "rwx", Add);
  add("auth caps", " name=caps,type=CephString,n=N",
      "set all the caps of user/NAME, module/NAME or module/*: mgr 'allow r'", "rwx", ChangeCaps);
  for (const char* prefix : {"auth rm", "auth del"}) {
    add(prefix, "", "take back the caps that were set for a user or module", "rwx", Remove);
  }
}

}  // namespace outpost::builtin
