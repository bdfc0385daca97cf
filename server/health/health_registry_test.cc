#include "server/health/health_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "server/store/sqlite/scratch_dir.h"
#include "server/store/sqlite/sqlite_store.h"

namespace outpost::health {
namespace {

v1::HealthCheck Check(const std::string& code, v1::Severity severity) {
  v1::HealthCheck check;
  check.set_code(code);
  check.set_severity(severity);
  check.set_summary("something is wrong");
  return check;
}

// A registry over a store in a file, which survives it.
class HealthRegistryTest : public testing::Test {
 protected:
  HealthRegistryTest() { Open(); }
  ~HealthRegistryTest() override { Close(); }

  void Open() {
    auto store = store::SqliteStore::Open(absl::StrCat(scratch_.path(), "/state.db"));
    EXPECT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    timers_ = std::make_unique<event::TimerQueue>();
    registry_ =
        std::make_unique<HealthRegistry>(store_.get(), timers_.get(),
                                         HealthRegistry::Listeners{.changed =
                                                                       [this] {
                                                                         absl::MutexLock lock(&mu_);
                                                                         ++changes_;
                                                                       },
                                                                   .event = nullptr});
  }
  void Close() {
    timers_->Stop();
    registry_.reset();
    timers_.reset();
    store_.reset();  // writes what waits
  }

  absl::Status Mute(const std::string& code, std::optional<absl::Duration> ttl, bool sticky) {
    absl::Status result;
    absl::Notification done;
    registry_->Mute(code, ttl, sticky, [&](absl::Status status) {
      result = std::move(status);
      done.Notify();
    });
    done.WaitForNotification();
    return result;
  }
  absl::Status Unmute(const std::string& code) {
    absl::Status result;
    absl::Notification done;
    registry_->Unmute(code, [&](absl::Status status) {
      result = std::move(status);
      done.Notify();
    });
    done.WaitForNotification();
    return result;
  }
  int changes() {
    absl::MutexLock lock(&mu_);
    return changes_;
  }
  void AwaitChanges(int n) {
    const auto enough = [this, n]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return changes_ >= n; };
    absl::MutexLock lock(&mu_);
    mu_.Await(absl::Condition(&enough));
  }

  HealthRegistry& registry() { return *registry_; }

 private:
  store::ScratchDir scratch_;
  absl::Mutex mu_;
  int changes_ ABSL_GUARDED_BY(mu_) = 0;
  std::unique_ptr<store::StateStore> store_;
  std::unique_ptr<event::TimerQueue> timers_;
  std::unique_ptr<HealthRegistry> registry_;
};

TEST_F(HealthRegistryTest, GravestFirstAndStatus) {
  EXPECT_EQ(registry().Get().status, v1::SEVERITY_OK);
  ASSERT_TRUE(registry().Set("a", {Check("A_WARN", v1::SEVERITY_WARNING)}).ok());
  ASSERT_TRUE(registry().Set("b", {Check("Z_ERR", v1::SEVERITY_ERROR)}).ok());
  const Report report = registry().Get();
  EXPECT_EQ(report.status, v1::SEVERITY_ERROR);
  ASSERT_EQ(report.checks.size(), 2u);
  EXPECT_EQ(report.checks[0].code(), "Z_ERR");
  EXPECT_EQ(report.checks[0].source(), "b");
  EXPECT_EQ(changes(), 2);
  ASSERT_TRUE(registry().Set("b", {}).ok());
  EXPECT_EQ(registry().Get().status, v1::SEVERITY_WARNING);
}

TEST_F(HealthRegistryTest, SameChecksAgainKeepSinceAndTellNobody) {
  ASSERT_TRUE(registry().Set("a", {Check("X", v1::SEVERITY_WARNING)}).ok());
  const auto since = registry().Get().checks[0].since();
  ASSERT_TRUE(registry().Set("a", {Check("X", v1::SEVERITY_WARNING)}).ok());
  EXPECT_EQ(changes(), 1);
  EXPECT_EQ(registry().Get().checks[0].since().nanos(), since.nanos());
}

TEST_F(HealthRegistryTest, BadChecksAreNamedAndChangeNothing) {
  ASSERT_TRUE(registry().Set("m", {Check("GOOD", v1::SEVERITY_WARNING)}).ok());
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
    const absl::Status status = registry().Set("m", {check});
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(status.message().find(words), absl::string_view::npos) << status;
  }
  const absl::Status twice =
      registry().Set("m", {Check("A", v1::SEVERITY_ERROR), Check("A", v1::SEVERITY_ERROR)});
  EXPECT_NE(twice.message().find("given twice"), absl::string_view::npos);
  ASSERT_EQ(registry().Get().checks.size(), 1u);
  EXPECT_EQ(registry().Get().checks[0].code(), "GOOD");
}

TEST_F(HealthRegistryTest, FromCluster) {
  const char text[] =
      R"({"json": "{\"status\":\"HEALTH_WARN\",\"checks\":{\"OSDMAP_FLAGS\":{\"severity\":\"HEALTH_WARN\",\"summary\":{\"message\":\"noout flag(s) set\",\"count\":1},\"detail\":[{\"message\":\"d\"}],\"muted\":false}}}"})";
  ASSERT_TRUE(registry().SetFromCluster(text).ok());
  const Report report = registry().Get();
  ASSERT_EQ(report.checks.size(), 1u);
  EXPECT_EQ(report.checks[0].summary(), "noout flag(s) set");
  EXPECT_EQ(report.checks[0].detail(0), "d");
  for (const char* bad :
       {"", "[]", "{}", R"({"json": 3})", R"({"json": "[]"})", R"({"json": "{"})"}) {
    EXPECT_FALSE(registry().SetFromCluster(bad).ok()) << bad;
  }
  EXPECT_EQ(registry().Get().checks.size(), 1u);
}

v1::HealthCheck Counted(const std::string& code, int64_t count) {
  auto check = Check(code, v1::SEVERITY_ERROR);
  check.set_count(count);
  return check;
}

TEST_F(HealthRegistryTest, AMutedCheckIsShownAndDoesNotCount) {
  ASSERT_TRUE(registry().Set("m", {Counted("BAD", 1), Check("POOR", v1::SEVERITY_WARNING)}).ok());
  ASSERT_TRUE(Mute("BAD", std::nullopt, false).ok());
  Report report = registry().Get();
  EXPECT_EQ(report.status, v1::SEVERITY_WARNING);
  ASSERT_EQ(report.checks.size(), 2u);
  EXPECT_TRUE(report.checks[0].muted());
  EXPECT_FALSE(report.checks[1].muted());
  ASSERT_EQ(report.mutes.size(), 1u);
  EXPECT_FALSE(report.mutes[0].has_until());
  ASSERT_TRUE(Unmute("BAD").ok());
  EXPECT_EQ(registry().Get().status, v1::SEVERITY_ERROR);
  EXPECT_TRUE(Unmute("BAD").ok()) << "twice is no error";
}

TEST_F(HealthRegistryTest, AMuteEndsWhenTheCheckClearsOrGrowsWorse) {
  ASSERT_TRUE(registry().Set("m", {Counted("BAD", 2), Counted("WORSE", 2)}).ok());
  ASSERT_TRUE(Mute("BAD", std::nullopt, false).ok());
  ASSERT_TRUE(Mute("WORSE", std::nullopt, false).ok());
  ASSERT_TRUE(registry().Set("m", {Counted("BAD", 1), Counted("WORSE", 1)}).ok());
  EXPECT_EQ(registry().Get().status, v1::SEVERITY_OK) << "less is no reason";
  ASSERT_TRUE(registry().Set("m", {Counted("WORSE", 3)}).ok());
  EXPECT_EQ(registry().Get().status, v1::SEVERITY_ERROR);
  EXPECT_TRUE(registry().Get().mutes.empty());
  ASSERT_TRUE(registry().Set("m", {Counted("BAD", 2)}).ok());
  EXPECT_EQ(registry().Get().status, v1::SEVERITY_ERROR) << "it has cleared meanwhile";
}

TEST_F(HealthRegistryTest, AStickyMuteStays) {
  ASSERT_TRUE(Mute("BAD", std::nullopt, true).ok()) << "also before the check is raised";
  ASSERT_TRUE(registry().Set("m", {Counted("BAD", 2)}).ok());
  ASSERT_TRUE(registry().Set("m", {}).ok());
  ASSERT_TRUE(registry().Set("m", {Counted("BAD", 20)}).ok());
  EXPECT_EQ(registry().Get().status, v1::SEVERITY_OK);
}

TEST_F(HealthRegistryTest, AMuteEndsWhenItsTimeIsOver) {
  ASSERT_TRUE(registry().Set("m", {Counted("BAD", 2)}).ok());
  ASSERT_TRUE(Mute("BAD", absl::Milliseconds(30), true).ok());
  AwaitChanges(3);  // raised, muted, ended
  EXPECT_EQ(registry().Get().status, v1::SEVERITY_ERROR);
  EXPECT_TRUE(registry().Get().mutes.empty());
}

TEST_F(HealthRegistryTest, BadMutesAreRefused) {
  EXPECT_EQ(Mute("NOSUCH", std::nullopt, false),
            absl::NotFoundError("health alert NOSUCH is not currently raised"));
  EXPECT_EQ(Mute("no such", std::nullopt, true).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Mute("BAD", absl::ZeroDuration(), true).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(registry().Get().mutes.empty());
}

TEST_F(HealthRegistryTest, MutesAndHistorySurviveTheRegistry) {
  ASSERT_TRUE(registry().Set("m", {Counted("BAD", 1)}).ok());
  ASSERT_TRUE(registry().Set("m", {}).ok());
  ASSERT_TRUE(Mute("BAD", absl::Hours(1), true).ok());
  Close();
  Open();
  ASSERT_TRUE(registry().Set("m", {Counted("BAD", 1)}).ok());
  EXPECT_EQ(registry().Get().status, v1::SEVERITY_OK);
  const auto history = registry().History(10);
  ASSERT_EQ(history.size(), 3u);
  EXPECT_FALSE(history[0].cleared());
  EXPECT_TRUE(history[1].cleared());
  EXPECT_FALSE(history[2].cleared());
  EXPECT_EQ(registry().History(1).size(), 1u);
}

TEST_F(HealthRegistryTest, TheHistoryTellsWhatCameChangedAndWent) {
  v1::HealthCheck check = Check("BAD", v1::SEVERITY_WARNING);
  ASSERT_TRUE(registry().Set("m", {check}).ok());
  check.set_summary("worse");
  ASSERT_TRUE(registry().Set("m", {check}).ok());
  check.set_severity(v1::SEVERITY_ERROR);
  ASSERT_TRUE(registry().Set("m", {check}).ok());
  check.add_detail("this alone is no news");
  ASSERT_TRUE(registry().Set("m", {check}).ok());
  ASSERT_TRUE(registry().Set("m", {}).ok());
  ASSERT_TRUE(registry().Set("m", {check}).ok());
  std::vector<std::string> told;
  for (const v1::HealthEvent& event : registry().History(10)) {
    told.push_back(event.cleared() ? "cleared" : event.changed() ? "changed" : "raised");
  }
  EXPECT_THAT(told, testing::ElementsAre("raised", "cleared", "changed", "changed", "raised"));
}

TEST_F(HealthRegistryTest, TheHistoryIsBounded) {
  for (size_t i = 0; i < HealthRegistry::kHistory; ++i) {
    ASSERT_TRUE(registry().Set("m", {Check("FLAPS", v1::SEVERITY_WARNING)}).ok());
    ASSERT_TRUE(registry().Set("m", {}).ok());
  }
  EXPECT_EQ(registry().History(100000).size(), HealthRegistry::kHistory);
}

TEST_F(HealthRegistryTest, WhatTheClusterMutesIsMutedHere) {
  const char text[] =
      R"({"json": "{\"checks\":{\"OSD_DOWN\":{\"severity\":\"HEALTH_WARN\",\"summary\":{\"message\":\"1 osds down\",\"count\":1},\"detail\":[],\"muted\":true}}}"})";
  ASSERT_TRUE(registry().SetFromCluster(text).ok());
  EXPECT_EQ(registry().Get().status, v1::SEVERITY_OK);
  EXPECT_TRUE(registry().Get().checks[0].muted());
}

}  // namespace
}  // namespace outpost::health
