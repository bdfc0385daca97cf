#include "server/config/declared_options.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "server/text/nearest.h"

namespace outpost::config {
namespace {

constexpr size_t kSuggestions = 3;

}  // namespace

void DeclaredOptions::Declare(absl::string_view module, SchemasPtr schemas) {
  absl::MutexLock lock(&mu_);
  modules_[std::string(module)] = std::move(schemas);
}

void DeclaredOptions::Forget(const std::string& module) {
  absl::MutexLock lock(&mu_);
  modules_.erase(module);
}

DeclaredOptions::SchemasPtr DeclaredOptions::Find(absl::string_view module) const {
  absl::ReaderMutexLock lock(&mu_);
  auto it = modules_.find(module);
  return it == modules_.end() ? nullptr : it->second;
}

DeclaredOptions::Modules DeclaredOptions::All() const {
  absl::ReaderMutexLock lock(&mu_);
  return modules_;
}

std::vector<std::pair<std::string, DeclaredOptions::SchemasPtr>> DeclaredOptions::Meant(
    const OptionKey& key) const {
  std::vector<std::pair<std::string, SchemasPtr>> found;
  absl::ReaderMutexLock lock(&mu_);
  for (const auto& [module, schemas] : modules_) {
    if (!key.module.empty() && module != key.module) continue;
    if (schemas->contains(key.option)) found.emplace_back(module, schemas);
  }
  return found;
}

absl::Status DeclaredOptions::Check(const OptionKey& key) const {
  return Meant(key).empty() ? NotDeclared(key) : absl::OkStatus();
}

absl::Status DeclaredOptions::NotDeclared(const OptionKey& key) const {
  const Modules modules = All();
  const std::string text = key.ToString();
  std::vector<std::string> known;
  if (key.module.empty()) {
    std::set<std::string> names;
    for (const auto& [module, schemas] : modules) {
      for (const auto& [name, schema] : *schemas) names.insert(name);
    }
    known = text::Nearest(key.option, {names.begin(), names.end()}, kSuggestions);
    for (std::string& name : known) name = absl::StrCat("global/", name);
    return absl::NotFoundError(
        absl::StrCat("option ", text, ": no module declares it", text::DidYouMean(known)));
  }
  const auto module = modules.find(key.module);
  if (module == modules.end()) {
    for (const auto& [name, schemas] : modules) known.push_back(name);
    known = text::Nearest(key.module, known, kSuggestions);
    for (std::string& name : known) name = OptionKey{name, key.manager_id, key.option}.ToString();
    return absl::NotFoundError(absl::StrCat("option ", text, ": no module \"", key.module,
                                            "\" has declared options", text::DidYouMean(known)));
  }
  for (const auto& [name, schema] : *module->second) known.push_back(name);
  known = text::Nearest(key.option, known, kSuggestions);
  for (std::string& name : known) name = OptionKey{key.module, key.manager_id, name}.ToString();
  return absl::NotFoundError(absl::StrCat("option ", text, ": module ", key.module,
                                          " does not declare it", text::DidYouMean(known)));
}

absl::StatusOr<v1::OptionDescriptor> DeclaredOptions::Describe(const OptionKey& key) const {
  const auto meant = Meant(key);
  if (meant.empty()) return NotDeclared(key);
  return meant.front().second->find(key.option)->second.descriptor();
}

bool DeclaredOptions::IsSecret(const OptionKey& key) const {
  for (const auto& [module, schemas] : Meant(key)) {
    if (schemas->find(key.option)->second.secret()) return true;
  }
  return false;
}

absl::StatusOr<std::string> DeclaredOptions::Canonicalize(const OptionKey& key,
                                                          absl::string_view text) const {
  const auto meant = Meant(key);
  if (meant.empty()) return NotDeclared(key);
  std::string canonical;
  for (const auto& [module, schemas] : meant) {
    const OptionKey of_module = {module, key.manager_id, key.option};
    auto value = schemas->find(key.option)->second.Canonicalize(of_module.ToString(), text);
    if (!value.ok()) return value.status();
    canonical = *std::move(value);
  }
  // Modules may differ in the type of an option, and so in the canonical form.
  return key.module.empty() ? std::string(text) : canonical;
}

}  // namespace outpost::config
