#include "server/builtin/completion_values.h"

#include <functional>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/builtin/option_target.h"
#include "server/cluster/json_scan.h"
#include "server/cluster/report/reported_daemons.h"
#include "server/store/module_keys.h"

namespace outpost::builtin {
namespace {

namespace json_scan = cluster::json_scan;

// Where the value of the member `name` of the object at `at` begins; npos: there is none.
size_t Member(absl::string_view text, size_t at, absl::string_view name) {
  if (at >= text.size() || text[at] != '{') return absl::string_view::npos;
  std::string decoded;
  for (json_scan::Children member(text, at); !member.done(); member.Next()) {
    if (json_scan::StringAt(text, member.key(), &decoded) == name) return member.value();
  }
  return absl::string_view::npos;
}

// Calls `take` with where the value of `field` begins, for each object that has it in the list
// `list` of the object that is `text`. Parsing the whole, which may have megabytes, takes ten
// times as long.
void EachField(absl::string_view text, absl::string_view list, absl::string_view field,
               const std::function<void(size_t)>& take) {
  const size_t begin = Member(text, json_scan::SkipSpace(text, 0), list);
  if (begin == absl::string_view::npos || text[begin] != '[') return;
  for (json_scan::Children element(text, begin); !element.done(); element.Next()) {
    const size_t at = Member(text, element.value(), field);
    if (at != absl::string_view::npos) take(at);
  }
}

// More would help nobody.
constexpr size_t kMostKeys = 1000;

}  // namespace

CompletionValues::Candidates CompletionValues::Of(const command::Command& command,
                                                  const command::Param& param,
                                                  const std::vector<std::string>& given) const {
  if (param.is("CephPoolname")) return Pools();
  if (param.is("CephOsdName")) return Osds();
  const std::string& prefix = command.signature.prefix();
  const std::string& name = param.name;
  if (name == "ids" && absl::StartsWith(prefix, "osd ")) return Osds();  // osd out, osd down, …
  if (command.provider.kind != command::Provider::Kind::kManager) return {};
  if (name == "module") return Modules();
  if (name == "structure") return Structures();
  if (name == "daemon") return Daemons();
  if (name == "counter") return Counters(given);
  if (name == "reporter") return Reporters();
  if (name == "code" && absl::StartsWith(prefix, "health ")) return HealthChecks();
  if (absl::StartsWith(prefix, "config-key ") && name == "key") return Keys();
  if (absl::StartsWith(prefix, "config ")) {
    if (name == "who") return Managers();
    if (name == "name" || name == "key") return Options();
    if (name == "value") return ValuesOfOption(given);
  }
  if (prefix == "tell" && name == "target") {
    Candidates targets = Osds();
    targets.insert(targets.begin(), {"mon", "whichever monitor answers"});
    return targets;
  }
  return {};
}

CompletionValues::Candidates CompletionValues::Modules() const {
  Candidates modules;
  for (const v1::ModuleInfo& module : s_.modules->List()) {
    modules.push_back({module.name(), std::string(module::StateName(module.state()))});
  }
  return modules;
}

CompletionValues::Candidates CompletionValues::Managers() const {
  return {{"mgr", "every manager"}, {absl::StrCat("mgr.", s_.manager_id), "this manager"}};
}

CompletionValues::Candidates CompletionValues::Options() const {
  Candidates options;
  for (const v1::ConfigEntry& entry : s_.config->List("", /*only_set=*/false)) {
    options.push_back({entry.key(), entry.declaration().description()});
  }
  return options;
}

CompletionValues::Candidates CompletionValues::ValuesOfOption(
    const std::vector<std::string>& given) const {
  for (const std::string& word : given) {
    if (!IsModuleOption(word)) continue;
    const auto option = s_.config->Describe(word);
    if (!option.ok()) return {};
    if (option->type() == v1::OPTION_TYPE_BOOL) return {{"true", ""}, {"false", ""}};
    Candidates values;
    for (const std::string& value : option->enum_allowed()) values.push_back({value, ""});
    return values;
  }
  return {};
}

CompletionValues::Candidates CompletionValues::Keys() const {
  Candidates keys;
  for (const auto& [key, value] : s_.store->List(store::kModuleKeys)) {
    if (keys.size() == kMostKeys) break;
    keys.push_back({absl::StrCat("mgr/", absl::StripPrefix(key, store::kModuleKeys)),
                    absl::StrCat(value.size(), " bytes")});
  }
  return keys;
}

CompletionValues::Candidates CompletionValues::Structures() const {
  Candidates structures;
  for (const auto& entry : s_.cluster->List()) structures.push_back({entry.snapshot->name, ""});
  return structures;
}

CompletionValues::Candidates CompletionValues::Daemons() const {
  Candidates daemons;
  for (const auto& schema : s_.counters->Schemas({})) {
    daemons.push_back({absl::StrCat(schema.daemon().type(), ".", schema.daemon().id()),
                       absl::StrCat(schema.counters_size(), " counters")});
  }
  return daemons;
}

CompletionValues::Candidates CompletionValues::Reporters() const {
  Candidates reporters;
  if (s_.reports == nullptr) return reporters;
  for (const auto& daemon : s_.reports->List()) {
    reporters.push_back(
        {absl::StrCat(daemon.type, ".", daemon.id), daemon.live ? "live" : "stale"});
  }
  return reporters;
}

CompletionValues::Candidates CompletionValues::Counters(
    const std::vector<std::string>& given) const {
  if (given.empty()) return {};
  const std::pair<std::string, std::string> daemon =
      absl::StrSplit(given.front(), absl::MaxSplits('.', 1));
  v1::DaemonName name;
  name.set_type(daemon.first);
  name.set_id(daemon.second);
  std::map<std::string, std::string> descriptions;
  for (const auto& schema : s_.counters->Schemas(name)) {
    for (const auto& counter : schema.counters()) {
      descriptions[counter.path()] = counter.description();
    }
  }
  Candidates counters;
  for (const auto& [path, description] : descriptions) counters.push_back({path, description});
  return counters;
}

CompletionValues::Candidates CompletionValues::HealthChecks() const {
  Candidates codes;
  for (const v1::HealthCheck& check : s_.health->Get().checks) {
    codes.push_back({check.code(), check.summary()});
  }
  return codes;
}

CompletionValues::Candidates CompletionValues::Pools() const {
  absl::MutexLock lock(&mu_);
  ReadOsdMap();
  return pools_;
}

CompletionValues::Candidates CompletionValues::Osds() const {
  absl::MutexLock lock(&mu_);
  ReadOsdMap();
  return osds_;
}

void CompletionValues::ReadOsdMap() const {
  const auto snapshot = s_.cluster->Get("osd_map");
  if (!snapshot.ok() || (*snapshot)->version == read_) return;
  read_ = (*snapshot)->version;
  pools_.clear();
  osds_.clear();
  const absl::string_view text = (*snapshot)->json;
  std::string decoded;
  EachField(text, "pools", "pool_name", [&](size_t at) {
    mu_.AssertHeld();
    if (text[at] != '"') return;
    pools_.push_back({std::string(json_scan::StringAt(text, at, &decoded)), ""});
  });
  EachField(text, "osds", "osd", [&](size_t at) {
    mu_.AssertHeld();
    const absl::string_view id = text.substr(at, json_scan::SkipValue(text, at) - at);
    if (absl::ascii_isdigit(id[0])) osds_.push_back({absl::StrCat("osd.", id), ""});
  });
}

}  // namespace outpost::builtin
