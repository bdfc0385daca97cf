#include "server/module/process_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/time/time.h"

namespace outpost::module {
namespace {

using testing::ElementsAre;

std::string Error(const std::string& key, const std::string& word) {
  ProcessPolicy policy;
  return std::string(Apply({.key = key, .words = {word}}, &policy).message());
}

TEST(ProcessPolicyTest, SettingsAreTyped) {
  ProcessPolicy policy;
  for (const auto& [key, word] : std::vector<std::pair<std::string, std::string>>{
           {"restart", "on-failure"},
           {"first-backoff", "0.5"},
           {"start-limit", "0"},
           {"memory", "64M"},
           {"cpu-weight", "10"},
           {"cpu-quota", "0.5"},
           {"pids", "32"},
           {"open-files", "64"},
           {"no-new-privileges", "false"},
           {"user", "nobody"},
           {"read-only", "true"},
       }) {
    const absl::Status status = Apply({.key = key, .words = {word}}, &policy);
    EXPECT_TRUE(status.ok()) << key << status;
  }
  EXPECT_TRUE(Apply({.key = "writable", .words = {"/a", "/b"}}, &policy).ok());
  EXPECT_EQ(policy.restart, RestartPolicy::kOnFailure);
  EXPECT_EQ(policy.first_backoff, absl::Milliseconds(500));
  EXPECT_EQ(policy.start_limit, 0u);
  EXPECT_EQ(policy.limits.memory_bytes, uint64_t{64} << 20);
  EXPECT_EQ(policy.limits.cpu_weight, 10u);
  EXPECT_EQ(policy.limits.cpu_quota, 0.5);
  EXPECT_EQ(policy.limits.pids, 32u);
  EXPECT_EQ(policy.limits.open_files, 64u);
  EXPECT_FALSE(policy.sandbox.no_new_privileges);
  EXPECT_EQ(policy.sandbox.user, "nobody");
  EXPECT_TRUE(policy.sandbox.read_only);
  EXPECT_THAT(policy.sandbox.writable, ElementsAre("/a", "/b"));
  EXPECT_TRUE(Apply({.key = "writable", .words = {"/c"}}, &policy).ok());
  EXPECT_THAT(policy.sandbox.writable, ElementsAre("/c")) << "the stronger place says it all";
  EXPECT_TRUE(Apply({.key = "cpu-weight", .words = {"idle"}}, &policy).ok());
  EXPECT_TRUE(policy.limits.cpu_idle);
  EXPECT_EQ(policy.limits.cpu_weight, 0u);
  EXPECT_TRUE(Apply({.key = "cpu-weight", .words = {"7"}}, &policy).ok());
  EXPECT_FALSE(policy.limits.cpu_idle);
}

TEST(ProcessPolicyTest, WhatDoesNotFitIsNamed) {
  EXPECT_EQ(Error("restart", "maybe"),
            "restart: \"maybe\" is not one of always, on-failure, never");
  EXPECT_EQ(Error("max-backoff", "0"),
            "max-backoff: \"0\" is not a number of seconds greater than 0");
  EXPECT_EQ(Error("max-backoff", "nan"),
            "max-backoff: \"nan\" is not a number of seconds greater than 0");
  EXPECT_EQ(Error("pids", "-1"), "pids: \"-1\" is not a number from 1 to 4194304");
  EXPECT_EQ(Error("cpu-weight", "0"), "cpu-weight: \"0\" is not a number from 1 to 10000, or idle");
  EXPECT_EQ(Error("seccomp", "2"), "seccomp: \"2\" is not true or false");
  EXPECT_EQ(Error("writable", "tmp"), "writable: \"tmp\" is not an absolute path");
  for (const std::string word : {"", "M", "1000", "99999999999999999999", "16777216T", "-1G"}) {
    EXPECT_EQ(Error("memory", word),
              "memory: \"" + word + "\" is not a number of bytes, at least 1M, such as 256M or 2G");
  }
  EXPECT_EQ(Error("memry", "1G"),
            "there is no setting \"memry\" of a module's process; did you mean memory?");
  ProcessPolicy policy;
  EXPECT_EQ(Apply({.key = "pids", .words = {"1", "2"}}, &policy).message(),
            "pids is one value, not a list");
}

TEST(ProcessPolicyTest, WhatAnOperatorSays) {
  const auto setting = ParseOperatorSetting("hello.memory=64M");
  ASSERT_TRUE(setting.ok()) << setting.status();
  EXPECT_EQ(setting->module, "hello");
  EXPECT_EQ(setting->setting.key, "memory");
  EXPECT_THAT(setting->setting.words, ElementsAre("64M"));
  EXPECT_THAT(ParseOperatorSetting("*.writable=/a:/b")->setting.words, ElementsAre("/a", "/b"));
  for (const char* bad : {"memory=1G", "hello.memory", ".memory=1G", ""}) {
    EXPECT_EQ(ParseOperatorSetting(bad).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
  EXPECT_EQ(ParseOperatorSetting("hello.memory=lots").status().message(),
            "\"hello.memory=lots\": memory: \"lots\" is not a number of bytes, at least 1M, such "
            "as 256M or 2G");
}

}  // namespace
}  // namespace outpost::module
