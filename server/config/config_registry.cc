#include "server/config/config_registry.h"

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/log/log.h"
#include "server/text/nearest.h"

namespace outpost::config {
namespace {

constexpr char kValues[] = "config/";
constexpr char kDeclarations[] = "schema/";
constexpr char kRedacted[] = "<redacted>";
constexpr size_t kSuggestions = 3;

std::string StoreKey(const OptionKey& key) { return absl::StrCat(kValues, key.ToString()); }

// "; did you mean a or b?", or nothing.
std::string DidYouMean(const std::vector<std::string>& names) {
  if (names.empty()) return "";
  return absl::StrCat("; did you mean ", absl::StrJoin(names, " or "), "?");
}

std::string Redact(const std::string& value, bool secret) { return secret ? kRedacted : value; }

}  // namespace

// A Set or Remove on its way.
struct ConfigRegistry::Edit {
  OptionKey key;
  std::optional<std::string> value;  // canonical; nullopt: Remove
  std::string who;
  bool secret = false;
  Done done;
};

absl::StatusOr<std::unique_ptr<ConfigRegistry>> ConfigRegistry::Create(
    store::StateStore& store, std::string manager_id, std::map<std::string, std::string> file) {
  for (const auto& [text, value] : file) {
    auto key = OptionKey::Parse(text);
    if (!key.ok() || key->module.empty() || !key->manager_id.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("option \"", text,
                       "\" of the configuration file: the key must be mgr/<module>/<option>"));
    }
  }
  std::unique_ptr<ConfigRegistry> registry(
      new ConfigRegistry(store, std::move(manager_id), std::move(file)));
  registry->watch_ = store.Watch(
      kValues, [raw = registry.get()](const store::Change& change) { raw->Apply(change); });
  registry->LoadDeclarations();
  return registry;
}

ConfigRegistry::ConfigRegistry(store::StateStore& store, std::string manager_id,
                               std::map<std::string, std::string> file)
    : store_(store), manager_id_(std::move(manager_id)), file_(std::move(file)), history_(store) {}

ConfigRegistry::~ConfigRegistry() {
  absl::MutexLock lock(&writes_mu_);
  auto none = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(writes_mu_) { return writes_in_flight_ == 0; };
  writes_mu_.Await(absl::Condition(&none));
}

void ConfigRegistry::LoadDeclarations() {
  for (const auto& [key, bytes] : store_.List(kDeclarations)) {
    const std::string module(absl::StripPrefix(key, kDeclarations));
    v1::ConfigListResponse stored;
    Descriptors descriptors;
    if (stored.ParseFromString(bytes)) {
      for (const v1::ConfigEntry& entry : stored.entries())
        *descriptors.Add() = entry.declaration();
    }
    auto schemas = CreateSchemas(module, descriptors);
    if (!schemas.ok()) {
      // Written by another version. The module declares its options again when it comes.
      log::Get("config").warn("stored options of module {} can't be used: {}", module,
                              std::string(schemas.status().message()));
      continue;
    }
    absl::MutexLock publish(&publish_mu_);
    auto shared = std::make_shared<const OptionSchemas>(*std::move(schemas));
    {
      absl::MutexLock lock(&mu_);
      modules_[module] = shared;
    }
    for (const auto& [name, schema] : *shared) Refresh(module, schema);
  }
}

absl::Status ConfigRegistry::DeclareModule(absl::string_view module,
                                           const Descriptors& descriptors) {
  auto schemas = CreateSchemas(module, descriptors);
  if (!schemas.ok()) return schemas.status();
  const std::string name(module);
  auto shared = std::make_shared<const OptionSchemas>(*std::move(schemas));
  WarnOfFile(module, *shared);

  v1::ConfigListResponse stored;
  for (const v1::OptionDescriptor& descriptor : descriptors) {
    v1::ConfigEntry& entry = *stored.add_entries();
    entry.set_key(OptionKey{name, "", descriptor.name()}.ToString());
    *entry.mutable_declaration() = descriptor;
  }
  absl::MutexLock publish(&publish_mu_);
  {
    absl::MutexLock lock(&mu_);
    modules_[name] = shared;
  }
  for (const auto& [option, schema] : *shared) Refresh(name, schema);
  // An option that is gone: it is new when it comes back.
  for (auto it = published_.lower_bound({name, ""});
       it != published_.end() && it->first.first == name;) {
    it = shared->contains(it->first.second) ? std::next(it) : published_.erase(it);
  }
  // Under the lock, so that declarations are stored in the order in which they hold.
  store_.Write({{}, {{absl::StrCat(kDeclarations, name), stored.SerializeAsString()}}},
               [name](absl::Status status) {
                 if (status.ok()) return;
                 log::Get("config").warn(
                     "the options of module {} were not stored; after a restart they can't be set "
                     "until the module is back: {}",
                     name, std::string(status.message()));
               });
  return absl::OkStatus();
}

void ConfigRegistry::WarnOfFile(absl::string_view module, const OptionSchemas& schemas) const {
  const std::string prefix = absl::StrCat("mgr/", module, "/");
  for (auto it = file_.lower_bound(prefix);
       it != file_.end() && absl::StartsWith(it->first, prefix); ++it) {
    const auto key = OptionKey::Parse(it->first);
    const auto schema = schemas.find(key->option);
    absl::Status status = schema == schemas.end()
                              ? NotDeclared(*key)
                              : schema->second.Canonicalize(it->first, it->second).status();
    if (status.ok()) continue;
    log::Get("config").error("configuration file: {}; it is ignored",
                             std::string(status.message()));
  }
}

ConfigRegistry::SchemasPtr ConfigRegistry::FindModule(absl::string_view module) const {
  absl::ReaderMutexLock lock(&mu_);
  auto it = modules_.find(module);
  return it == modules_.end() ? nullptr : it->second;
}

std::vector<std::pair<std::string, ConfigRegistry::SchemasPtr>> ConfigRegistry::ModulesWith(
    absl::string_view option) const {
  std::vector<std::pair<std::string, SchemasPtr>> found;
  absl::ReaderMutexLock lock(&mu_);
  for (const auto& [module, schemas] : modules_) {
    if (schemas->find(option) != schemas->end()) found.emplace_back(module, schemas);
  }
  return found;
}

absl::Status ConfigRegistry::CheckDeclared(const OptionKey& key) const {
  const SchemasPtr schemas = FindModule(key.module);
  const bool declared = key.module.empty() ? !ModulesWith(key.option).empty()
                                           : schemas != nullptr && schemas->contains(key.option);
  return declared ? absl::OkStatus() : NotDeclared(key);
}

absl::Status ConfigRegistry::NotDeclared(const OptionKey& key) const {
  std::vector<std::string> known;
  const std::string text = key.ToString();
  if (key.module.empty()) {
    std::set<std::string> names;
    {
      absl::ReaderMutexLock lock(&mu_);
      for (const auto& [module, schemas] : modules_) {
        for (const auto& [name, schema] : *schemas) names.insert(name);
      }
    }
    known.assign(names.begin(), names.end());
    known = text::Nearest(key.option, known, kSuggestions);
    for (std::string& name : known) name = absl::StrCat("global/", name);
    return absl::NotFoundError(
        absl::StrCat("option ", text, ": no module declares it", DidYouMean(known)));
  }
  const SchemasPtr schemas = FindModule(key.module);
  if (schemas == nullptr) {
    {
      absl::ReaderMutexLock lock(&mu_);
      for (const auto& [module, unused] : modules_) known.push_back(module);
    }
    known = text::Nearest(key.module, known, kSuggestions);
    for (std::string& module : known) {
      module = OptionKey{module, key.manager_id, key.option}.ToString();
    }
    return absl::NotFoundError(absl::StrCat("option ", text, ": no module \"", key.module,
                                            "\" has declared options", DidYouMean(known)));
  }
  for (const auto& [name, schema] : *schemas) known.push_back(name);
  known = text::Nearest(key.option, known, kSuggestions);
  for (std::string& name : known) name = OptionKey{key.module, key.manager_id, name}.ToString();
  return absl::NotFoundError(absl::StrCat("option ", text, ": module ", key.module,
                                          " does not declare it", DidYouMean(known)));
}

bool ConfigRegistry::IsSecret(const OptionKey& key) const {
  for (const auto& [module, schemas] : ModulesWith(key.option)) {
    if (!key.module.empty() && module != key.module) continue;
    if (schemas->find(key.option)->second.secret()) return true;
  }
  return false;
}

absl::StatusOr<std::string> ConfigRegistry::Canonicalize(const OptionKey& key,
                                                         absl::string_view text) const {
  if (absl::Status status = CheckDeclared(key); !status.ok()) return status;
  std::string canonical;
  for (const auto& [module, schemas] : ModulesWith(key.option)) {
    if (!key.module.empty() && module != key.module) continue;
    const OptionKey of_module = {module, key.manager_id, key.option};
    auto value = schemas->find(key.option)->second.Canonicalize(of_module.ToString(), text);
    if (!value.ok()) return value.status();
    canonical = *std::move(value);
  }
  // Modules may differ in the type of an option, and so in the canonical form.
  return key.module.empty() ? std::string(text) : canonical;
}

v1::OptionValue ConfigRegistry::Effective(absl::string_view module, const OptionSchema& schema,
                                          absl::string_view manager_id, bool complain) const {
  const std::string& option = schema.descriptor().name();
  v1::OptionValue result;
  result.set_name(option);
  result.set_type(schema.descriptor().type());

  auto take = [&](const OptionKey& key, const char* layer, const std::optional<std::string>& text) {
    if (!text) return false;
    auto value = schema.Canonicalize(key.ToString(), *text);
    if (!value.ok()) {
      if (complain && absl::string_view(layer) != "file") {  // WarnOfFile has said so
        log::Get("config").warn("{} (in layer {}; it is ignored)",
                                std::string(value.status().message()), layer);
      }
      return false;
    }
    result.set_value(*std::move(value));
    result.set_source(layer);
    return true;
  };
  for (const OptionKey& key :
       {OptionKey{std::string(module), std::string(manager_id), option},
        OptionKey{std::string(module), "", option}, OptionKey{"", "", option}}) {
    if (take(key, key.Layer(), store_.Get(StoreKey(key)))) return result;
  }
  const OptionKey key = {std::string(module), "", option};
  if (auto it = file_.find(key.ToString()); it != file_.end() && take(key, "file", it->second)) {
    return result;
  }
  result.set_source("default");
  if (schema.default_value()) result.set_value(*schema.default_value());
  return result;
}

v1::OptionValue ConfigRegistry::EffectiveAt(const OptionKey& key) const {
  const SchemasPtr schemas = FindModule(key.module);
  if (schemas != nullptr) {
    if (auto it = schemas->find(key.option); it != schemas->end()) {
      return Effective(key.module, it->second,
                       key.manager_id.empty() ? manager_id_ : key.manager_id);
    }
  }
  v1::OptionValue result;  // of a global key, or of one that is not declared
  result.set_name(key.option);
  if (!key.module.empty()) return result;
  if (auto value = store_.Get(StoreKey(key))) {
    result.set_value(*std::move(value));
    result.set_source("global");
  }
  return result;
}

absl::StatusOr<v1::OptionValue> ConfigRegistry::Get(absl::string_view key) const {
  auto parsed = OptionKey::Parse(key);
  if (!parsed.ok()) return parsed.status();
  if (absl::Status status = CheckDeclared(*parsed); !status.ok()) return status;
  return EffectiveAt(*parsed);
}

void ConfigRegistry::Set(absl::string_view key, absl::string_view value, absl::string_view who,
                         Done done) {
  auto parsed = OptionKey::Parse(key);
  if (!parsed.ok()) return done(parsed.status());
  auto canonical = Canonicalize(*parsed, value);
  if (!canonical.ok()) return done(canonical.status());
  const bool secret = IsSecret(*parsed);
  Write(std::make_unique<Edit>(
      Edit{*std::move(parsed), *std::move(canonical), std::string(who), secret, std::move(done)}));
}

void ConfigRegistry::Remove(absl::string_view key, absl::string_view who, Done done) {
  auto parsed = OptionKey::Parse(key);
  if (!parsed.ok()) return done(parsed.status());
  absl::Status declared = CheckDeclared(*parsed);
  if (!declared.ok() && !store_.Get(StoreKey(*parsed))) return done(declared);
  // Without its declaration nobody knows whether it was secret.
  const bool secret = !declared.ok() || IsSecret(*parsed);
  Write(std::make_unique<Edit>(
      Edit{*std::move(parsed), std::nullopt, std::string(who), secret, std::move(done)}));
}

void ConfigRegistry::Write(std::unique_ptr<Edit> edit) {
  const std::string key = StoreKey(edit->key);
  std::optional<std::string> old = store_.Get(key);
  if (old == edit->value) return edit->done(Result(*edit));

  v1::ConfigChange change;
  const absl::Time now = absl::Now();
  change.mutable_time()->set_seconds(absl::ToUnixSeconds(now));
  change.mutable_time()->set_nanos(static_cast<int32_t>(
      absl::ToInt64Nanoseconds(now - absl::FromUnixSeconds(absl::ToUnixSeconds(now)))));
  change.set_who(edit->who);
  change.set_key(edit->key.ToString());
  if (old) change.set_old_value(Redact(*old, edit->secret));
  if (edit->value) change.set_new_value(Redact(*edit->value, edit->secret));

  store::Batch batch;
  batch.changes.push_back({key, edit->value});
  batch.conditions.push_back({key, std::move(old)});  // so that the history is true
  history_.Append(std::move(change), batch);
  {
    absl::MutexLock lock(&writes_mu_);
    ++writes_in_flight_;
  }
  store_.Write(std::move(batch), [this, edit = std::move(edit)](absl::Status status) mutable {
    if (absl::IsFailedPrecondition(status)) {
      Write(std::move(edit));  // another change was faster
    } else if (status.ok()) {
      edit->done(Result(*edit));
    } else {
      edit->done(std::move(status));
    }
    edit.reset();
    absl::MutexLock lock(&writes_mu_);
    --writes_in_flight_;
  });
}

v1::OptionValue ConfigRegistry::Result(const Edit& edit) const {
  v1::OptionValue result = EffectiveAt(edit.key);
  if (edit.value) {
    result.set_value(*edit.value);
    result.set_source(edit.key.Layer());
  }
  return result;
}

std::vector<v1::OptionValue> ConfigRegistry::EffectiveValues(absl::string_view module) const {
  std::vector<v1::OptionValue> values;
  const SchemasPtr schemas = FindModule(module);
  if (schemas == nullptr) return values;
  for (const auto& [name, schema] : *schemas) {
    values.push_back(Effective(module, schema, manager_id_));
  }
  return values;
}

std::vector<v1::ConfigEntry> ConfigRegistry::List(absl::string_view module, bool only_set) const {
  std::map<std::string, SchemasPtr> modules;
  {
    absl::ReaderMutexLock lock(&mu_);
    for (const auto& [name, schemas] : modules_) {
      if (module.empty() || name == module) modules.emplace(name, schemas);
    }
  }
  std::map<std::string, v1::ConfigEntry> by_key;
  for (const auto& [name, schemas] : modules) {
    std::set<std::string> set_somewhere;
    for (const auto& [key, value] : store_.List(absl::StrCat(kValues, "mgr/", name, "/"))) {
      auto parsed = OptionKey::Parse(absl::StripPrefix(key, kValues));
      if (parsed.ok()) set_somewhere.insert(parsed->option);
    }
    for (const auto& [option, schema] : *schemas) {
      v1::OptionValue effective = Effective(name, schema, manager_id_);
      if (only_set && effective.source() == "default" && !set_somewhere.contains(option)) continue;
      v1::ConfigEntry entry;
      entry.set_key(OptionKey{name, "", option}.ToString());
      *entry.mutable_declaration() = schema.descriptor();
      if (schema.secret() && effective.has_value()) effective.set_value(kRedacted);
      *entry.mutable_effective() = std::move(effective);
      by_key.emplace(entry.key(), std::move(entry));
    }
  }
  std::vector<v1::ConfigEntry> entries;
  for (auto& [key, entry] : by_key) entries.push_back(std::move(entry));
  return entries;
}

void ConfigRegistry::OnChange(Listener listener) {
  absl::MutexLock publish(&publish_mu_);
  listeners_.push_back(std::move(listener));
}

v1::OptionValue ConfigRegistry::Redacted(absl::string_view module, v1::OptionValue value) const {
  if (value.has_value() && IsSecret({std::string(module), "", value.name()})) {
    value.set_value(kRedacted);
  }
  return value;
}

void ConfigRegistry::Apply(const store::Change& change) {
  const auto key = OptionKey::Parse(absl::StripPrefix(change.key, kValues));
  if (!key.ok()) return;
  if (!key->manager_id.empty() && key->manager_id != manager_id_) return;
  absl::MutexLock publish(&publish_mu_);
  for (const auto& [module, schemas] : ModulesWith(key->option)) {
    if (!key->module.empty() && module != key->module) continue;
    Refresh(module, schemas->find(key->option)->second);
  }
}

void ConfigRegistry::Refresh(const std::string& module, const OptionSchema& schema) {
  v1::OptionValue now = Effective(module, schema, manager_id_, /*complain=*/true);
  const auto [it, is_new] = published_.try_emplace({module, now.name()}, now);
  const bool changed = it->second.has_value() != now.has_value() ||
                       it->second.value() != now.value() || it->second.type() != now.type();
  if (is_new || !changed) return;
  it->second = now;
  for (const Listener& listener : listeners_) listener(module, now);
}

}  // namespace outpost::config
