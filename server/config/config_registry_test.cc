#include "server/config/config_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/config/config_registry_fixture.h"

namespace outpost::config {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

TEST_F(ConfigRegistryTest, DefaultsHoldWhereNothingIsSet) {
  EXPECT_EQ(Get("mgr/hello/place"), "world from default");
  EXPECT_EQ(Get("mgr/hello/x/place"), "world from default");
  EXPECT_EQ(Get("mgr/hello/password"), "(none) from default");
  EXPECT_EQ(Get("mgr/hello/log_level"), " from default");
  auto value = registry_->Get("mgr/hello/count");
  EXPECT_EQ(value->name(), "count");
  EXPECT_EQ(value->type(), v1::OPTION_TYPE_INT);
}

TEST_F(ConfigRegistryTest, WhatIsSetIsCanonicalAndHoldsAtOnce) {
  EXPECT_EQ(Text(Set("mgr/hello/emphatic", "No")), "false from module");
  EXPECT_EQ(Get("mgr/hello/emphatic"), "false from module");
  EXPECT_EQ(store_->Get("config/mgr/hello/emphatic"), "false");
  EXPECT_EQ(Text(Remove("mgr/hello/emphatic")), "true from default");
  EXPECT_EQ(Get("mgr/hello/emphatic"), "true from default");
  EXPECT_EQ(Text(Remove("mgr/hello/emphatic")), "true from default");  // again: no harm
}

TEST_F(ConfigRegistryTest, TheStrongestLayerCounts) {
  Open({{"mgr/hello/place", "file"}});
  EXPECT_EQ(Get("mgr/hello/place"), "file from file");
  EXPECT_EQ(Text(Set("global/place", "global")), "global from global");
  EXPECT_EQ(Get("mgr/hello/place"), "global from global");
  EXPECT_EQ(Text(Set("mgr/hello/place", "module")), "module from module");
  EXPECT_EQ(Get("mgr/hello/place"), "module from module");
  EXPECT_EQ(Text(Set("mgr/hello/x/place", "here")), "here from localized");
  EXPECT_EQ(Text(Set("mgr/hello/y/place", "there")), "there from localized");
  EXPECT_EQ(Get("mgr/hello/place"), "here from localized");  // this manager is x
  EXPECT_EQ(Get("mgr/hello/x/place"), "here from localized");
  EXPECT_EQ(Get("mgr/hello/y/place"), "there from localized");
  EXPECT_EQ(Get("mgr/hello/z/place"), "module from module");
  EXPECT_EQ(Get("global/place"), "global from global");

  EXPECT_EQ(Text(Remove("mgr/hello/x/place")), "module from module");
  EXPECT_EQ(Text(Remove("mgr/hello/place")), "global from global");
  EXPECT_EQ(Text(Remove("global/place")), "(none) from ");
  EXPECT_EQ(Get("mgr/hello/place"), "file from file");
  EXPECT_EQ(Get("mgr/hello/y/place"), "there from localized");
}

TEST_F(ConfigRegistryTest, EverythingIsThereAfterReopening) {
  ASSERT_TRUE(Set("mgr/hello/place", "Paris").ok());
  ASSERT_TRUE(Set("mgr/hello/x/count", "7").ok());
  Open();  // and no module has come back
  EXPECT_EQ(Get("mgr/hello/place"), "Paris from module");
  EXPECT_EQ(Get("mgr/hello/count"), "7 from localized");
  EXPECT_EQ(Text(Set("mgr/hello/count", "8")), "8 from module");
  EXPECT_THAT(Text(Set("mgr/hello/count", "11")), HasSubstr("above the maximum, 10"));
  EXPECT_EQ(registry_->EffectiveValues("hello").size(), 8u);
  EXPECT_THAT(registry_->History(10), SizeIs(3));
  // The declaration in List is the whole one.
  EXPECT_EQ(registry_->List("hello", false)[0].declaration().max(), "10");
}

TEST_F(ConfigRegistryTest, BadValuesAreRefusedAndChangeNothing) {
  EXPECT_THAT(Text(Set("mgr/hello/emphatic", "maybe")),
              AllOf(HasSubstr("INVALID_ARGUMENT"),
                    HasSubstr("option mgr/hello/emphatic: \"maybe\" is not a bool")));
  EXPECT_THAT(Text(Set("mgr/hello/x/count", "many")),
              HasSubstr("option mgr/hello/x/count: \"many\" is not an integer"));
  EXPECT_THAT(Text(Set("global/count", "11")),
              HasSubstr("option mgr/hello/count: \"11\" is above the maximum, 10"));
  EXPECT_EQ(Get("mgr/hello/emphatic"), "true from default");
  EXPECT_THAT(registry_->History(10), IsEmpty());
  EXPECT_THAT(TakeChanges(), IsEmpty());
}

TEST_F(ConfigRegistryTest, BadKeysAreRefused) {
  const std::string deep(600, '/');
  for (const std::string& key :
       {std::string(""), std::string("place"), std::string("hello/place"),
        std::string("mgr/hello/"), std::string("mgr//place"), std::string("mgr/hello/x/y/place"),
        std::string("osd/hello/place"), std::string("/mgr/hello/place"), std::string("global/"),
        std::string("global/a/b"), deep}) {
    EXPECT_THAT(Get(key), AllOf(HasSubstr("INVALID_ARGUMENT"), HasSubstr("mgr/<module>/<option>")))
        << key;
    EXPECT_THAT(Text(Set(key, "v")), HasSubstr("INVALID_ARGUMENT")) << key;
    EXPECT_THAT(Text(Remove(key)), HasSubstr("INVALID_ARGUMENT")) << key;
  }
}

TEST_F(ConfigRegistryTest, WhatIsNotDeclaredIsNotFoundAndTheNearestIsNamed) {
  EXPECT_EQ(Get("mgr/hello/plaec"),
            "NOT_FOUND: option mgr/hello/plaec: module hello does not declare it; did you mean "
            "mgr/hello/place?");
  EXPECT_EQ(Get("mgr/helo/x/place"),
            "NOT_FOUND: option mgr/helo/x/place: no module \"helo\" has declared options; did you "
            "mean mgr/hello/x/place?");
  EXPECT_EQ(Get("global/log_leve"),
            "NOT_FOUND: option global/log_leve: no module declares it; did you mean "
            "global/log_level?");
  EXPECT_EQ(Text(Set("mgr/hello/zzzzzzzz", "1")),
            "NOT_FOUND: option mgr/hello/zzzzzzzz: module hello does not declare it");
  EXPECT_THAT(Text(Remove("mgr/hello/zzzzzzzz")), HasSubstr("NOT_FOUND"));
  EXPECT_THAT(registry_->EffectiveValues("nosuch"), IsEmpty());
  EXPECT_THAT(registry_->List("nosuch", false), IsEmpty());
}

TEST_F(ConfigRegistryTest, ABadDeclarationChangesNothing) {
  absl::Status status =
      registry_->DeclareModule("hello", Descriptors({Option("a", v1::OPTION_TYPE_INT, "x")}));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("option mgr/hello/a: default_value"));
  EXPECT_EQ(Get("mgr/hello/place"), "world from default");
  EXPECT_EQ(registry_->DeclareModule("a/b", {}).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ConfigRegistryTest, ListenersHearOfEffectiveValuesOnly) {
  ASSERT_TRUE(Set("mgr/hello/place", "Paris").ok());
  EXPECT_THAT(TakeChanges(), ElementsAre("hello.place=Paris from module"));
  ASSERT_TRUE(Set("mgr/hello/y/place", "Rome").ok());   // on another manager
  ASSERT_TRUE(Set("global/place", "Oslo").ok());        // behind the module's own
  ASSERT_TRUE(Set("mgr/hello/x/place", "Paris").ok());  // from elsewhere, but the same
  EXPECT_THAT(TakeChanges(), IsEmpty());
  ASSERT_TRUE(Remove("mgr/hello/place").ok());
  EXPECT_THAT(TakeChanges(), IsEmpty());
  ASSERT_TRUE(Remove("mgr/hello/x/place").ok());
  EXPECT_THAT(TakeChanges(), ElementsAre("hello.place=Oslo from global"));
  ASSERT_TRUE(Remove("global/place").ok());
  EXPECT_THAT(TakeChanges(), ElementsAre("hello.place=world from default"));
}

TEST_F(ConfigRegistryTest, ANewerValueHasAGreaterRevision) {
  std::vector<uint64_t> told;
  registry_->OnChange([&](const std::string&, const v1::OptionValue& value) {
    absl::MutexLock lock(&mu_);
    told.push_back(value.revision());
  });
  const auto revision = [&](const char* key) { return registry_->Get(key)->revision(); };
  const uint64_t first = revision("mgr/hello/place");
  EXPECT_GT(first, 0);
  ASSERT_TRUE(Set("mgr/hello/place", "Oslo").ok());
  const uint64_t second = revision("mgr/hello/place");
  EXPECT_GT(second, first);
  ASSERT_TRUE(Set("global/place", "Rome").ok());  // hidden by the module's own
  EXPECT_EQ(revision("mgr/hello/place"), second);
  ASSERT_TRUE(Set("mgr/hello/x/place", "Oslo").ok());  // the same, from another layer
  EXPECT_EQ(revision("mgr/hello/place"), second);
  EXPECT_EQ(Get("mgr/hello/place"), "Oslo from localized");
  ASSERT_TRUE(Remove("mgr/hello/x/place").ok());
  ASSERT_TRUE(Remove("mgr/hello/place").ok());
  const uint64_t third = revision("mgr/hello/place");
  EXPECT_GT(third, second);
  {
    absl::MutexLock lock(&mu_);
    EXPECT_THAT(told, ElementsAre(second, third));
  }
  EXPECT_EQ(revision("mgr/hello/x/place"), third);
  for (const v1::OptionValue& value : registry_->EffectiveValues("hello")) {
    EXPECT_GT(value.revision(), 0) << value.name();
  }
  // Not an effective value of this manager.
  EXPECT_EQ(revision("mgr/hello/y/place"), 0);
  EXPECT_EQ(revision("global/place"), 0);
}

TEST_F(ConfigRegistryTest, AGlobalValueReachesEveryModuleThatDeclaresTheOption) {
  ASSERT_TRUE(
      registry_->DeclareModule("size", Descriptors({Option("count", v1::OPTION_TYPE_SIZE)})).ok());
  ASSERT_TRUE(registry_->DeclareModule("none", {}).ok());
  ASSERT_TRUE(Set("global/log_level", "debug").ok());
  EXPECT_THAT(TakeChanges(),
              ElementsAre("hello.log_level=debug from global", "none.log_level=debug from global",
                          "size.log_level=debug from global"));
  // Each takes it in its own type.
  ASSERT_TRUE(Set("global/count", "9B").status().code() == absl::StatusCode::kInvalidArgument);
  ASSERT_TRUE(Set("global/count", "+9").ok());
  EXPECT_EQ(Get("mgr/hello/count"), "9 from global");
  EXPECT_EQ(Get("mgr/size/count"), "9 from global");
}

TEST_F(ConfigRegistryTest, AListenerRunsBeforeDoneAndMayRead) {
  std::string read;
  registry_->OnChange([&](const std::string& module, const v1::OptionValue& value) {
    read = Get(absl::StrCat("mgr/", module, "/", value.name()));
  });
  ASSERT_TRUE(Set("mgr/hello/count", "5").ok());
  EXPECT_EQ(read, "5 from module");
}

TEST_F(ConfigRegistryTest, AValueThatANewDeclarationForbidsDoesNotCount) {
  ASSERT_TRUE(Set("mgr/hello/count", "9").ok());
  TakeChanges();
  v1::OptionDescriptor stricter = Option("count", v1::OPTION_TYPE_INT, "2");
  stricter.set_max("5");
  ASSERT_TRUE(registry_->DeclareModule("hello", Descriptors({stricter})).ok());
  EXPECT_EQ(Get("mgr/hello/count"), "2 from default");
  EXPECT_THAT(TakeChanges(), ElementsAre("hello.count=2 from default"));
  EXPECT_THAT(Get("mgr/hello/place"), HasSubstr("NOT_FOUND"));  // not declared any more

  ASSERT_TRUE(registry_->DeclareModule("hello", hello_).ok());  // the old version again
  EXPECT_EQ(Get("mgr/hello/count"), "9 from module");
  EXPECT_THAT(TakeChanges(), ElementsAre("hello.count=9 from module"));
}

TEST_F(ConfigRegistryTest, WhatIsNotDeclaredAnyMoreCanStillBeRemoved) {
  ASSERT_TRUE(Set("mgr/hello/password", "hunter2").ok());
  ASSERT_TRUE(registry_->DeclareModule("hello", {}).ok());
  EXPECT_TRUE(Remove("mgr/hello/password").ok());
  EXPECT_EQ(store_->Get("config/mgr/hello/password"), std::nullopt);
  EXPECT_EQ(registry_->History(1)[0].old_value(), "<redacted>");
  EXPECT_THAT(Text(Remove("mgr/hello/password")), HasSubstr("NOT_FOUND"));
}

TEST_F(ConfigRegistryTest, WrongLinesOfTheFileAreIgnored) {
  Open({{"mgr/hello/count", "99"}, {"mgr/hello/nosuch", "1"}, {"mgr/hello/emphatic", "off"}});
  EXPECT_EQ(Get("mgr/hello/count"), "1 from default");
  EXPECT_EQ(Get("mgr/hello/emphatic"), "false from file");
  ASSERT_TRUE(registry_->DeclareModule("hello", hello_).ok());
  EXPECT_EQ(Get("mgr/hello/count"), "1 from default");
}

TEST_F(ConfigRegistryTest, WrongKeysOfTheFileAreErrors) {
  for (const char* key : {"place", "mgr/hello/x/place", "global/place", "mgr/hello"}) {
    auto registry = ConfigRegistry::Create(*store_, "x", {{key, "v"}});
    EXPECT_EQ(registry.status().code(), absl::StatusCode::kInvalidArgument) << key;
    EXPECT_THAT(std::string(registry.status().message()), HasSubstr(absl::StrCat("\"", key, "\"")));
  }
}

TEST_F(ConfigRegistryTest, ListIsOrderedAndFiltered) {
  ASSERT_TRUE(registry_->DeclareModule("a", Descriptors({Option("o", v1::OPTION_TYPE_STR)})).ok());
  auto keys = [&](const char* module, bool only_set) {
    std::vector<std::string> result;
    for (const auto& entry : registry_->List(module, only_set)) result.push_back(entry.key());
    return result;
  };
  EXPECT_THAT(keys("a", false),
              ElementsAre("mgr/a/log_level", "mgr/a/log_to_cluster", "mgr/a/log_to_cluster_level",
                          "mgr/a/log_to_file", "mgr/a/o"));
  EXPECT_THAT(keys("", false), SizeIs(13));
  EXPECT_THAT(keys("", true), IsEmpty());
  ASSERT_TRUE(Set("mgr/hello/place", "Paris").ok());
  ASSERT_TRUE(Set("mgr/a/y/o", "on another manager").ok());
  EXPECT_THAT(keys("", true), ElementsAre("mgr/a/o", "mgr/hello/place"));
  EXPECT_THAT(keys("a", true), ElementsAre("mgr/a/o"));
  EXPECT_EQ(registry_->List("hello", true)[0].effective().value(), "Paris");
}

TEST_F(ConfigRegistryTest, SecretsAreShownToTheModuleOnly) {
  EXPECT_EQ(Text(Set("mgr/hello/password", "hunter2")), "hunter2 from module");
  EXPECT_EQ(Get("mgr/hello/password"), "hunter2 from module");
  EXPECT_THAT(TakeChanges(), ElementsAre("hello.password=hunter2 from module"));
  std::vector<std::string> values;
  for (const auto& value : registry_->EffectiveValues("hello")) values.push_back(value.value());
  EXPECT_THAT(values, Contains("hunter2"));

  ASSERT_TRUE(Set("mgr/hello/password", "hunter3").ok());
  ASSERT_TRUE(Remove("mgr/hello/password").ok());
  ASSERT_TRUE(Set("mgr/hello/password", "hunter4").ok());
  for (const auto& entry : registry_->List("", false)) {
    EXPECT_THAT(entry.ShortDebugString(), Not(HasSubstr("hunter")));
  }
  for (const auto& change : registry_->History(10)) {
    EXPECT_THAT(change.ShortDebugString(), AllOf(HasSubstr("redacted"), Not(HasSubstr("hunter"))));
  }
  for (const auto& [key, value] : store_->List("config-log/")) {
    EXPECT_THAT(value, Not(HasSubstr("hunter")));
  }
  EXPECT_EQ(registry_->Redacted("hello", *registry_->Get("mgr/hello/password")).value(),
            "<redacted>");
  EXPECT_EQ(registry_->Redacted("hello", *registry_->Get("mgr/hello/place")).value(), "world");
}

TEST_F(ConfigRegistryTest, AFullStoreIsAnErrorAndChangesNothing) {
  store::SqliteOptions options;
  options.max_queued_bytes = 2000;
  Open({}, options);
  EXPECT_THAT(Text(Set("mgr/hello/place", std::string(3000, 'x'))),
              AllOf(HasSubstr("RESOURCE_EXHAUSTED"), HasSubstr("queue")));
  EXPECT_EQ(Get("mgr/hello/place"), "world from default");
  EXPECT_EQ(Text(Set("mgr/hello/place", "small")), "small from module");
}

TEST_F(ConfigRegistryTest, AForcedSetTakesWhatNobodyDeclaresYet) {
  EXPECT_EQ(Text(ForceSet("mgr/later/port", "80")), "80 from module");
  EXPECT_THAT(Get("mgr/later/port"), HasSubstr("NOT_FOUND"));
  EXPECT_EQ(Text(ForceSet("mgr/later/tls", "perhaps")), "perhaps from module");
  // Nobody knows whether it is a secret.
  auto settings = registry_->Settings();
  ASSERT_THAT(settings, SizeIs(2));
  EXPECT_EQ(settings[0].key.ToString(), "mgr/later/port");
  EXPECT_EQ(settings[0].value, "<redacted>");
  EXPECT_FALSE(settings[0].declaration.has_value());
  EXPECT_EQ(registry_->History(1)[0].new_value(), "<redacted>");

  ASSERT_TRUE(registry_
                  ->DeclareModule("later", Descriptors({Option("port", v1::OPTION_TYPE_INT, "1"),
                                                        Option("tls", v1::OPTION_TYPE_BOOL)}))
                  .ok());
  EXPECT_EQ(Get("mgr/later/port"), "80 from module");
  EXPECT_EQ(Get("mgr/later/tls"), "(none) from default");  // "perhaps" is not a bool
  EXPECT_EQ(registry_->Settings()[0].value, "80");
  // What is declared is checked all the same.
  EXPECT_THAT(Text(ForceSet("mgr/later/port", "x")), HasSubstr("is not an integer"));
  EXPECT_THAT(Text(ForceSet("later/port", "x")), HasSubstr("mgr/<module>/<option>"));
  EXPECT_THAT(Text(ForceSet("mgr/0 bad/port", "x")), HasSubstr("not a module's name"));
  EXPECT_THAT(Text(ForceSet("mgr/other/name", std::string(70'000, 'x'))), HasSubstr("70000 bytes"));
}

TEST_F(ConfigRegistryTest, NothingStaysOfAStrangerThatHadNothing) {
  const auto declare = [&](const char* module, const ConfigRegistry::Descriptors& options) {
    ASSERT_TRUE(registry_->DeclareModule(module, options, /*stranger=*/true).ok());
  };
  declare("passing", {});
  EXPECT_EQ(Get("mgr/passing/log_to_file"), "false from default");
  EXPECT_FALSE(store_->Get("schema/passing").has_value());
  EXPECT_FALSE(registry_->ForgetStranger("passing"));
  EXPECT_THAT(Get("mgr/passing/log_to_file"), HasSubstr("NOT_FOUND"));
  EXPECT_THAT(registry_->EffectiveValues("passing"), IsEmpty());

  // What is set of one stays, and what it has declared.
  declare("set", {});
  ASSERT_EQ(Text(Set("mgr/set/log_to_file", "true")), "true from module");
  EXPECT_FALSE(registry_->ForgetStranger("set"));
  EXPECT_EQ(Get("mgr/set/log_to_file"), "true from module");
  registry_->ForgetOptionsOf("set");
  EXPECT_EQ(Get("mgr/set/log_to_file"), "true from module");
  declare("own", Descriptors({Option("port", v1::OPTION_TYPE_INT, "1")}));
  EXPECT_TRUE(registry_->ForgetStranger("own"));
  EXPECT_EQ(Get("mgr/own/port"), "1 from default");
  EXPECT_THAT(registry_->DeclaredModules(), Contains("own"));
  EXPECT_FALSE(registry_->ForgetStranger("never heard of"));
  registry_->ForgetOptionsOf("own");
  EXPECT_THAT(Get("mgr/own/port"), HasSubstr("NOT_FOUND"));
  EXPECT_THAT(registry_->DeclaredModules(), Not(Contains("own")));
  // Writes are done in their order.
  ASSERT_TRUE(store_->WriteAndWait({{}, {{"after", std::nullopt}}}).ok());
  EXPECT_FALSE(store_->Get("schema/own").has_value());
}

TEST_F(ConfigRegistryTest, SettingsAreWhatIsStoredForEveryManager) {
  ASSERT_TRUE(Set("mgr/hello/y/place", "Rome").ok());
  ASSERT_TRUE(Set("mgr/hello/count", "3").ok());
  ASSERT_TRUE(Set("mgr/hello/password", "hunter2").ok());
  ASSERT_TRUE(Set("global/log_level", "debug").ok());
  std::vector<std::string> settings;
  for (const Setting& setting : registry_->Settings()) {
    settings.push_back(absl::StrCat(setting.key.ToString(), "=", setting.value));
    EXPECT_TRUE(setting.declaration.has_value());
  }
  EXPECT_THAT(settings, ElementsAre("global/log_level=debug", "mgr/hello/count=3",
                                    "mgr/hello/password=<redacted>", "mgr/hello/y/place=Rome"));
}

TEST_F(ConfigRegistryTest, DescribeGivesTheDeclaration) {
  EXPECT_EQ(registry_->Describe("mgr/hello/x/count")->max(), "10");
  EXPECT_EQ(registry_->Describe("global/count")->max(), "10");
  EXPECT_THAT(registry_->Describe("mgr/hello/cuont").status().ToString(),
              HasSubstr("did you mean mgr/hello/count?"));
  EXPECT_THAT(registry_->Describe("count").status().ToString(), HasSubstr("INVALID_ARGUMENT"));
}

TEST_F(ConfigRegistryTest, DestroyedWithWritesInFlightItWaitsForTheirDone) {
  std::atomic<int> called = 0;
  for (int i = 0; i < 100; ++i) {
    registry_->Set("mgr/hello/place", absl::StrCat(i), "client",
                   [&](const absl::StatusOr<v1::OptionValue>&) { ++called; });
  }
  registry_.reset();
  EXPECT_EQ(called, 100);
}

}  // namespace
}  // namespace outpost::config
