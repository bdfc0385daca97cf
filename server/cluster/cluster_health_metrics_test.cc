#include "server/cluster/cluster_health_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace outpost::cluster {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class ClusterHealthMetricsTest : public testing::Test {
 protected:
  // "osd.0 SLOW_OPS 2 30 PENDING_CREATING_PGS 0 0"
  std::vector<std::string> Lines(const std::string& type = "", const std::string& id = "") {
    v1::DaemonName name;
    name.set_type(type);
    name.set_id(id);
    std::vector<std::string> lines;
    for (const auto& daemon : metrics_.Get(name)) {
      std::string& line =
          lines.emplace_back(absl::StrCat(daemon.daemon().type(), ".", daemon.daemon().id()));
      for (const auto& metric : daemon.metrics()) {
        absl::StrAppend(&line, " ", metric.type(), " ", metric.n1(), " ", metric.n2());
      }
    }
    return lines;
  }

  void Health(const nlohmann::json& checks) {
    const nlohmann::json report = {{"status", "HEALTH_WARN"}, {"checks", checks}};
    state_.Publish("health", nlohmann::json{{"json", report.dump()}}.dump());
  }
  static nlohmann::json Check(const std::string& summary, const std::string& detail = "") {
    nlohmann::json check = {{"summary", {{"message", summary}}},
                            {"detail", nlohmann::json::array()}};
    if (!detail.empty()) check["detail"].push_back({{"message", detail}});
    return check;
  }

  ClusterState state_;
  ClusterHealthMetrics metrics_{&state_};
};

TEST_F(ClusterHealthMetricsTest, NothingIsKnownOfNoCluster) { EXPECT_THAT(Lines(), IsEmpty()); }

TEST_F(ClusterHealthMetricsTest, OsdsThatAreUpHaveBothMetrics) {
  state_.Publish("osd_map", R"({"osds": [{"osd": 0, "up": 1}, {"osd": 1, "up": 0},
                                         {"osd": 12, "up": 1}]})");
  Health(nlohmann::json::object());
  EXPECT_THAT(Lines(), ElementsAre("osd.0 SLOW_OPS 0 0 PENDING_CREATING_PGS 0 0",
                                   "osd.12 SLOW_OPS 0 0 PENDING_CREATING_PGS 0 0"));
  EXPECT_THAT(Lines("osd", "12"), ElementsAre("osd.12 SLOW_OPS 0 0 PENDING_CREATING_PGS 0 0"));
  EXPECT_THAT(Lines("mon"), IsEmpty());
}

TEST_F(ClusterHealthMetricsTest, ChecksThatNameOneDaemonAreThatDaemons) {
  state_.Publish("osd_map", R"({"osds": [{"osd": 0, "up": 1}]})");
  Health({{"SLOW_OPS", Check("7 slow ops, oldest one blocked for 42 sec, mon.a has slow ops")},
          {"PENDING_CREATING_PGS", Check("3 PGs pending on creation", "osd.0 has pending PGs")}});
  EXPECT_THAT(Lines(), ElementsAre("osd.0 SLOW_OPS 0 0 PENDING_CREATING_PGS 3 0",
                                   "mon.a SLOW_OPS 7 42 PENDING_CREATING_PGS 0 0"));
}

TEST_F(ClusterHealthMetricsTest, HowASumIsSharedIsNotKnown) {
  state_.Publish("osd_map", R"({"osds": [{"osd": 0, "up": 1}, {"osd": 1, "up": 1}]})");
  Health({{"SLOW_OPS", Check("9 slow ops, oldest one blocked for 31 sec, daemons [osd.0,osd.1] "
                             "have slow ops.")}});
  EXPECT_THAT(Lines(), ElementsAre("osd.0 SLOW_OPS 1 31 PENDING_CREATING_PGS 0 0",
                                   "osd.1 SLOW_OPS 1 31 PENDING_CREATING_PGS 0 0"));
  Health(nlohmann::json::object());
  EXPECT_THAT(Lines("osd", "0"), ElementsAre("osd.0 SLOW_OPS 0 0 PENDING_CREATING_PGS 0 0"));
}

TEST_F(ClusterHealthMetricsTest, TextsOfAnotherShapeAreNoMetrics) {
  state_.Publish("osd_map", R"({"osds": [{"osd": 0, "up": 1}, 7, {}]})");
  state_.Publish("health", R"({"json": "[1]"})");
  EXPECT_THAT(Lines(), ElementsAre("osd.0 SLOW_OPS 0 0 PENDING_CREATING_PGS 0 0"));
  Health({{"SLOW_OPS", 5}, {"PENDING_CREATING_PGS", {{"detail", 7}}}});
  EXPECT_THAT(Lines(), ElementsAre("osd.0 SLOW_OPS 0 0 PENDING_CREATING_PGS 0 0"));
  state_.Publish("osd_map", "[]");
  EXPECT_THAT(Lines(), IsEmpty());
}

}  // namespace
}  // namespace outpost::cluster
