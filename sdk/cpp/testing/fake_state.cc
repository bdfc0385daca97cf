#include "sdk/cpp/testing/fake_state.h"

#include <algorithm>
#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "sdk/cpp/testing/fake_streams.h"
#include "sdk/cpp/testing/fake_watch.h"

namespace outpost::testing {
namespace {

std::string OptionName(const std::string& key) { return key.substr(key.find_last_of('/') + 1); }

}  // namespace

std::string FakeState::FullKey(const std::string& key) const {
  if (absl::StartsWith(key, "mgr/")) return key;
  return absl::StrCat("mgr/", registration.name(), "/", key);
}

const v1::OptionDescriptor* FakeState::Declaration(const std::string& key) const {
  if (!absl::StartsWith(key, absl::StrCat("mgr/", registration.name(), "/"))) return nullptr;
  for (const v1::OptionDescriptor& option : registration.options()) {
    if (option.name() == OptionName(key)) return &option;
  }
  return nullptr;
}

std::set<std::string> FakeState::OptionKeys(const std::string& module) const {
  std::set<std::string> keys;
  for (const v1::OptionDescriptor& option : registration.options()) {
    keys.insert(FullKey(option.name()));
  }
  for (const auto& [key, value] : options_set) {
    const std::vector<std::string> parts = absl::StrSplit(key, '/');
    keys.insert(absl::StrCat("mgr/", parts[1], "/", OptionName(key)));
  }
  std::erase_if(keys, [&](const std::string& key) {
    return !module.empty() && !absl::StartsWith(key, absl::StrCat("mgr/", module, "/"));
  });
  return keys;
}

bool FakeState::IsDeclared(const std::string& key) const {
  return Declaration(key) != nullptr || options_set.contains(key);
}

absl::Status FakeState::CheckValue(const std::string& key, const std::string& value) const {
  const v1::OptionDescriptor* option = Declaration(key);
  if (option == nullptr) return absl::OkStatus();
  const auto& choices = option->enum_allowed();
  if (!choices.empty() && std::find(choices.begin(), choices.end(), value) == choices.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("error parsing value: '", value, "' is not one of the permitted values"));
  }
  const auto number = [](const std::string& text) { return std::strtold(text.c_str(), nullptr); };
  if (option->has_min() && number(value) < number(option->min())) {
    return absl::InvalidArgumentError(
        absl::StrCat("error parsing value: Value '", value, "' is below minimum ", option->min()));
  }
  if (option->has_max() && number(value) > number(option->max())) {
    return absl::InvalidArgumentError(
        absl::StrCat("error parsing value: Value '", value, "' exceeds maximum ", option->max()));
  }
  return absl::OkStatus();
}

v1::OptionValue FakeState::OptionValueOf(const std::string& key) const {
  v1::OptionValue value;
  value.set_name(OptionName(key));
  value.set_revision(revision);
  if (const v1::OptionDescriptor* option = Declaration(key); option != nullptr) {
    value.set_type(option->type());
    value.set_source("default");
    if (option->has_default_value()) value.set_value(option->default_value());
  }
  // The stronger layer last.
  const std::vector<std::string> parts = absl::StrSplit(key, '/');
  const std::string module = absl::StrCat("mgr/", parts.size() > 1 ? parts[1] : "", "/");
  for (const auto& [layer, source] :
       {std::pair{module, "module"},
        std::pair{absl::StrCat(module, options.manager_id, "/"), "localized"}}) {
    const auto it = options_set.find(layer + value.name());
    if (it == options_set.end()) continue;
    value.set_value(it->second);
    value.set_source(source);
  }
  return value;
}

void FakeState::TellOption(const std::string& key) {
  ++revision;
  const std::vector<std::string> parts = absl::StrSplit(key, '/');
  for (auto* const watch : option_watches) {
    if (!watch->wanted().empty() && watch->wanted() != parts[1]) continue;
    v1::ConfigWatchResponse response;
    response.set_module(parts[1]);
    *response.mutable_option() = OptionValueOf(key);
    watch->Offer(std::move(response));
  }
  if (stream == nullptr || !attached || Declaration(key) == nullptr) return;
  v1::AttachResponse message;
  *message.mutable_config_changed()->add_options() = OptionValueOf(key);
  if (hold_options) return held_options.push_back(std::move(message));
  stream->Send(std::move(message));
}

void FakeState::ChangeKey(const std::string& key, const std::optional<std::string>& value) {
  if (value) {
    store[key] = *value;
  } else {
    store.erase(key);
  }
  for (auto* const watch : key_watches) {
    if (!absl::StartsWith(key, watch->wanted())) continue;
    v1::KeyValueWatchResponse response;
    response.mutable_change()->set_key(key);
    if (value) response.mutable_change()->set_value(*value);
    watch->Offer(std::move(response));
  }
}

}  // namespace outpost::testing
