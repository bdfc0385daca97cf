#include "server/health/health_registry.h"

#include <gtest/gtest.h>

namespace outpost::health {
namespace {

v1::HealthCheck Check(const std::string& code, v1::Severity severity) {
  v1::HealthCheck check;
  check.set_code(code);
  check.set_severity(severity);
  check.set_summary("something is wrong");
  return check;
}

TEST(HealthRegistry, GravestFirstAndStatus) {
  int changes = 0;
  HealthRegistry registry([&] { ++changes; });
  EXPECT_EQ(registry.Get().status, v1::SEVERITY_OK);
  ASSERT_TRUE(registry.Set("a", {Check("A_WARN", v1::SEVERITY_WARNING)}).ok());
  ASSERT_TRUE(registry.Set("b", {Check("Z_ERR", v1::SEVERITY_ERROR)}).ok());
  const Report report = registry.Get();
  EXPECT_EQ(report.status, v1::SEVERITY_ERROR);
  ASSERT_EQ(report.checks.size(), 2u);
  EXPECT_EQ(report.checks[0].code(), "Z_ERR");
  EXPECT_EQ(report.checks[0].source(), "b");
  EXPECT_EQ(changes, 2);
  ASSERT_TRUE(registry.Set("b", {}).ok());
  EXPECT_EQ(registry.Get().status, v1::SEVERITY_WARNING);
}

TEST(HealthRegistry, SameChecksAgainKeepSinceAndTellNobody) {
  int changes = 0;
  HealthRegistry registry([&] { ++changes; });
  ASSERT_TRUE(registry.Set("a", {Check("X", v1::SEVERITY_WARNING)}).ok());
  const auto since = registry.Get().checks[0].since();
  ASSERT_TRUE(registry.Set("a", {Check("X", v1::SEVERITY_WARNING)}).ok());
  EXPECT_EQ(changes, 1);
  EXPECT_EQ(registry.Get().checks[0].since().nanos(), since.nanos());
}

TEST(HealthRegistry, BadChecksAreNamedAndChangeNothing) {
  HealthRegistry registry([] {});
  ASSERT_TRUE(registry.Set("m", {Check("GOOD", v1::SEVERITY_WARNING)}).ok());
  auto bad_severity = Check("BAD", v1::SEVERITY_UNSPECIFIED);
  auto no_summary = Check("BAD", v1::SEVERITY_ERROR);
  no_summary.clear_summary();
  auto negative = Check("BAD", v1::SEVERITY_ERROR);
  negative.set_count(-1);
  const std::pair<v1::HealthCheck, std::string> cases[] = {
      {Check("", v1::SEVERITY_ERROR), "the code is empty"},
      {Check("low er", v1::SEVERITY_ERROR), "capitals, digits and '_' only"},
      {bad_severity, "severity"},
      {no_summary, "summary"},
      {negative, "count"},
  };
  for (const auto& [check, words] : cases) {
    const absl::Status status = registry.Set("m", {check});
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(status.message().find(words), absl::string_view::npos) << status;
  }
  const absl::Status twice =
      registry.Set("m", {Check("A", v1::SEVERITY_ERROR), Check("A", v1::SEVERITY_ERROR)});
  EXPECT_NE(twice.message().find("given twice"), absl::string_view::npos);
  ASSERT_EQ(registry.Get().checks.size(), 1u);
  EXPECT_EQ(registry.Get().checks[0].code(), "GOOD");
}

TEST(HealthRegistry, FromCluster) {
  HealthRegistry registry([] {});
  const char text[] =
      R"({"json": "{\"status\":\"HEALTH_WARN\",\"checks\":{\"OSDMAP_FLAGS\":{\"severity\":\"HEALTH_WARN\",\"summary\":{\"message\":\"noout flag(s) set\",\"count\":1},\"detail\":[{\"message\":\"d\"}],\"muted\":false}}}"})";
  ASSERT_TRUE(registry.SetFromCluster(text).ok());
  const Report report = registry.Get();
  ASSERT_EQ(report.checks.size(), 1u);
  EXPECT_EQ(report.checks[0].summary(), "noout flag(s) set");
  EXPECT_EQ(report.checks[0].detail(0), "d");
  for (const char* bad :
       {"", "[]", "{}", R"({"json": 3})", R"({"json": "[]"})", R"({"json": "{"})"}) {
    EXPECT_FALSE(registry.SetFromCluster(bad).ok()) << bad;
  }
  EXPECT_EQ(registry.Get().checks.size(), 1u);
}

}  // namespace
}  // namespace outpost::health
