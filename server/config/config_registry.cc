#include "server/config/config_registry.h"

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/log/log.h"

namespace outpost::config {
namespace {

constexpr char kDeclarations[] = "schema/";

}  // namespace

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
      kStoredValues, [raw = registry.get()](const store::Change& change) { raw->Apply(change); });
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
    declared_.Declare(module, shared);
    for (const auto& [name, schema] : *shared) Refresh(module, schema);
  }
}

absl::Status ConfigRegistry::DeclareModule(absl::string_view module, const Descriptors& descriptors,
                                           bool stranger) {
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
  declared_.Declare(name, shared);
  for (const auto& [option, schema] : *shared) Refresh(name, schema);
  {
    // An option that is gone: it is new when it comes back.
    absl::MutexLock lock(&published_mu_);
    for (auto it = published_.lower_bound({name, ""});
         it != published_.end() && it->first.first == name;) {
      it = shared->contains(it->first.second) ? std::next(it) : published_.erase(it);
    }
  }
  const std::string key = absl::StrCat(kDeclarations, name);
  if (stranger && descriptors.empty() && !store_.Get(key)) return absl::OkStatus();
  // Under the lock, so that declarations are stored in the order in which they hold.
  store_.Write({{}, {{key, stored.SerializeAsString()}}}, [name](const absl::Status& status) {
    if (status.ok()) return;
    log::Get("config").warn(
        "the options of module {} were not stored; after a restart they can't be set "
        "until the module is back: {}",
        name, std::string(status.message()));
  });
  return absl::OkStatus();
}

bool ConfigRegistry::ForgetStranger(absl::string_view module) {
  absl::MutexLock publish(&publish_mu_);
  const SchemasPtr schemas = declared_.Find(module);
  if (schemas == nullptr || IsSomethingSet(module)) return false;
  if (schemas->size() > OptionsOfEveryModule().size() ||
      store_.Get(absl::StrCat(kDeclarations, module))) {
    return true;
  }
  Forget(std::string(module));
  return false;
}

void ConfigRegistry::ForgetOptionsOf(absl::string_view stranger) {
  absl::MutexLock publish(&publish_mu_);
  if (IsSomethingSet(stranger)) return;
  Forget(std::string(stranger));
  const std::string key = absl::StrCat(kDeclarations, stranger);
  store_.Write({{}, {{key, std::nullopt}}}, [key](const absl::Status& status) {
    if (!status.ok()) log::Get("config").warn("{} was not removed: {}", key, status.ToString());
  });
}

std::vector<std::string> ConfigRegistry::DeclaredModules() const {
  std::vector<std::string> names;
  for (const auto& [name, schemas] : declared_.All()) names.push_back(name);
  return names;
}

bool ConfigRegistry::IsSomethingSet(absl::string_view module) const {
  return !store_.List(absl::StrCat(kStoredValues, "mgr/", module, "/")).empty();
}

void ConfigRegistry::Forget(const std::string& module) {
  declared_.Forget(module);
  absl::MutexLock lock(&published_mu_);
  published_.erase(published_.lower_bound({module, ""}),
                   published_.lower_bound({module + '\0', ""}));
}

void ConfigRegistry::WarnOfFile(absl::string_view module, const OptionSchemas& schemas) const {
  const std::string prefix = absl::StrCat("mgr/", module, "/");
  for (auto it = file_.lower_bound(prefix);
       it != file_.end() && absl::StartsWith(it->first, prefix); ++it) {
    const auto key = OptionKey::Parse(it->first);
    const auto schema = schemas.find(key->option);
    absl::Status status = schema == schemas.end()
                              ? declared_.NotDeclared(*key)
                              : schema->second.Canonicalize(it->first, it->second).status();
    if (status.ok()) continue;
    log::Get("config").error("configuration file: {}; it is ignored",
                             std::string(status.message()));
  }
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
    if (take(key, key.Layer(), store_.Get(key.StoreKey()))) return result;
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
  const SchemasPtr schemas = declared_.Find(key.module);
  if (schemas != nullptr) {
    if (auto it = schemas->find(key.option); it != schemas->end()) {
      return key.manager_id.empty() || key.manager_id == manager_id_
                 ? EffectiveHere(key.module, it->second)
                 : Effective(key.module, it->second, key.manager_id);
    }
  }
  v1::OptionValue result;  // of a global key, or of one that is not declared
  result.set_name(key.option);
  if (!key.module.empty()) return result;
  if (auto value = store_.Get(key.StoreKey())) {
    result.set_value(*std::move(value));
    result.set_source("global");
  }
  return result;
}

v1::OptionValue ConfigRegistry::EffectiveHere(absl::string_view module,
                                              const OptionSchema& schema) const {
  {
    absl::MutexLock lock(&published_mu_);
    const auto it = published_.find({std::string(module), schema.descriptor().name()});
    if (it != published_.end()) return it->second;
  }
  return Effective(module, schema, manager_id_);  // it is being declared
}

absl::StatusOr<v1::OptionValue> ConfigRegistry::Get(absl::string_view key) const {
  auto parsed = OptionKey::Parse(key);
  if (!parsed.ok()) return parsed.status();
  if (absl::Status status = declared_.Check(*parsed); !status.ok()) return status;
  return EffectiveAt(*parsed);
}

std::vector<v1::OptionValue> ConfigRegistry::EffectiveValues(absl::string_view module) const {
  std::vector<v1::OptionValue> values;
  const SchemasPtr schemas = declared_.Find(module);
  if (schemas == nullptr) return values;
  for (const auto& [name, schema] : *schemas) {
    values.push_back(EffectiveHere(module, schema));
  }
  return values;
}

std::vector<v1::ConfigEntry> ConfigRegistry::List(absl::string_view module, bool only_set) const {
  std::map<std::string, v1::ConfigEntry> by_key;
  for (const auto& [name, schemas] : declared_.All()) {
    if (!module.empty() && name != module) continue;
    std::set<std::string> set_somewhere;
    for (const auto& [key, value] : store_.List(absl::StrCat(kStoredValues, "mgr/", name, "/"))) {
      auto parsed = OptionKey::Parse(absl::StripPrefix(key, kStoredValues));
      if (parsed.ok()) set_somewhere.insert(parsed->option);
    }
    for (const auto& [option, schema] : *schemas) {
      v1::OptionValue effective = EffectiveHere(name, schema);
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
  entries.reserve(by_key.size());
  for (auto& [key, entry] : by_key) entries.push_back(std::move(entry));
  return entries;
}

std::vector<Setting> ConfigRegistry::Settings() const {
  std::vector<Setting> settings;
  for (auto& [key, value] : store_.List(kStoredValues)) {
    auto parsed = OptionKey::Parse(absl::StripPrefix(key, kStoredValues));
    if (!parsed.ok()) continue;
    Setting setting = {*std::move(parsed), std::move(value), std::nullopt};
    if (auto declaration = declared_.Describe(setting.key); declaration.ok()) {
      setting.declaration = *std::move(declaration);
    }
    if (!setting.declaration || declared_.IsSecret(setting.key)) setting.value = kRedacted;
    settings.push_back(std::move(setting));
  }
  return settings;
}

absl::StatusOr<v1::OptionDescriptor> ConfigRegistry::Describe(absl::string_view key) const {
  auto parsed = OptionKey::Parse(key);
  if (!parsed.ok()) return parsed.status();
  return declared_.Describe(*parsed);
}

std::vector<v1::ConfigChange> ConfigRegistry::History(size_t limit) const {
  std::vector<v1::ConfigChange> changes;
  for (ConfigVersion& version : history_.Read(limit)) {
    for (v1::ConfigChange& change : version.changes) {
      if (changes.size() < limit) changes.push_back(std::move(change));
    }
  }
  return changes;
}

void ConfigRegistry::OnChange(Listener listener) {
  absl::MutexLock publish(&publish_mu_);
  listeners_.push_back(std::move(listener));
}

v1::OptionValue ConfigRegistry::Redacted(absl::string_view module, v1::OptionValue value) const {
  if (value.has_value() && declared_.IsSecret({std::string(module), "", value.name()})) {
    value.set_value(kRedacted);
  }
  return value;
}

void ConfigRegistry::Apply(const store::Change& change) {
  const auto key = OptionKey::Parse(absl::StripPrefix(change.key, kStoredValues));
  if (!key.ok()) return;
  if (!key->manager_id.empty() && key->manager_id != manager_id_) return;
  absl::MutexLock publish(&publish_mu_);
  for (const auto& [module, schemas] : declared_.Meant(*key)) {
    Refresh(module, schemas->find(key->option)->second);
  }
}

void ConfigRegistry::Refresh(const std::string& module, const OptionSchema& schema) {
  v1::OptionValue now = Effective(module, schema, manager_id_, /*complain=*/true);
  {
    absl::MutexLock lock(&published_mu_);
    const auto [it, is_new] = published_.try_emplace({module, now.name()});
    const v1::OptionValue& before = it->second;
    const bool changed = is_new || before.has_value() != now.has_value() ||
                         before.value() != now.value() || before.type() != now.type();
    now.set_revision(changed ? ++revision_ : before.revision());
    it->second = now;
    if (is_new || !changed) return;
  }
  for (const Listener& listener : listeners_) listener(module, now);
}

}  // namespace outpost::config
