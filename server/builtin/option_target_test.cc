#include "server/builtin/option_target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outpost::builtin {
namespace {

using testing::HasSubstr;

// "config/…" where the option is kept, or the error.
std::string Target(absl::string_view who, absl::string_view name) {
  const auto key = OptionTarget(who, name);
  return key.ok() ? key->StoreKey() : std::string(key.status().message());
}

TEST(OptionTargetTest, WhoIsEveryManagerOrOne) {
  for (const char* who : {"", "mgr", "global"}) {
    EXPECT_EQ(Target(who, "mgr/hello/place"), "config/mgr/hello/place");
    EXPECT_EQ(Target(who, "mgr/hello/x/place"), "config/mgr/hello/x/place");
    EXPECT_EQ(Target(who, "global/place"), "config/global/place");
  }
  EXPECT_EQ(Target("mgr.x", "mgr/hello/place"), "config/mgr/hello/x/place");
  EXPECT_EQ(Target("mgr.x", "mgr/hello/x/place"), "config/mgr/hello/x/place");
  EXPECT_EQ(Target("mgr.a.b", "mgr/hello/place"), "config/mgr/hello/a.b/place");
}

TEST(OptionTargetTest, WhatDoesNotFitIsSaid) {
  EXPECT_THAT(Target("mgr.x", "mgr/hello/y/place"), HasSubstr("is for the manager y"));
  EXPECT_THAT(Target("mgr.x", "global/place"), HasSubstr("is for every manager"));
  for (const char* who : {"osd", "mgr.", "mgrx", "client.admin"}) {
    EXPECT_THAT(Target(who, "mgr/hello/place"), HasSubstr("unrecognized config target"));
  }
  for (const char* name : {"", "mgr", "mgr/", "mgr/hello", "mgr/a/b/c/d", "global/", "place"}) {
    EXPECT_THAT(Target("mgr.x", name), HasSubstr("a key is mgr/<module>/<option>")) << name;
  }
}

TEST(OptionTargetTest, OptionsOfModulesAreTold) {
  for (const char* name : {"mgr/hello/place", "mgr/", "global/place"}) {
    EXPECT_TRUE(IsModuleOption(name)) << name;
  }
  for (const char* name : {"", "mgr", "debug_osd", "osd/x"}) {
    EXPECT_FALSE(IsModuleOption(name)) << name;
  }
}

}  // namespace
}  // namespace outpost::builtin
