#include "server/cluster/daemon_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outpost::cluster {
namespace {

using testing::ElementsAre;
using testing::Pair;

std::vector<std::string> Services(const v1::ServerInfo& server) {
  std::vector<std::string> services;
  for (const auto& service : server.services()) {
    services.push_back(service.type() + "." + service.id());
  }
  return services;
}

class DaemonDirectoryTest : public testing::Test {
 protected:
  DaemonDirectoryTest() {
    state_.Publish("osd_metadata",
                   R"({"0": {"hostname": "h1", "ceph_version": "v16", "rotational": 1},
                       "1": {"hostname": "h2"}})");
    state_.Publish("mon_metadata", R"({"a": {"hostname": "h1"}})");
    state_.Publish("service_map", R"({"services": {"rgw": {"daemons": {
        "summary": "", "r1": {"metadata": {"hostname": "h3"}, "task_status": {"phase": "up"}}}}}})");
  }

  ClusterState state_;
  DaemonDirectory directory_{&state_};
};

TEST_F(DaemonDirectoryTest, MetadataOfEveryType) {
  EXPECT_THAT(
      *directory_.Metadata("osd", "0"),
      ElementsAre(Pair("ceph_version", "v16"), Pair("hostname", "h1"), Pair("rotational", "1")));
  EXPECT_THAT(*directory_.Metadata("mon", "a"), ElementsAre(Pair("hostname", "h1")));
  EXPECT_THAT(*directory_.Metadata("rgw", "r1"), ElementsAre(Pair("hostname", "h3")));
  EXPECT_EQ(directory_.Metadata("osd", "7").status(),
            absl::NotFoundError("there is no metadata of osd.7"));
}

TEST_F(DaemonDirectoryTest, StatusOfServices) {
  EXPECT_THAT(*directory_.Status("rgw", "r1"), ElementsAre(Pair("phase", "up")));
  EXPECT_TRUE(directory_.Status("osd", "0")->empty());
  EXPECT_TRUE(absl::IsNotFound(directory_.Status("rgw", "r2").status()));
}

TEST_F(DaemonDirectoryTest, HostsAndTheirDaemons) {
  const auto servers = directory_.Servers();
  ASSERT_EQ(servers.size(), 3u);
  EXPECT_EQ(servers[0].hostname(), "h1");
  EXPECT_EQ(servers[0].version(), "v16");
  EXPECT_THAT(Services(servers[0]), testing::UnorderedElementsAre("mon.a", "osd.0"));
  EXPECT_THAT(Services(*directory_.Server("h3")), ElementsAre("rgw.r1"));
  EXPECT_EQ(directory_.Server("h9").status(),
            absl::NotFoundError("no daemon runs on a host \"h9\""));
}

TEST_F(DaemonDirectoryTest, ChangesAreSeen) {
  ASSERT_TRUE(directory_.Server("h2").ok());
  state_.Publish("osd_metadata", R"({"0": {"hostname": "h1"}})");
  EXPECT_FALSE(directory_.Server("h2").ok());
  EXPECT_FALSE(directory_.Metadata("osd", "1").ok());
}

TEST_F(DaemonDirectoryTest, StructuresOfAnotherShapeAreEmpty) {
  for (const char* text : {"[]", "3", R"({"0": 3})", R"({"services": []})",
                           R"({"services": {"rgw": {"daemons": {"x": 1}}}})"}) {
    state_.Publish("osd_metadata", text);
    state_.Publish("service_map", text);
    EXPECT_TRUE(directory_.Server("h1").ok()) << text;
    EXPECT_FALSE(directory_.Server("h3").ok()) << text;
  }
}

TEST_F(DaemonDirectoryTest, WhatADaemonReportsItselfCountsMore) {
  directory_.SetReported("osd", "0", {{"hostname", "h9"}}, {{"state", "busy"}});
  directory_.SetReported("backup", "a", {{"hostname", "h1"}}, {});
  EXPECT_THAT(*directory_.Metadata("osd", "0"), ElementsAre(Pair("hostname", "h9")));
  EXPECT_THAT(*directory_.Status("osd", "0"), ElementsAre(Pair("state", "busy")));
  EXPECT_THAT(Services(*directory_.Server("h1")), ElementsAre("mon.a", "backup.a"));
  EXPECT_THAT(Services(*directory_.Server("h9")), ElementsAre("osd.0"));
  EXPECT_TRUE(directory_.InStructures("osd", "0"));
  EXPECT_FALSE(directory_.InStructures("backup", "a"));
  directory_.RemoveReported("osd", "0");
  directory_.RemoveReported("backup", "a");
  EXPECT_THAT(Services(*directory_.Server("h1")), ElementsAre("mon.a", "osd.0"));
  EXPECT_TRUE(absl::IsNotFound(directory_.Server("h9").status()));
  EXPECT_TRUE(absl::IsNotFound(directory_.Metadata("backup", "a").status()));
}

}  // namespace
}  // namespace outpost::cluster
