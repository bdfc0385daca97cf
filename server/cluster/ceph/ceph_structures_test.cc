#include "server/cluster/ceph/ceph_structures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/cluster/ceph/recorded_cluster.h"

namespace outpost::cluster::ceph {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kBriefDump[] = R"({"prefix":"pg dump","dumpcontents":["pgs_brief","osds","pools"]})";
constexpr char kSumDump[] = R"({"prefix":"pg dump","dumpcontents":["sum"],"format":"json"})";

class CephStructuresTest : public testing::Test {
 protected:
  PgStructures Pgs() {
    const absl::StatusOr<StatusSummary> status = ParseStatus(recorded_.Answer("status"));
    EXPECT_TRUE(status.ok()) << status.status();
    json brief = json::parse(kBriefDump);
    brief["format"] = "json";
    const absl::StatusOr<PgStructures> pgs = MakePgStructures(
        recorded_.Run(kSumDump).out, recorded_.Run(brief.dump()).out, status->pgmap);
    EXPECT_TRUE(pgs.ok()) << pgs.status();
    return pgs.ok() ? *pgs : PgStructures();
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
      {"osd dump", "osd_map"},
      {"osd tree", "osd_map_tree"},
      {"osd crush dump", "osd_map_crush"},
      {"fs dump", "fs_map"},
      {"mgr dump", "mgr_map"},
      {"service dump", "service_map"},
      {"df", "df"},
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
  const PgStructures pgs = Pgs();
  EXPECT_EQ(json::parse(pgs.pg_summary), recorded_.Get("pg_summary"));
  EXPECT_EQ(WithSortedStates(json::parse(pgs.pg_status)),
            WithSortedStates(recorded_.Get("pg_status")));
  EXPECT_EQ(json::parse(pgs.osd_stats), recorded_.Get("osd_stats"));
  EXPECT_EQ(json::parse(pgs.pool_stats), recorded_.Get("pool_stats"));
}

TEST_F(CephStructuresTest, BadTextsAreErrorsThatNameWhatIsMissing) {
  for (const char* text : {"", "\n", "{", "[]", "{}", "null", R"({"epoch":"1"})", R"({"epoch":-1})",
                           R"({"health":{"checks":{}}})"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseStatus(text).status())) << text;
    EXPECT_TRUE(absl::IsInvalidArgument(ParseMgrStat(text).status())) << text;
    EXPECT_TRUE(absl::IsInvalidArgument(ParseEpoch(text).status())) << text;
    EXPECT_TRUE(absl::IsInvalidArgument(ParseOsdMap(text).status())) << text;
    EXPECT_TRUE(absl::IsInvalidArgument(MonMapStructure(text).status())) << text;
    EXPECT_TRUE(absl::IsInvalidArgument(MakePgStructures(text, text, text).status())) << text;
  }
  for (const char* text : {"", "{}", "[{}]", R"([{"id":"0"}])", "[1]"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(OsdMetadataStructure(text).status())) << text;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(TextStructure("HEALTH_OK").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(CheckJson("{]")));
  EXPECT_THAT(std::string(ParseMgrStat("{}").status().message()), HasSubstr("mgr stat: epoch"));
}

TEST_F(CephStructuresTest, BadPlacementGroupsAreErrors) {
  const std::string sum = R"({"pg_map":{"pg_stats_sum":{}}})";
  const auto dump = [](absl::string_view pg) {
    return R"({"osd_stats":[],"pool_stats":[],"pool_statfs":[],"pg_stats":[)" + std::string(pg) +
           "]}";
  };
  EXPECT_TRUE(MakePgStructures(sum, dump(R"({"pgid":"1.0","state":"x","acting":[0]})"), "{}").ok());
  EXPECT_TRUE(MakePgStructures(sum, dump(""), "{}").ok());
  for (const char* pg :
       {"{}", "1", R"({"pgid":"x.0","state":"x","acting":[0]})",
        R"({"pgid":"1.0","state":1,"acting":[0]})", R"({"pgid":"1.0","state":"x","acting":0})"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(MakePgStructures(sum, dump(pg), "{}").status())) << pg;
  }
}

}  // namespace
}  // namespace outpost::cluster::ceph
