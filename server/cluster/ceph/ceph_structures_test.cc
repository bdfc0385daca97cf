#include "server/cluster/ceph/ceph_structures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "server/cluster/ceph/pg_structures.h"
#include "server/cluster/ceph/recorded_cluster.h"
#include "server/cluster/ceph/whole_floats.h"

namespace outpost::cluster::ceph {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

class CephStructuresTest : public testing::Test {
 protected:
  std::map<std::string, std::string> Pgs() {
    const absl::StatusOr<StatusSummary> status = ParseStatus(recorded_.Answer("status"));
    EXPECT_TRUE(status.ok()) << status.status();
    const absl::StatusOr<PgStructures> pgs =
        MakePgStructures(recorded_.Answer("pg dump"), status->pgmap);
    EXPECT_TRUE(pgs.ok()) << pgs.status();
    if (!pgs.ok()) return {};
    return {pgs->begin(), pgs->end()};
  }

  RecordedCluster recorded_;
};

// ceph-mgr lists the states of a pool by their bits, we by their names.
json WithSortedStates(json pg_status) {
  for (json& pool : pg_status.at("pgs_by_pool_state")) {
    json& states = pool.at("pg_state_counts");
    std::sort(states.begin(), states.end());
  }
  return pg_status;
}

TEST_F(CephStructuresTest, StatusTellsWhatHasChanged) {
  const absl::StatusOr<StatusSummary> status = ParseStatus(recorded_.Answer("status"));
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(status->monmap_epoch, recorded_.Get("mon_map").at("epoch"));
  EXPECT_EQ(status->osdmap_epoch, recorded_.Get("osd_map").at("epoch"));
  EXPECT_EQ(status->fsmap_epoch, recorded_.Get("fs_map").at("epoch"));
  EXPECT_EQ(status->servicemap_epoch, recorded_.Get("service_map").at("epoch"));
  EXPECT_THAT(status->quorum, ElementsAre("a"));
  EXPECT_FALSE(status->healthy);
  EXPECT_THAT(status->health, HasSubstr("OSD_DOWN"));
  EXPECT_EQ(json::parse(status->pgmap).at("num_pgs"), 4);
}

TEST_F(CephStructuresTest, MgrStatGivesTheEpochOfMgrMap) {
  const absl::StatusOr<MgrStat> stat = ParseMgrStat(recorded_.Answer("mgr stat"));
  ASSERT_TRUE(stat.ok()) << stat.status();
  EXPECT_EQ(stat->epoch, recorded_.Get("mgr_map").at("epoch"));
  EXPECT_TRUE(stat->available);
}

TEST_F(CephStructuresTest, OsdMapGivesBoots) {
  const json& map = recorded_.Get("osd_map");
  const absl::StatusOr<OsdMapFacts> facts = ParseOsdMap(recorded_.Answer("osd dump"));
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->epoch, map.at("epoch"));
  EXPECT_EQ(facts->crush_version, map.at("crush_version"));
  ASSERT_EQ(facts->boots.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    const json& osd = map.at("osds").at(i);
    EXPECT_EQ(facts->boots[i],
              std::tuple(i, osd.at("uuid").get<std::string>(), osd.at("up_from").get<uint64_t>()));
  }
}

TEST_F(CephStructuresTest, DumpsHaveTheShapeOfGetAlready) {
  const std::pair<const char*, const char*> same[] = {
      {"osd dump", "osd_map"}, {"osd crush dump", "osd_map_crush"}, {"fs dump", "fs_map"},
      {"mgr dump", "mgr_map"}, {"service dump", "service_map"},     {"df", "df"},
  };
  for (const auto& [prefix, structure] : same) {
    EXPECT_EQ(json::parse(recorded_.Answer(prefix)), recorded_.Get(structure)) << structure;
  }
}

TEST_F(CephStructuresTest, MonMapIsWhatGetGives) {
  const absl::StatusOr<std::string> map = MonMapStructure(recorded_.Answer("mon dump"));
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_EQ(json::parse(*map), recorded_.Get("mon_map"));
}

TEST_F(CephStructuresTest, OsdMetadataIsWhatGetGives) {
  const absl::StatusOr<std::string> metadata =
      OsdMetadataStructure(recorded_.Answer("osd metadata"));
  ASSERT_TRUE(metadata.ok()) << metadata.status();
  EXPECT_EQ(json::parse(*metadata), recorded_.Get("osd_metadata"));
}

TEST_F(CephStructuresTest, HealthIsWhatGetGives) {
  const absl::StatusOr<std::string> health = TextStructure(recorded_.Answer("health") + "\n");
  ASSERT_TRUE(health.ok()) << health.status();
  const json structure = json::parse(*health);
  ASSERT_EQ(structure.size(), 1u);
  EXPECT_EQ(json::parse(structure.at("json").get<std::string>()),
            json::parse(recorded_.Get("health").at("json").get<std::string>()));
}

TEST_F(CephStructuresTest, MonStatusHasTheKeysOfGet) {
  const absl::StatusOr<std::string> status = TextStructure(recorded_.Answer("mon_status"));
  ASSERT_TRUE(status.ok()) << status.status();
  json ours = json::parse(json::parse(*status).at("json").get<std::string>());
  json theirs = json::parse(recorded_.Get("mon_status").at("json").get<std::string>());
  // They differ by when, and by whose connections, they were taken.
  for (json* value : {&ours, &theirs}) {
    (*value)["quorum_age"] = 0;
    (*value)["feature_map"] = 0;
  }
  EXPECT_EQ(ours, theirs);
}

TEST_F(CephStructuresTest, PgStructuresAreWhatGetGives) {
  // They tell when they were taken, and the counts of messages meanwhile.
  const auto timeless = [](json value) {
    for (const char* key : {"stamp", "version", "pg_stats_delta"}) value.erase(key);
    for (json& osd : value["osd_stats"]) osd.erase("seq");
    return value;
  };
  const std::map<std::string, std::string> pgs = Pgs();
  EXPECT_EQ(pgs.size(), 11u);
  for (const auto& [name, text] : pgs) {
    json ours = json::parse(text);
    json theirs = recorded_.Get(name);
    if (name == "pg_status") {
      ours = WithSortedStates(ours);
      theirs = WithSortedStates(theirs);
    } else if (name == "pg_dump" || name == "osd_stats") {
      ours = timeless(ours);
      theirs = timeless(theirs);
    } else if (name == "io_rate" || name == "osd_ping_times") {
      continue;  // new at each moment; see ThePingTimesAreThoseOfTheDump
    }
    EXPECT_EQ(ours, theirs) << name;
  }
}

TEST_F(CephStructuresTest, ThePingTimesAreThoseOfTheDump) {
  const std::map<std::string, std::string> pgs = Pgs();
  const json dump = json::parse(recorded_.Answer("pg dump")).at("pg_map");
  const json times = json::parse(pgs.at("osd_ping_times")).at("osd_ping_times");
  ASSERT_EQ(times.size(), dump.at("osd_stats").size());
  for (size_t i = 0; i < times.size(); ++i) {
    const json& osd = dump.at("osd_stats").at(i);
    EXPECT_EQ(times.at(i).at("osd"), osd.at("osd"));
    EXPECT_EQ(times.at(i).at("network_ping_times"), osd.at("network_ping_times"));
  }
  EXPECT_EQ(json::parse(pgs.at("io_rate")).at("pg_stats_delta"), dump.at("pg_stats_delta"));
}

TEST_F(CephStructuresTest, TheTreeIsWhatGetGives) {
  const absl::StatusOr<std::string> tree =
      OsdTreeStructure(recorded_.Answer("osd dump"), recorded_.Answer("osd crush dump"));
  ASSERT_TRUE(tree.ok()) << tree.status();
  EXPECT_EQ(json::parse(*tree), recorded_.Get("osd_map_tree"));
  EXPECT_EQ(json::parse(*tree), json::parse(recorded_.Answer("osd tree")));
}

// What the monitor's own `osd tree` aborts at.
TEST_F(CephStructuresTest, ATreeOfAMapThatDoesNotFitIsData) {
  const std::string osds = R"({"osds":[{"osd":0,"up":1,"weight":1,"primary_affinity":0.5},
      {"osd":3,"up":0,"weight":0,"state":["destroyed","exists"]}]})";
  const std::string crush = R"({"types":[{"type_id":0,"name":"osd"}],
      "devices":[{"id":0,"name":"osd.0","class":"ssd"},{"id":7,"name":"osd.7"}],
      "buckets":[{"id":-1,"name":"default","type_id":11,"type_name":"root","items":[
          {"id":7,"weight":131072},{"id":0,"weight":65536},{"id":-9,"weight":1},
          {"id":-1,"weight":1}]},
        {"id":-2,"name":"default~ssd","type_id":11,"type_name":"root","items":[]},
        {"id":-3,"name":"empty","type_id":11,"type_name":"root","items":[]}]})";
  const absl::StatusOr<std::string> tree = OsdTreeStructure(osds, crush);
  ASSERT_TRUE(tree.ok()) << tree.status();
  const json made = json::parse(*tree);
  // A bucket within itself is nobody's root.
  EXPECT_EQ(made.at("nodes").size(), 1u) << made;
  const absl::StatusOr<std::string> straight = OsdTreeStructure(
      osds, absl::StrReplaceAll(crush, {{R"("id":-1,"weight")", R"("id":-8,"weight")"}}));
  ASSERT_TRUE(straight.ok()) << straight.status();
  const json nodes = json::parse(*straight).at("nodes");
  ASSERT_EQ(nodes.size(), 4u) << nodes;
  EXPECT_EQ(nodes[0].at("name"), "empty");
  EXPECT_EQ(nodes[1].at("children"), json::parse("[0, 7]"));
  EXPECT_EQ(nodes[2], json::parse(R"({"id":7,"name":"osd.7","type":"osd","type_id":0,
      "crush_weight":2.0,"depth":1,"exists":0,"status":"down","reweight":0.0,
      "primary_affinity":1.0,"pool_weights":{}})"));
  EXPECT_EQ(nodes[3].at("status"), "up");
  EXPECT_EQ(nodes[3].at("device_class"), "ssd");
  const json stray = json::parse(*straight).at("stray");
  ASSERT_EQ(stray.size(), 1u);
  EXPECT_EQ(stray[0].at("status"), "destroyed");
}

// As a monitor of Ceph 16.2.15 said of such a map.
TEST_F(CephStructuresTest, TheTreeHasTheWeightsThatAreSetForPools) {
  const absl::StatusOr<std::string> tree = OsdTreeStructure(
      R"({"osds":[{"osd":0,"up":1,"weight":1},{"osd":1,"up":1,"weight":1}],
          "pools":[{"pool":1,"pool_name":"rbd"},{"pool":2,"pool_name":"other"}]})",
      R"({"types":[{"type_id":0,"name":"osd"}],
          "devices":[{"id":0,"name":"osd.0"},{"id":1,"name":"osd.1"}],
          "buckets":[
            {"id":-1,"name":"default","type_id":11,"type_name":"root",
             "items":[{"id":-2,"weight":131072,"pos":0}]},
            {"id":-2,"name":"localhost","type_id":1,"type_name":"host",
             "items":[{"id":0,"weight":65536,"pos":0},{"id":1,"weight":65536,"pos":1}]}],
          "choose_args":{
            "-1":[{"bucket_id":-1,"weight_set":[[1.75]]},{"bucket_id":-2,"weight_set":[[1,0.75]]}],
            "1":[{"bucket_id":-1,"weight_set":[[1.5],[1.25]]},
                 {"bucket_id":-2,"weight_set":[[0.5,1],[0.25,1]]}],
            "7":[{"bucket_id":-2,"weight_set":[[2,"x"],[]]},{"bucket_id":-1,"ids":[-1]},{},3]}})");
  ASSERT_TRUE(tree.ok()) << tree.status();
  const json nodes = json::parse(*tree).at("nodes");
  ASSERT_EQ(nodes.size(), 4u) << nodes;
  EXPECT_FALSE(nodes[0].contains("pool_weights")) << "a root has none";
  EXPECT_EQ(nodes[1].at("pool_weights"), json::parse(R"x({"(compat)":[1.75],"rbd":[1.5,1.25]})x"));
  EXPECT_EQ(nodes[2].at("pool_weights"),
            json::parse(R"x({"(compat)":[1.0],"rbd":[0.5,0.25],"7":[2.0]})x"));
  EXPECT_EQ(nodes[3].at("pool_weights"),
            json::parse(R"x({"(compat)":[0.75],"rbd":[1.0,1.0],"7":[]})x"));
  EXPECT_THAT(*tree, HasSubstr(R"x("pool_weights":{"(compat)":[1.0],"rbd")x"));
}

TEST_F(CephStructuresTest, MgrIpsAreOfEachFormOfAddress) {
  const std::pair<const char*, const char*> cases[] = {
      {"127.0.0.1:0/123", R"({"ips":["127.0.0.1"]})"},
      {"[v2:127.0.0.1:6800/1,v1:127.0.0.1:6801/1]", R"({"ips":["127.0.0.1"]})"},
      {"v2:[fe80::1]:0/7", R"({"ips":["fe80::1"]})"},
      {"10.0.0.1:0/1,[::1]:0/1", R"({"ips":["10.0.0.1","::1"]})"},
      {"", R"({"ips":[]})"},
  };
  for (const auto& [addresses, ips] : cases) EXPECT_EQ(MgrIpsStructure(addresses), ips);
}

TEST_F(CephStructuresTest, ConfigHasTheValuesOfTheMgr) {
  const absl::StatusOr<std::string> config = ConfigStructure(
      R"([{"name":"keyring","value":"/etc/$cluster/$name.keyring","source":"file"},
          {"name":"mgr_data","value":"/var/$type.$id"},{"name":"fsid","value":"0000"}])",
      "x", "ceph", "f51d");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(json::parse(*config), json::parse(R"({"name":"mgr.x","cluster":"ceph",
      "keyring":"/etc/ceph/mgr.x.keyring","mgr_data":"/var/mgr.x","fsid":"f51d"})"));
  EXPECT_TRUE(absl::IsInvalidArgument(ConfigStructure("[{}]", "x", "ceph", "").status()));
}

TEST_F(CephStructuresTest, WholeNumbersThatAreNoIntegersGetAPoint) {
  EXPECT_EQ(WithPoints("osd_map", R"({"weight":1,"up":1,"a":["weight",1,"x\"weight"],)"
                                  R"("b":{"weight": 0.5},"full_ratio":1e3,"primary_affinity":-1})"),
            R"({"weight":1.0,"up":1,"a":["weight",1,"x\"weight"],)"
            R"("b":{"weight": 0.5},"full_ratio":1e3,"primary_affinity":-1.0})");
  EXPECT_EQ(WithPoints("osd_map_crush", R"({"a":[{"weight_set": [[1,0.75],[ 2] ],"b":[1]},{}]})"),
            R"({"a":[{"weight_set": [[1.0,0.75],[ 2.0] ],"b":[1]},{}]})");
  EXPECT_EQ(WithPoints("osd_map_crush", R"({"weight_set":[],"weight_set":[[1,)"),
            R"({"weight_set":[],"weight_set":[[1.0,)");
  EXPECT_EQ(WithPoints("mon_map", R"({"weight":1})"), R"({"weight":1})");
  EXPECT_EQ(WithPoints("osd_map", R"({"weight":"1","weight)"), R"({"weight":"1","weight)");
  EXPECT_EQ(WithPoints("osd_map", ""), "");
}

TEST_F(CephStructuresTest, BadTextsAreErrorsThatNameWhatIsMissing) {
  for (const char* text : {"", "\n", "{", "[]", "{}", "null", R"({"epoch":"1"})", R"({"epoch":-1})",
                           R"({"health":{"checks":{}}})"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseStatus(text).status())) << text;
    EXPECT_TRUE(absl::IsInvalidArgument(ParseMgrStat(text).status())) << text;
    EXPECT_TRUE(absl::IsInvalidArgument(ParseEpoch(text).status())) << text;
    EXPECT_TRUE(absl::IsInvalidArgument(ParseOsdMap(text).status())) << text;
    EXPECT_TRUE(absl::IsInvalidArgument(MonMapStructure(text).status())) << text;
    EXPECT_TRUE(absl::IsInvalidArgument(MakePgStructures(text, text).status())) << text;
  }
  for (const char* text : {"", "{}", "[{}]", R"([{"id":"0"}])", "[1]"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(OsdMetadataStructure(text).status())) << text;
  }
  for (const char* text : {"", "{}", "{]", R"([{"name":1}])", R"([{"name":"x"}])", "[1]"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(LocalOptionNames(text).status())) << text;
    EXPECT_TRUE(absl::IsInvalidArgument(CentralOptionNames(text).status())) << text;
    EXPECT_TRUE(absl::IsInvalidArgument(OsdTreeStructure(text, text).status())) << text;
  }
  for (const char* text : {"", "{}", R"([{}])", R"([{"version":"1"}])"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseConfigVersion(text).status())) << text;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(ListStructure("device ls", "devices", "{}").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(TextStructure("HEALTH_OK").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(CheckJson("{]")));
  EXPECT_THAT(std::string(ParseMgrStat("{}").status().message()), HasSubstr("mgr stat: epoch"));
}

TEST_F(CephStructuresTest, BadPlacementGroupsAreErrors) {
  const auto dump = [](absl::string_view pg) {
    return R"({"pg_ready":true,"pg_map":{"pg_stats_sum":{},"pg_stats_delta":{},"osd_stats":[],)"
           R"("pool_stats":[],"pool_statfs":[],"pg_stats":[)" +
           std::string(pg) + "]}}";
  };
  EXPECT_TRUE(MakePgStructures(dump(R"({"pgid":"1.0","state":"x","acting":[0]})"), "{}").ok());
  EXPECT_TRUE(MakePgStructures(dump(""), "{}").ok());
  for (const char* pg :
       {"{}", "1", R"({"pgid":"x.0","state":"x","acting":[0]})",
        R"({"pgid":"1.0","state":1,"acting":[0]})", R"({"pgid":"1.0","state":"x","acting":0})"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(MakePgStructures(dump(pg), "{}").status())) << pg;
  }
}

}  // namespace
}  // namespace outpost::cluster::ceph
