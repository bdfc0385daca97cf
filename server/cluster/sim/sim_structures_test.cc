#include "server/cluster/sim/sim_structures.h"

#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "server/cluster/sim/json_writer.h"
#include "server/cluster/sim/sim_health.h"
#include "server/cluster/sim/sim_model.h"

namespace outpost::cluster::sim {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;

SimOptions Options(int osds) {
  SimOptions options;
  options.osds = osds;
  options.failures_per_hour = 0;
  return options;
}

const Structure& Find(absl::string_view name) {
  for (const Structure& structure : Structures()) {
    if (name == structure.name) return structure;
  }
  ADD_FAILURE() << "no structure " << name;
  return Structures()[0];
}

json Get(const Model& model, absl::string_view name) {
  json value = json::parse(Render(Find(name), model.cluster()), nullptr, false);
  EXPECT_FALSE(value.is_discarded()) << name;
  return value;
}

std::set<std::string> Keys(const json& object) {
  std::set<std::string> keys;
  for (const auto& item : object.items()) keys.insert(item.key());
  return keys;
}

TEST(SimStructuresTest, AllOfThemAreJsonWhateverTheClusterIs) {
  for (const int osds : {1, 3, 50}) {
    for (const int pools : {0, 3}) {
      SimOptions options = Options(osds);
      options.pools = pools;
      Model model(options);
      model.SetFlags(kNoUp);
      model.MarkDown({0});
      model.Advance(absl::Minutes(20));
      for (const Structure& structure : Structures()) {
        const json value = Get(model, structure.name);
        const bool is_text = absl::EndsWith(structure.name, "_crush_map_text");
        EXPECT_TRUE(is_text ? value.is_string() : value.is_object()) << structure.name;
      }
    }
  }
}

// The keys of ceph-mgr 16.2.15's osd_map.
TEST(SimStructuresTest, TheOsdMapHasCephsKeys) {
  const json map = Get(Model(Options(3)), "osd_map");
  EXPECT_EQ(Keys(map), (std::set<std::string>{"epoch",
                                              "flags",
                                              "flags_num",
                                              "flags_set",
                                              "crush_version",
                                              "full_ratio",
                                              "backfillfull_ratio",
                                              "nearfull_ratio",
                                              "cluster_snapshot",
                                              "pool_max",
                                              "max_osd",
                                              "require_min_compat_client",
                                              "min_compat_client",
                                              "require_osd_release",
                                              "pools",
                                              "osds",
                                              "osd_xinfo",
                                              "pg_upmap",
                                              "pg_upmap_items",
                                              "pg_temp",
                                              "primary_temp",
                                              "blocklist",
                                              "range_blocklist",
                                              "erasure_code_profiles",
                                              "removed_snaps_queue",
                                              "new_removed_snaps",
                                              "new_purged_snaps",
                                              "crush_node_flags",
                                              "device_class_flags",
                                              "stretch_mode",
                                              "fsid",
                                              "created",
                                              "modified",
                                              "last_up_change",
                                              "last_in_change"}));
  EXPECT_EQ(Keys(map["osds"][0]), (std::set<std::string>{"osd",
                                                         "up",
                                                         "in",
                                                         "weight",
                                                         "primary_affinity",
                                                         "last_clean_begin",
                                                         "last_clean_end",
                                                         "up_from",
                                                         "up_thru",
                                                         "down_at",
                                                         "lost_at",
                                                         "public_addrs",
                                                         "cluster_addrs",
                                                         "heartbeat_back_addrs",
                                                         "heartbeat_front_addrs",
                                                         "state",
                                                         "uuid",
                                                         "public_addr",
                                                         "cluster_addr",
                                                         "heartbeat_back_addr",
                                                         "heartbeat_front_addr"}));
  EXPECT_TRUE(map["osds"][0]["weight"].is_number_float());
  EXPECT_THAT(map["osds"][0]["state"], ElementsAre("exists", "up"));
  EXPECT_EQ(map["flags_num"], 5799936);  // sortbitwise, recovery_deletes, purged_snapdirs, pglog_…
}

TEST(SimStructuresTest, TheyAgreeWithEachOther) {
  SimOptions options = Options(23);
  options.hosts = 5;
  options.pools = 3;
  Model model(options);
  model.MarkOut({3, 4});
  model.SetFlags(kNoUp);
  model.MarkDown({5});
  model.Advance(absl::Seconds(3));

  const json map = Get(model, "osd_map");
  const json tree = Get(model, "osd_map_tree");
  const json crush = Get(model, "osd_map_crush");
  const json df = Get(model, "df");
  const json stats = Get(model, "osd_stats");
  const json pools = Get(model, "pool_stats");
  const json pgs = Get(model, "pg_stats");
  const json summary = Get(model, "pg_summary");

  int in = 0;
  int up = 0;
  for (const json& osd : map["osds"]) {
    in += osd["in"].get<int>();
    up += osd["up"].get<int>();
  }
  EXPECT_EQ(map["osds"].size(), 23u);
  EXPECT_EQ(in, 21);
  EXPECT_EQ(up, 22);
  EXPECT_EQ(Get(model, "osd_metadata").size(), 23u);
  EXPECT_EQ(crush["devices"].size(), 23u);
  EXPECT_EQ(df["stats"]["num_osds"], in);

  std::set<int> in_tree;
  std::set<int> hosts;
  for (const json& node : tree["nodes"]) {
    if (node["type"] == "osd") {
      const int id = node["id"];
      in_tree.insert(id);
      EXPECT_EQ(node["status"], map["osds"][id]["up"] == 1 ? "up" : "down");
      EXPECT_EQ(node["reweight"], map["osds"][id]["weight"]);
    } else if (node["type"] == "host") {
      hosts.insert(node["id"].get<int>());
    }
  }
  EXPECT_EQ(in_tree.size(), 23u);
  EXPECT_EQ(hosts.size(), 5u);
  EXPECT_EQ(tree["nodes"][0]["children"].size(), 5u);

  uint64_t total_kb = 0;
  uint64_t used_kb = 0;
  for (const json& osd : stats["osd_stats"]) {
    total_kb += osd["kb"].get<uint64_t>();
    used_kb += osd["kb_used"].get<uint64_t>();
  }
  EXPECT_EQ(total_kb, df["stats"]["total_bytes"].get<uint64_t>() >> 10);
  EXPECT_EQ(used_kb, df["stats"]["total_used_bytes"].get<uint64_t>() >> 10);

  uint64_t objects = 0;
  for (const json& pool : pools["pool_stats"]) {
    objects += pool["stat_sum"]["num_objects"].get<uint64_t>();
  }
  uint64_t objects_of_pgs = 0;
  for (const json& pg : pgs["pg_stats"]) {
    objects_of_pgs += pg["stat_sum"]["num_objects"].get<uint64_t>();
  }
  EXPECT_GT(objects, 0u);
  EXPECT_EQ(objects_of_pgs, objects);
  EXPECT_EQ(summary["pg_stats_sum"]["stat_sum"]["num_objects"], objects);
  EXPECT_EQ(pgs["pg_stats"].size(), 96u);
  int counted = 0;
  for (const json& count : summary["all"]) counted += count.get<int>();
  EXPECT_EQ(counted, 96);
}

TEST(SimStructuresTest, WhatIsAskedOfPgsThatServeNobodyIsSlow) {
  Model model(Options(3));
  model.SetFlags(kNoOut | kNoUp);
  model.MarkDown({1, 2});
  model.Advance(absl::Seconds(45));
  const json health = json::parse(Get(model, "health")["json"].get<std::string>());
  ASSERT_TRUE(health["checks"].contains("SLOW_OPS")) << health;
  const std::string summary = health["checks"]["SLOW_OPS"]["summary"]["message"];
  EXPECT_TRUE(
      absl::EndsWith(summary, " slow ops, oldest one blocked for 40 sec, osd.0 has slow ops"))
      << summary;
}

TEST(SimStructuresTest, HealthIsJsonInJson) {
  Model model(Options(3));
  json health = json::parse(Get(model, "health")["json"].get<std::string>());
  EXPECT_EQ(health["status"], "HEALTH_OK");
  EXPECT_TRUE(health["checks"].empty());

  model.SetFlags(kNoOut | kNoUp);
  model.MarkDown({2});
  health = json::parse(Get(model, "health")["json"].get<std::string>());
  EXPECT_EQ(health["status"], "HEALTH_WARN");
  EXPECT_EQ(Keys(health["checks"]),
            (std::set<std::string>{"OSDMAP_FLAGS", "OSD_DOWN", "OSD_HOST_DOWN", "PG_DEGRADED"}));
  EXPECT_EQ(health["checks"]["OSDMAP_FLAGS"]["summary"]["message"], "noup,noout flag(s) set");
  EXPECT_EQ(health["checks"]["OSD_DOWN"]["detail"][0]["message"],
            "osd.2 (root=default,host=host3) is down");
  EXPECT_EQ(json::parse(Get(model, "mon_status")["json"].get<std::string>())["state"], "leader");
}

// As in the maps of Ceph 16.2.15 whose OSDs said so.
TEST(SimStructuresTest, WhatIsFullIsSoInTheMapAndInHealth) {
  Model model(Options(3));
  // Of what it could store, all but a twentieth of the space.
  const auto fill = [&](double share) {
    model.FillPool("rbd", share, absl::ZeroDuration());
    const int64_t epoch = model.cluster().epoch;
    model.Advance(absl::Seconds(1));
    return model.cluster().epoch - epoch;
  };
  const auto seen = [&] {
    const json map = Get(model, "osd_map");
    const json health = json::parse(Get(model, "health")["json"].get<std::string>());
    return json{{"state", map["osds"][1]["state"]},
                {"flags", map["pools"][0]["flags"]},
                {"names", map["pools"][0]["flags_names"]},
                {"of_map", map["flags_set"].size()},
                {"status", health["status"]},
                {"checks", Keys(health["checks"])}};
  };
  const json empty = seen();
  EXPECT_EQ(empty, json::parse(R"({"state":["exists","up"],"flags":1,"names":"hashpspool",
      "of_map":4,"status":"HEALTH_OK","checks":[]})"));
  EXPECT_EQ(fill(0.856), 1);
  EXPECT_EQ(seen(), json::parse(R"({"state":["exists","nearfull","up"],"flags":2049,
      "names":"hashpspool,nearfull","of_map":4,"status":"HEALTH_WARN",
      "checks":["OSD_NEARFULL","POOL_NEARFULL"]})"));
  EXPECT_EQ(Get(model, "osd_map")["pools"][0]["last_change"], absl::StrCat(model.cluster().epoch));
  EXPECT_EQ(fill(0.856), 0) << "nothing new";
  EXPECT_EQ(fill(0.91), 1);
  EXPECT_EQ(seen(), json::parse(R"({"state":["backfillfull","exists","up"],"flags":4097,
      "names":"hashpspool,backfillfull","of_map":4,"status":"HEALTH_WARN",
      "checks":["OSD_BACKFILLFULL","POOL_BACKFILLFULL"]})"));
  EXPECT_EQ(fill(1), 1);
  EXPECT_EQ(seen(), json::parse(R"({"state":["exists","full","up"],"flags":3,
      "names":"hashpspool,full","of_map":4,"status":"HEALTH_ERR",
      "checks":["OSD_FULL","POOL_FULL"]})"));
  const json health = json::parse(Get(model, "health")["json"].get<std::string>())["checks"];
  EXPECT_EQ(health["OSD_FULL"]["severity"], "HEALTH_ERR");
  EXPECT_EQ(health["POOL_FULL"]["severity"], "HEALTH_WARN");
  EXPECT_EQ(health["POOL_FULL"]["detail"][0]["message"], "pool 'rbd' is full (no space)");
  // Nobody writes to what is full.
  model.Advance(absl::Seconds(1));
  EXPECT_EQ(model.cluster().pools[0].last_io.writes, 0u);
  EXPECT_GT(model.cluster().pools[0].last_io.reads, 0u);
  EXPECT_EQ(fill(0.1), 1);
  EXPECT_EQ(seen(), empty);
}

TEST(SimStructuresTest, DegradationIsCounted) {
  Model model(Options(3));
  model.SetFlags(kNoUp);
  model.MarkDown({2});
  uint64_t objects = 0;
  for (const Pool& pool : model.cluster().pools) objects += pool.objects;
  for (const HealthCheck& check : HealthChecks(model.cluster())) {
    if (check.code != "PG_DEGRADED") continue;
    EXPECT_EQ(check.summary,
              absl::StrCat("Degraded data redundancy: ", objects, "/", 3 * objects,
                           " objects degraded (33.333%), 64 pgs degraded, 64 pgs undersized"));
    EXPECT_EQ(check.detail.size(), 50u);
    return;
  }
  FAIL() << "no PG_DEGRADED";
}

TEST(SimStructuresTest, RevisionsTellWhatMayHaveChanged) {
  Model model(Options(3));
  const auto changes = [&](auto act) {
    std::map<std::string, uint64_t> revisions;
    std::map<std::string, std::string> texts;
    for (const Structure& s : Structures()) {
      revisions[s.name] = s.revision(model.cluster());
      texts[s.name] = Render(s, model.cluster());
    }
    act();
    std::set<std::string> changed;
    for (const Structure& s : Structures()) {
      const bool same = Render(s, model.cluster()) == texts[s.name];
      if (s.revision(model.cluster()) == revisions[s.name]) {
        EXPECT_TRUE(same) << s.name << " changed, its revision did not";
      }
      if (!same) changed.insert(s.name);
    }
    return changed;
  };
  EXPECT_EQ(changes([&] { model.SetFlags(kNoScrub); }),
            (std::set<std::string>{"active_clean_pgs", "osd_map", "health", "pg_dump",
                                   "pg_progress", "pg_stats"}));
  const std::set<std::string> after_time = changes([&] { model.Advance(absl::Seconds(10)); });
  EXPECT_EQ(after_time.count("osd_map"), 0u);
  EXPECT_EQ(after_time.count("df"), 1u);
  EXPECT_EQ(after_time.count("io_rate"), 1u);
  EXPECT_EQ(Find("osd_map").id(model.cluster()), absl::StrCat(model.cluster().epoch));
  EXPECT_EQ(Find("df").id(model.cluster()), "");
}

// A tick that renders all of them must end, also in a build without optimization; how long each
// takes is printed.
TEST(SimStructuresTest, EachIsRenderedAtTenThousandOsds) {
  const Model model(Options(10000));
  for (const Structure& structure : Structures()) {
    EXPECT_NE(Render(structure, model.cluster()), "") << structure.name;
  }
}

TEST(SimStructuresTest, AThousandOsdsAreAboutAMegabyte) {
  const std::string text = Render(Find("osd_map"), Model(Options(1000)).cluster());
  EXPECT_GT(text.size(), 800u << 10);
  EXPECT_LT(text.size(), 1300u << 10);
}

TEST(JsonWriterTest, EscapesAndNumbers) {
  JsonWriter out;
  out.Object([&] {
    out.Field("text", "a\"b\\c\nd\x01");
    out.Field("whole", 1.0);
    out.Field("part", 0.1);
    out.Field("big", uint64_t{18446744073709551615u});
    out.Field("yes", true);
    out.Array("none", [] {});
    out.Key("nested");
    out.Array([&] {
      out.Value(1);
      out.Object([] {});
    });
  });
  EXPECT_EQ(out.Take(),
            "{\"text\":\"a\\\"b\\\\c\\nd\\u0001\",\"whole\":1.0,\"part\":0.1,"
            "\"big\":18446744073709551615,\"yes\":true,\"none\":[],\"nested\":[1,{}]}");
  JsonWriter plain(JsonWriter::Whole::kWithoutPoint);
  plain.Value(1.0);
  EXPECT_EQ(plain.Take(), "1");
}

}  // namespace
}  // namespace outpost::cluster::sim
