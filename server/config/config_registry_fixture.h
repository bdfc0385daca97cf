// What the tests of ConfigRegistry share: a registry over a real store, with a module hello.
#ifndef OUTPOST_SERVER_CONFIG_CONFIG_REGISTRY_FIXTURE_H_
#define OUTPOST_SERVER_CONFIG_CONFIG_REGISTRY_FIXTURE_H_

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "server/config/config_registry.h"
#include "server/store/sqlite/scratch_dir.h"
#include "server/store/sqlite/sqlite_store.h"

namespace outpost::config {

inline v1::OptionDescriptor Option(const char* name, v1::OptionType type,
                                   const char* value = nullptr) {
  v1::OptionDescriptor option;
  option.set_name(name);
  option.set_type(type);
  if (value != nullptr) option.set_default_value(value);
  return option;
}

inline ConfigRegistry::Descriptors Descriptors(const std::vector<v1::OptionDescriptor>& options) {
  return {options.begin(), options.end()};
}

class ConfigRegistryTest : public testing::Test {
 protected:
  void SetUp() override {
    Open();
    v1::OptionDescriptor count = Option("count", v1::OPTION_TYPE_INT, "1");
    count.set_max("10");
    v1::OptionDescriptor password = Option("password", v1::OPTION_TYPE_STR);
    password.set_secret(true);
    hello_ = Descriptors({Option("place", v1::OPTION_TYPE_STR, "world"), count, password,
                          Option("emphatic", v1::OPTION_TYPE_BOOL, "true")});
    ASSERT_TRUE(registry_->DeclareModule("hello", hello_).ok());
  }

  // A new registry, of the file as it is.
  void Open(std::map<std::string, std::string> file = {}, store::SqliteOptions options = {}) {
    registry_.reset();
    store_.reset();
    auto store = store::SqliteStore::Open(dir_.File("state.db"), options);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    auto registry = ConfigRegistry::Create(*store_, "x", std::move(file));
    ASSERT_TRUE(registry.ok()) << registry.status();
    registry_ = *std::move(registry);
    registry_->OnChange([this](const std::string& module, const v1::OptionValue& value) {
      absl::MutexLock lock(&mu_);
      changes_.push_back(absl::StrCat(module, ".", value.name(), "=",
                                      value.has_value() ? value.value() : "(none)", " from ",
                                      value.source()));
    });
  }

  absl::StatusOr<v1::OptionValue> Set(const std::string& key, const std::string& value,
                                      const std::string& who = "client") {
    return Wait(
        [&](ConfigRegistry::Done done) { registry_->Set(key, value, who, std::move(done)); });
  }
  absl::StatusOr<v1::OptionValue> ForceSet(const std::string& key, const std::string& value) {
    return Wait([&](ConfigRegistry::Done done) {
      registry_->ForceSet(key, value, "client", std::move(done));
    });
  }
  // The keys that could not be set back.
  absl::StatusOr<std::vector<std::string>> Reset(uint64_t version) {
    absl::StatusOr<std::vector<std::string>> result;
    absl::Notification called;
    registry_->Reset(version, "client", [&](absl::StatusOr<std::vector<std::string>> kept) {
      result = std::move(kept);
      called.Notify();
    });
    called.WaitForNotification();
    return result;
  }
  absl::StatusOr<v1::OptionValue> Remove(const std::string& key) {
    return Wait(
        [&](ConfigRegistry::Done done) { registry_->Remove(key, "client", std::move(done)); });
  }
  static absl::StatusOr<v1::OptionValue> Wait(absl::FunctionRef<void(ConfigRegistry::Done)> start) {
    absl::StatusOr<v1::OptionValue> result;
    absl::Notification called;
    start([&](absl::StatusOr<v1::OptionValue> value) {
      result = std::move(value);
      called.Notify();
    });
    called.WaitForNotification();
    return result;
  }

  // "value from source", or "CODE: message".
  static std::string Text(const absl::StatusOr<v1::OptionValue>& value) {
    if (!value.ok()) return value.status().ToString();
    return absl::StrCat(value->has_value() ? value->value() : "(none)", " from ", value->source());
  }
  std::string Get(const std::string& key) { return Text(registry_->Get(key)); }

  std::vector<std::string> TakeChanges() {
    absl::MutexLock lock(&mu_);
    return std::exchange(changes_, {});
  }

  store::ScratchDir dir_;
  absl::Mutex mu_;
  std::vector<std::string> changes_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<store::SqliteStore> store_;
  std::unique_ptr<ConfigRegistry> registry_;
  ConfigRegistry::Descriptors hello_;
};

}  // namespace outpost::config

#endif  // OUTPOST_SERVER_CONFIG_CONFIG_REGISTRY_FIXTURE_H_
