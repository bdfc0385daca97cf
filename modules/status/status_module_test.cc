// The module against a manager with a small cluster. The tables are those that
// Ceph's status module prints for the same data, without colours, except that an
// OSD without statistics has "-" and not 0.
#include "modules/status/status_module.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "outpost/testing/fake_manager.h"
#include "outpost/testing/running_module.h"

namespace status {
namespace {

using outpost::CommandResult;
using outpost::Json;
using outpost::testing::FakeManager;
using outpost::testing::RunningModule;
using ::testing::HasSubstr;

class StatusModuleTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(manager_, nullptr);
    manager_->SetStructure("osd_map", Json::parse(R"({
        "osds": [{"osd": 0, "state": ["exists", "up"]}, {"osd": 1, "state": ["exists"]},
                 {"osd": 12, "state": ["exists", "up"]}],
        "pools": [{"pool": 1, "pool_name": "meta"}, {"pool": 2, "pool_name": "data.fast"}]})"));
    manager_->SetStructure("osd_map_tree", Json::parse(R"({"nodes": [
        {"id": -1, "name": "default", "type": "root", "children": [-3, -2]},
        {"id": -2, "name": "host1", "type": "host", "children": [0]},
        {"id": 0, "name": "osd.0", "type": "osd"},
        {"id": -3, "name": "host2", "type": "host", "children": [12, 1]},
        {"id": 1, "name": "osd.1", "type": "osd"},
        {"id": 12, "name": "osd.12", "type": "osd"}], "stray": []})"));
    manager_->SetStructure("osd_stats", Json::parse(R"({"osd_stats": [
        {"osd": 0, "kb_used": 1048576, "kb_avail": 9437184},
        {"osd": 12, "kb_used": 20, "kb_avail": 104857600}]})"));
    manager_->SetStructure("osd_metadata", Json::parse(R"({
        "0": {"hostname": "host1"}, "12": {"hostname": "host2"}})"));
    manager_->SetCounter("osd", "0", "osd.op_w", 100, 150, 5);
    manager_->SetCounter("osd", "0", "osd.op_rw", 0, 5, 5);
    manager_->SetCounter("osd", "0", "osd.op_in_bytes", 0, 512000, 5);
    manager_->SetCounter("osd", "12", "osd.op_r", 0, 100000, 5);
    module_ = std::make_unique<RunningModule<StatusModule>>(manager_->address());
    ASSERT_TRUE(manager_->WaitForModule());
  }

  void AddFileSystem() {
    manager_->SetStructure("df", Json::parse(R"({"pools": [
        {"id": 1, "stats": {"bytes_used": 123456, "max_avail": 5368709120}},
        {"id": 2, "stats": {"bytes_used": 987654321, "max_avail": 5368709120}}]})"));
    manager_->SetStructure("fs_map", Json::parse(R"({"filesystems": [{"mdsmap": {
        "fs_name": "home", "in": [0, 1], "up": {"mds_0": 4100},
        "info": {"gid_4100": {"name": "alpha", "state": "up:active", "rank": 0},
                 "gid_4101": {"name": "beta", "state": "up:standby-replay", "rank": 0}},
        "metadata_pool": 1, "data_pools": [2]}}], "standbys": [{"name": "gamma"}]})"));
    manager_->SetMetadata("mds", "alpha", {{"ceph_version", "v1"}});
    manager_->SetMetadata("mds", "beta", {{"ceph_version", "v1"}});
    manager_->SetMetadata("mds", "gamma", {{"ceph_version", "v2"}});
    manager_->SetCounter("mds", "alpha", "mds_mem.dn", 1, 12, 5);
    manager_->SetCounter("mds", "alpha", "mds_mem.ino", 1, 15, 5);
    manager_->SetCounter("mds", "alpha", "mds_mem.cap", 1, 123456, 5);
    manager_->SetCounter("mds", "alpha", "mds_sessions.session_count", 1, 2, 5);
    manager_->SetCounter("mds", "alpha", "mds_server.handle_client_request", 0, 500, 5);
    manager_->SetCounter("mds", "beta", "mds_log.replayed", 0, 25, 5);
  }

  std::unique_ptr<FakeManager> manager_ = FakeManager::Start();
  std::unique_ptr<RunningModule<StatusModule>> module_;
};

TEST_F(StatusModuleTest, OsdStatusOfAll) {
  const CommandResult result = manager_->RunCommand({{"prefix", "osd status"}});
  EXPECT_EQ(result.retval, 0) << result.err;
  EXPECT_EQ(result.out,
            "ID  HOST    USED  AVAIL  WR OPS  WR DATA  RD OPS  RD DATA  STATE      \n"
            " 0  host1  1024M  9216M     11      100k      0        0   exists,up  \n"
            " 1             -      -      0        0       0        0   exists     \n"
            "12  host2  20.0k   100G      0        0    20.0k       0   exists,up  ");
}

TEST_F(StatusModuleTest, OsdStatusOfABucketAndAllBelowIt) {
  const auto ids = [this](const std::string& bucket) {
    const CommandResult result =
        manager_->RunCommand({{"prefix", "osd status"}, {"bucket", bucket}, {"format", "json"}});
    std::vector<int> ids;
    const Json answer = Json::parse(result.out);
    for (const Json& osd : answer.at("osds")) ids.push_back(osd.at("id"));
    return ids;
  };
  EXPECT_THAT(ids("host2"), ::testing::ElementsAre(1, 12));
  EXPECT_THAT(ids("default"), ::testing::ElementsAre(0, 1, 12));
  EXPECT_THAT(ids("host*"), ::testing::ElementsAre(0, 1, 12));
  EXPECT_THAT(ids("osd.12"), ::testing::ElementsAre(12));
  const CommandResult unknown =
      manager_->RunCommand({{"prefix", "osd status"}, {"bucket", "host3"}});
  EXPECT_EQ(unknown.retval, -ENOENT);
  EXPECT_EQ(unknown.err, "Bucket 'host3' not found (there are: default, host1, host2)");
}

TEST_F(StatusModuleTest, OsdStatusAsJson) {
  const CommandResult result =
      manager_->RunCommand({{"prefix", "osd status"}, {"format", "json-pretty"}});
  const Json osds = Json::parse(result.out).at("osds");
  EXPECT_EQ(osds.at(0), Json::parse(R"({"id": 0, "host": "host1", "used_bytes": 1073741824,
      "avail_bytes": 9663676416, "write_ops_per_sec": 11, "write_bytes_per_sec": 102400,
      "read_ops_per_sec": 0, "read_bytes_per_sec": 0, "state": ["exists", "up"]})"));
  EXPECT_TRUE(osds.at(1).at("used_bytes").is_null());
  EXPECT_THAT(result.out, HasSubstr("\n        {\n"));
  const CommandResult toml = manager_->RunCommand({{"prefix", "osd status"}, {"format", "toml"}});
  EXPECT_EQ(toml.retval, -EINVAL);
  EXPECT_THAT(toml.err, HasSubstr("plain, json, json-compact, json-pretty, yaml, xml"));
}

TEST_F(StatusModuleTest, OsdStatusWithOddData) {
  manager_->SetStructure("osd_stats", Json::parse(R"({"osd_stats": "none"})"));
  manager_->SetStructure("osd_map",
                         Json::parse(R"({"osds": [{"osd": 3}, {"osd": "x", "state": 5}, 7]})"));
  const CommandResult result = manager_->RunCommand({{"prefix", "osd status"}});
  EXPECT_EQ(result.retval, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("\n 3 "));
}

TEST_F(StatusModuleTest, FsStatusOfAll) {
  AddFileSystem();
  const CommandResult result = manager_->RunCommand({{"prefix", "fs status"}});
  EXPECT_EQ(result.retval, 0) << result.err;
  EXPECT_EQ(result.out,
            "home - 2 clients\n"
            "====\n"
            "RANK      STATE        MDS      ACTIVITY     DNS    INOS   DIRS   CAPS  \n"
            " 0        active      alpha  Reqs:  100 /s    12     15      0    123k  \n"
            " 1        failed                                                        \n"
            "0-s   standby-replay   beta  Evts:    5 /s     0      0      0      0   \n"
            "   POOL      TYPE     USED  AVAIL  \n"
            "   meta    metadata   120k  5120M  \n"
            "data.fast    data     941M  5120M  \n"
            "\n"
            "STANDBY MDS  \n"
            "   gamma     \n"
            "VERSION    DAEMONS    \n"
            "   v1    alpha, beta  \n"
            "   v2       gamma     \n");
}

TEST_F(StatusModuleTest, FsStatusAsJson) {
  AddFileSystem();
  const CommandResult result =
      manager_->RunCommand({{"prefix", "fs status"}, {"fs", "home"}, {"format", "json"}});
  EXPECT_EQ(Json::parse(result.out), Json::parse(R"({
      "clients": [{"clients": 2, "fs": "home"}],
      "mds_version": [{"daemons": ["alpha", "beta"], "version": "v1"},
                      {"daemons": ["gamma"], "version": "v2"}],
      "mdsmap": [
        {"caps": 123456, "dirs": 0, "dns": 12, "inos": 15, "name": "alpha", "rank": 0,
         "rate": 100, "state": "active"},
        {"rank": 1, "state": "failed"},
        {"caps": 0, "dirs": 0, "dns": 0, "events": 5, "inos": 0, "name": "beta", "rank": 0,
         "state": "standby-replay"},
        {"name": "gamma", "state": "standby"}],
      "pools": [
        {"avail": 5368709120, "id": 1, "name": "meta", "type": "metadata", "used": 123456},
        {"avail": 5368709120, "id": 2, "name": "data.fast", "type": "data", "used": 987654321}]})"));
}

TEST_F(StatusModuleTest, FsStatusOfNoneAndOfAnUnknownOne) {
  manager_->SetStructure("fs_map", Json::parse(R"({"filesystems": [], "standbys": []})"));
  const CommandResult none = manager_->RunCommand({{"prefix", "fs status"}});
  EXPECT_EQ(none.retval, 0);
  EXPECT_EQ(none.out, "\nSTANDBY MDS  \n");
  AddFileSystem();
  const CommandResult unknown = manager_->RunCommand({{"prefix", "fs status"}, {"fs", "work"}});
  EXPECT_EQ(unknown.retval, -EINVAL);
  EXPECT_EQ(unknown.err, "Invalid filesystem: work (there are: home)");
}

}  // namespace
}  // namespace status
