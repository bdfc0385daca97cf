#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/cluster/ceph/daemon_poller.h"
#include "server/cluster/ceph/monitor_poller.h"
#include "server/cluster/ceph/recorded_cluster.h"
#include "server/cluster/cluster_state.h"
#include "server/command/command.h"

namespace outpost::cluster::ceph {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class PollersTest : public testing::Test {
 protected:
  absl::StatusOr<MonitorPoller::Seen> PollMonitors() {
    return monitors_.Poll([this](absl::string_view c) { return recorded_.Run(c); });
  }
  void PollDaemons(const MonitorPoller::Seen& seen) {
    daemons_.Poll(
        seen, [this](absl::string_view c) { return recorded_.Run(c); },
        [this](absl::string_view mon, absl::string_view c) {
          EXPECT_EQ(mon, "a");
          return recorded_.Run(c);
        });
  }

  json Published(absl::string_view structure) {
    const absl::StatusOr<SnapshotPtr> snapshot = state_.Get(structure);
    EXPECT_TRUE(snapshot.ok()) << snapshot.status();
    return snapshot.ok() ? json::parse((*snapshot)->json.begin(), (*snapshot)->json.end()) : json();
  }
  std::string Id(absl::string_view structure) {
    const absl::StatusOr<SnapshotPtr> snapshot = state_.Get(structure);
    return snapshot.ok() ? (*snapshot)->id : "absent";
  }
  absl::Time Confirmed(const std::string& structure) {
    for (const ClusterState::Entry& entry : state_.List()) {
      if (entry.snapshot->name == structure) return entry.confirmed;
    }
    return absl::InfinitePast();
  }

  // Changes a number in the recorded JSON answer to `prefix`.
  void Bump(absl::string_view prefix, const char* pointer) {
    json answer = json::parse(recorded_.Answer(prefix));
    json& number = answer.at(json::json_pointer(pointer));
    number = number.get<int>() + 1;
    recorded_.SetAnswer(prefix, {0, answer.dump(), ""});
  }

  RecordedCluster recorded_;
  ClusterState state_;
  MonitorPoller monitors_{&state_};
  DaemonPoller daemons_{&state_,
                        {.settling = absl::ZeroDuration(), .review = absl::InfiniteDuration()}};
};

TEST_F(PollersTest, PublishesWhatCephMgrWouldGive) {
  const absl::StatusOr<MonitorPoller::Seen> seen = PollMonitors();
  ASSERT_TRUE(seen.ok()) << seen.status();
  PollDaemons(*seen);
  for (const char* structure :
       {"osd_map", "osd_map_tree", "osd_map_crush", "osd_metadata", "mon_map", "fs_map", "mgr_map",
        "service_map", "df", "pg_summary", "pool_stats", "pg_ready", "pg_progress",
        "active_clean_pgs", "pg_stats", "osd_pool_stats", "devices", "modified_config_options",
        "have_local_config_map"}) {
    EXPECT_EQ(Published(structure), recorded_.Get(structure)) << structure;
  }
  EXPECT_EQ(Published("mon_metadata").at("a").at("ceph_release"), "pacific");
  EXPECT_EQ(Published("mgr_metadata").at("x").at("ceph_release"), "pacific");
  EXPECT_EQ(Published("mds_metadata"), json::object());
  EXPECT_EQ(json::parse(Published("health").at("json").get<std::string>()).at("status"),
            "HEALTH_WARN");
  EXPECT_EQ(json::parse(Published("mon_status").at("json").get<std::string>()).at("name"), "a");
  EXPECT_EQ(Id("osd_map"), recorded_.Get("osd_map").at("epoch").dump());
  EXPECT_EQ(Id("mon_map"), "1");
  EXPECT_EQ(Id("health"), "");
}

TEST_F(PollersTest, AsksLittleWhileNothingChanges) {
  absl::StatusOr<MonitorPoller::Seen> seen = PollMonitors();
  ASSERT_TRUE(seen.ok()) << seen.status();
  PollDaemons(*seen);
  recorded_.TakeLog();
  const absl::Time confirmed = Confirmed("osd_map");
  const absl::Time pgs_confirmed = Confirmed("pg_summary");
  seen = PollMonitors();
  ASSERT_TRUE(seen.ok()) << seen.status();
  PollDaemons(*seen);
  // The health is not good, so that its details are read again.
  EXPECT_THAT(recorded_.TakeLog(), ElementsAre("status", "mgr stat", "health", "config log"));
  EXPECT_GT(Confirmed("osd_map"), confirmed);
  EXPECT_GT(Confirmed("pg_summary"), pgs_confirmed);
}

TEST_F(PollersTest, ANewConfigurationIsReadAndAnOldOneFromTimeToTime) {
  const absl::StatusOr<MonitorPoller::Seen> seen = PollMonitors();
  ASSERT_TRUE(seen.ok()) << seen.status();
  PollDaemons(*seen);
  EXPECT_EQ(Published("config").at("name"), "mgr.x");
  recorded_.TakeLog();
  recorded_.SetAnswer("config log", {0, R"([{"version":2}])", ""});
  PollDaemons(*seen);
  // What is set centrally comes from one place.
  EXPECT_THAT(recorded_.TakeLog(),
              ElementsAre("config log", "config show-with-defaults", "config dump"));
  DaemonPoller often(&state_, {.settling = absl::ZeroDuration(), .review = absl::ZeroDuration()});
  const auto poll = [&] {
    often.Poll(
        *seen, [this](absl::string_view c) { return recorded_.Run(c); },
        [this](absl::string_view, absl::string_view c) { return recorded_.Run(c); });
  };
  poll();
  recorded_.TakeLog();
  poll();
  EXPECT_THAT(recorded_.TakeLog(), AllOf(Contains("config show-with-defaults"),
                                         Contains("device ls"), Not(Contains("pg dump"))));
}

TEST_F(PollersTest, OptionsOfManyDaemonsAreAskedForLittleByLittle) {
  absl::StatusOr<MonitorPoller::Seen> seen = PollMonitors();
  ASSERT_TRUE(seen.ok()) << seen.status();
  seen->osds_up.clear();
  for (uint64_t i = 0; i < 23; ++i) seen->osds_up.emplace_back(i, 1);
  recorded_.SetAnswer("config show", {0, R"([{"name":"debug_ms","value":"1","source":"file"},
      {"name":"debug_osd","value":"1","source":"mon"},
      {"name":"debug_mon","source":"mon","overrides":[{"source":"default","value":"2"}]},
      {"name":"keyring","source":"mon","overrides":[{"source":"file","value":"x"}]}])",
                                      ""});
  const auto asked = [&] {
    PollDaemons(*seen);
    const std::vector<std::string> log = recorded_.TakeLog();
    return std::count(log.begin(), log.end(), "config show");
  };
  EXPECT_EQ(asked(), 10);
  EXPECT_EQ(Published("modified_config_options"),
            json::parse(R"({"options":["debug_ms","keyring"]})"));
  EXPECT_EQ(asked(), 10);
  recorded_.SetAnswer("config show", {-ETIMEDOUT, "", ""});
  EXPECT_EQ(asked(), 1);
  recorded_.SetAnswer("config show",
                      {0, R"([{"name":"late","value":"1","source":"cmdline"}])", ""});
  EXPECT_EQ(asked(), 5);
  EXPECT_EQ(Published("modified_config_options"),
            json::parse(R"({"options":["debug_ms","keyring","late"]})"));
  EXPECT_EQ(asked(), 0);
  // One that starts again, and one of which the mgr has not heard: it is asked for again.
  seen->osds_up[3].second = 7;
  EXPECT_EQ(asked(), 1);
  seen->osds_up[4].second = 7;
  recorded_.SetAnswer("config show", {-ENOENT, "", "no config state for daemon osd.4"});
  EXPECT_GT(asked(), 0);
  recorded_.SetAnswer("config show", {0, "[]", ""});
  EXPECT_EQ(asked(), 1);
  // What is set centrally is there at once, and of daemons only.
  recorded_.SetAnswer("config log", {0, R"([{"version":2}])", ""});
  recorded_.SetAnswer("config dump", {0, R"([{"section":"osd.3","name":"osd_max_backfills"},
      {"section":"global","name":"debug_ms"}, {"section":"client.rgw.a","name":"rgw_x"},
      {"section":"mgr","name":"mgr/balancer/active"}])",
                                      ""});
  EXPECT_EQ(asked(), 0);
  EXPECT_EQ(Published("modified_config_options"),
            json::parse(R"({"options":["debug_ms","keyring","late","osd_max_backfills"]})"));
}

TEST_F(PollersTest, ANewOsdMapIsFetchedAndWhatDependsOnIt) {
  ASSERT_TRUE(PollMonitors().ok());
  recorded_.TakeLog();
  Bump("status", "/osdmap/epoch");
  Bump("osd dump", "/epoch");
  ASSERT_TRUE(PollMonitors().ok());
  EXPECT_THAT(recorded_.TakeLog(),
              AllOf(Contains("osd dump"), Not(Contains("osd metadata")),
                    Not(Contains("osd crush dump")), Not(Contains("fs dump"))));
  EXPECT_EQ(Id("osd_map"),
            json::parse(recorded_.Run(R"({"prefix":"osd dump"})").out).at("epoch").dump());
}

TEST_F(PollersTest, ABootBringsMetadata) {
  ASSERT_TRUE(PollMonitors().ok());
  recorded_.TakeLog();
  Bump("status", "/osdmap/epoch");
  json dump = json::parse(recorded_.Answer("osd dump"));
  dump["epoch"] = dump.at("epoch").get<int>() + 1;
  dump["osds"][2]["up_from"] = dump.at("epoch");
  recorded_.SetAnswer("osd dump", {0, dump.dump(), ""});
  ASSERT_TRUE(PollMonitors().ok());
  EXPECT_THAT(recorded_.TakeLog(), Contains("osd metadata"));
}

TEST_F(PollersTest, OneRefusalDoesNotStopTheRest) {
  recorded_.SetAnswer("osd metadata", {-EACCES, "", "access denied"});
  recorded_.SetAnswer("df", {0, "not JSON", ""});
  ASSERT_TRUE(PollMonitors().ok());
  EXPECT_FALSE(state_.Get("osd_metadata").ok());
  EXPECT_FALSE(state_.Get("df").ok());
  EXPECT_TRUE(state_.Get("health").ok());
  recorded_.SetAnswer("osd metadata", {0, recorded_.Answer("osd metadata"), ""});
  ASSERT_TRUE(PollMonitors().ok());
  EXPECT_TRUE(state_.Get("osd_metadata").ok());
}

TEST_F(PollersTest, MonitorsThatDoNotAnswerAreAnErrorOfThePoll) {
  recorded_.SetAnswer("status", {-ETIMEDOUT, "", "no answer from the monitors within 5 s"});
  EXPECT_TRUE(absl::IsDeadlineExceeded(PollMonitors().status()));
  EXPECT_THAT(recorded_.TakeLog(), ElementsAre("status"));
  EXPECT_THAT(state_.List(), IsEmpty());
  recorded_.SetAnswer("status", {0, recorded_.Answer("status"), ""});
  recorded_.SetAnswer("fs dump", {-ETIMEDOUT, "", ""});
  EXPECT_TRUE(absl::IsDeadlineExceeded(PollMonitors().status()));
}

TEST_F(PollersTest, RefusalsOfAPollSayWhy) {
  recorded_.SetAnswer("status", {-EACCES, "", "access denied"});
  const absl::Status refused = PollMonitors().status();
  EXPECT_TRUE(absl::IsPermissionDenied(refused));
  EXPECT_THAT(std::string(refused.message()),
              AllOf(HasSubstr("\"status\" failed: access denied"), HasSubstr("mon 'allow r'")));
  recorded_.SetAnswer("status", {0, "{}", ""});
  EXPECT_TRUE(absl::IsInvalidArgument(PollMonitors().status()));
}

TEST_F(PollersTest, WithoutAMgrItsStructuresStayOldAndUnconfirmed) {
  absl::StatusOr<MonitorPoller::Seen> seen = PollMonitors();
  ASSERT_TRUE(seen.ok()) << seen.status();
  PollDaemons(*seen);
  const absl::Time confirmed = Confirmed("pg_summary");
  recorded_.TakeLog();
  seen->mgr.available = false;
  seen->status.pgmap = "{}";
  PollDaemons(*seen);
  EXPECT_THAT(recorded_.TakeLog(), IsEmpty());
  EXPECT_EQ(Confirmed("pg_summary"), confirmed);
}

TEST_F(PollersTest, AMgrThatDoesNotAnswerIsAskedAgain) {
  recorded_.SetAnswer("pg dump", {-ETIMEDOUT, "", ""});
  const absl::StatusOr<MonitorPoller::Seen> seen = PollMonitors();
  ASSERT_TRUE(seen.ok()) << seen.status();
  recorded_.TakeLog();
  PollDaemons(*seen);
  PollDaemons(*seen);
  EXPECT_FALSE(state_.Get("pg_summary").ok());
  EXPECT_TRUE(state_.Get("mon_status").ok());
  EXPECT_THAT(recorded_.TakeLog(), AllOf(Contains("mon_status"), Contains("pg dump").Times(2)));
}

}  // namespace
}  // namespace outpost::cluster::ceph
