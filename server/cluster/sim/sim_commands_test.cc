#include "server/cluster/sim/sim_commands.h"

#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "server/cluster/sim/sim_structures.h"

namespace outpost::cluster::sim {
namespace {

using command::Result;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class SimCommandsTest : public testing::Test {
 protected:
  static SimOptions Options() {
    SimOptions options;
    options.failures_per_hour = 0;
    return options;
  }

  Result Run(const json& command) { return RunText(command.dump()); }
  Result RunText(absl::string_view text) { return RunCommand(model_, "mon", "", text); }

  // What the command prints as JSON.
  json Ask(json command) {
    command["format"] = "json";
    const Result result = Run(command);
    EXPECT_EQ(result.retval, 0) << result.err;
    return json::parse(result.out, nullptr, false);
  }

  void Expect(const json& command, int retval, absl::string_view err) {
    const Result result = Run(command);
    EXPECT_EQ(result.retval, retval) << command;
    EXPECT_EQ(result.err, std::string(err)) << command;
    EXPECT_EQ(result.out, "") << command;
  }

  Model model_{Options()};
};

TEST_F(SimCommandsTest, SetAndUnsetEachFlag) {
  for (const char* key : {"noup", "nodown", "noout", "noin", "nobackfill", "norebalance",
                          "norecover", "noscrub", "nodeep-scrub"}) {
    Expect({{"prefix", "osd set"}, {"key", key}}, 0, absl::StrCat(key, " is set"));
    json map = Ask({{"prefix", "osd dump"}});
    EXPECT_THAT(map["flags"].get<std::string>(), StartsWith(absl::StrCat(key, ",sortbitwise")));
    EXPECT_THAT(map["flags_set"], testing::Contains(key));
    EXPECT_NE(map["flags_num"], 5799936);
    EXPECT_EQ(Ask({{"prefix", "health"}})["checks"]["OSDMAP_FLAGS"]["summary"]["message"],
              absl::StrCat(key, " flag(s) set"));
    Expect({{"prefix", "osd unset"}, {"key", key}}, 0, absl::StrCat(key, " is unset"));
    EXPECT_EQ(Ask({{"prefix", "health"}})["status"], "HEALTH_OK");
  }
}

TEST_F(SimCommandsTest, PauseIsTwoFlags) {
  Expect({{"prefix", "osd set"}, {"key", "pause"}}, 0, "pauserd,pausewr is set");
  EXPECT_EQ(Run({{"prefix", "health"}}).out, "HEALTH_WARN pauserd,pausewr flag(s) set\n");
  Expect({{"prefix", "osd unset"}, {"key", "pause"}}, 0, "pauserd,pausewr is unset");
}

TEST_F(SimCommandsTest, FlagsThatAreNone) {
  Expect({{"prefix", "osd set"}, {"key", "nosuch"}}, -EINVAL, "unrecognized flag 'nosuch'");
  Expect({{"prefix", "osd unset"}, {"key", "sortbitwise"}}, -EINVAL,
         "unrecognized flag 'sortbitwise'");
  Expect({{"prefix", "osd set"}}, -EINVAL, "unrecognized flag ''");
  Expect({{"prefix", "osd set"}, {"key", 5}}, -EINVAL, "bad or missing field 'key'");
}

TEST_F(SimCommandsTest, OutAndIn) {
  Expect({{"prefix", "osd out"}, {"ids", {"1"}}}, 0, "marked out osd.1. ");
  const int64_t epoch = model_.cluster().epoch;
  Expect({{"prefix", "osd out"}, {"ids", {"osd.1"}}}, 0, "osd.1 is already out. ");
  EXPECT_EQ(model_.cluster().epoch, epoch);
  EXPECT_EQ(Ask({{"prefix", "osd dump"}})["osds"][1]["in"], 0);
  EXPECT_EQ(Ask({{"prefix", "osd stat"}})["num_in_osds"], 2);
  EXPECT_EQ(Ask({{"prefix", "df"}})["stats"]["num_osds"], 2);
  Expect({{"prefix", "osd out"}, {"ids", {"any"}}}, 0, "marked out osd.0. marked out osd.2. ");
  Expect({{"prefix", "osd in"}, {"ids", {"0", "1", "1"}}}, 0,
         "marked in osd.0. marked in osd.1. marked in osd.1. ");
  Expect({{"prefix", "osd in"}, {"ids", {"all"}}}, 0, "marked in osd.2. ");
  EXPECT_EQ(Ask({{"prefix", "osd stat"}})["num_in_osds"], 3);
}

TEST_F(SimCommandsTest, DownComesBackByItself) {
  Expect({{"prefix", "osd down"}, {"ids", {"2", "0"}}}, 0,
         "marked down osd.2. marked down osd.0. ");
  Expect({{"prefix", "osd down"}, {"ids", {"2"}}}, 0, "osd.2 is already down. ");
  EXPECT_EQ(Ask({{"prefix", "osd stat"}})["num_up_osds"], 1);
  model_.Advance(absl::Seconds(4));
  EXPECT_EQ(Ask({{"prefix", "osd stat"}})["num_up_osds"], 3);
}

// As Ceph has it: an OSD that does not exist is no error, a malformed id is one,
// and what can be done is done.
TEST_F(SimCommandsTest, IdsThatDoNotFit) {
  Expect({{"prefix", "osd out"}, {"ids", {"77"}}}, 0, "osd.77 does not exist. ");
  Expect({{"prefix", "osd out"}, {"ids", {"abc", "1"}}}, -EINVAL,
         "Expected option value to be integer, got 'abc'invalid osd id-1marked out osd.1. ");
  EXPECT_FALSE(model_.cluster().osds[1].in);
  Expect({{"prefix", "osd out"}, {"ids", {"-1"}}}, -EINVAL,
         "expected numerical value, got: -1invalid osd id-22");
  EXPECT_EQ(Run({{"prefix", "osd out"}, {"ids", {"99999999999999999999"}}}).retval, -EINVAL);
  Expect({{"prefix", "osd out"}, {"ids", 1}}, -EINVAL, "bad or missing field 'ids'");
  Expect({{"prefix", "osd out"}, {"ids", {1}}}, -EINVAL, "bad or missing field 'ids'");
  Expect({{"prefix", "osd out"}}, 0, "");
}

TEST_F(SimCommandsTest, PoolsComeAndGo) {
  Expect({{"prefix", "osd pool create"}, {"pool", "x"}}, 0, "pool 'x' created");
  Expect({{"prefix", "osd pool create"}, {"pool", "x"}}, 0, "pool 'x' already exists");
  Expect({{"prefix", "osd pool create"}, {"pool", "y"}, {"pg_num", 4}}, 0, "pool 'y' created");
  EXPECT_EQ(Run({{"prefix", "osd pool ls"}}).out, "rbd\nvolumes\nx\ny\n");
  EXPECT_EQ(Ask({{"prefix", "osd pool ls"}}), json({"rbd", "volumes", "x", "y"}));
  const json pools = Ask({{"prefix", "osd pool ls"}, {"detail", "detail"}});
  EXPECT_EQ(pools[2]["pg_num"], 32);
  EXPECT_EQ(pools[3]["pg_num"], 4);
  EXPECT_EQ(pools[3]["size"], 3);
  EXPECT_EQ(Ask({{"prefix", "status"}})["pgmap"]["num_pgs"], 100);

  Result result = Run({{"prefix", "osd pool rm"}, {"pool", "x"}});
  EXPECT_EQ(result.retval, -EPERM);
  EXPECT_THAT(result.err, StartsWith("WARNING: this will *PERMANENTLY DESTROY* all data stored in "
                                     "pool x.  If you are *ABSOLUTELY CERTAIN*"));
  EXPECT_EQ(Run({{"prefix", "osd pool rm"}, {"pool", "x"}, {"pool2", "x"}}).retval, -EPERM);
  EXPECT_EQ(Run({{"prefix", "osd pool rm"},
                 {"pool", "x"},
                 {"pool2", "y"},
                 {"yes_i_really_really_mean_it", true}})
                .retval,
            -EPERM);
  const json sure = {{"prefix", "osd pool rm"},
                     {"pool", "x"},
                     {"pool2", "x"},
                     {"yes_i_really_really_mean_it", true}};
  Expect(sure, 0, "pool 'x' removed");
  Expect(sure, 0, "pool 'x' does not exist");
  EXPECT_EQ(Run({{"prefix", "osd pool ls"}}).out, "rbd\nvolumes\ny\n");
}

TEST_F(SimCommandsTest, PoolsThatDoNotFit) {
  const int64_t epoch = model_.cluster().epoch;
  Expect({{"prefix", "osd pool create"}, {"pool", "z"}, {"pg_num", "q"}}, -EINVAL,
         "bad or missing field 'pg_num'");
  EXPECT_EQ(Run({{"prefix", "osd pool create"}, {"pool", "z"}, {"pg_num", -1}}).retval, -ERANGE);
  EXPECT_EQ(Run({{"prefix", "osd pool create"}, {"pool", "z"}, {"pg_num", 70000}}).retval, -ERANGE);
  Expect({{"prefix", "osd pool create"}, {"pool", "z"}, {"pg_num", 1000}}, -ERANGE,
         "pg_num 1000 size 3 would mean 3192 total pgs, which exceeds max 750 "
         "(mon_max_pg_per_osd 250 * num_in_osds 3)");
  EXPECT_EQ(Run({{"prefix", "osd pool create"}}).retval, -EINVAL);
  EXPECT_EQ(Run({{"prefix", "osd pool create"}, {"pool", "z"}, {"pool_type", "erasure"}}).retval,
            -EOPNOTSUPP);
  EXPECT_EQ(Run({{"prefix", "osd pool create"}, {"pool", "z"}, {"size", 11}}).retval, -EINVAL);
  EXPECT_EQ(model_.cluster().epoch, epoch);
}

TEST_F(SimCommandsTest, WhatIsNoCommand) {
  Expect({{"prefix", "nosuch"}}, -EINVAL, "command not known");
  Expect({{"prefix", ""}}, -EINVAL, "command prefix must not be empty");
  Expect({{"prefix", {"osd", "out"}}}, -EINVAL, "bad or missing field 'prefix'");
  EXPECT_EQ(RunText("not json").err, "unparseable JSON not json");
  EXPECT_EQ(RunText("[1]").err, "not JSON object [1]");
  EXPECT_EQ(RunText("{}").err, "command prefix not found");
  EXPECT_EQ(RunText("{}").retval, -EINVAL);
  EXPECT_EQ(RunText("{\"prefix\":\"osd set\",\"key\":\"\xff\"}").retval, -EINVAL);
}

TEST_F(SimCommandsTest, OtherDaemons) {
  const std::string version = R"({"prefix":"version"})";
  EXPECT_THAT(RunCommand(model_, "mon", "b", version).out, StartsWith("ceph version 16.2.15"));
  EXPECT_EQ(RunCommand(model_, "mon", "z", version).retval, -ENOENT);
  EXPECT_THAT(RunCommand(model_, "osd", "2", version).out, StartsWith("ceph version 16.2.15"));
  EXPECT_EQ(RunCommand(model_, "osd", "3", version).retval, -ENOENT);
  EXPECT_EQ(RunCommand(model_, "osd", "abc", version).err, "invalid osd_id: \"abc\"");
  EXPECT_EQ(RunCommand(model_, "osd", "0", R"({"prefix":"nosuch"})").err,
            "unknown command prefix nosuch");
  const Result result = RunCommand(model_, "mds", "", version);
  EXPECT_EQ(result.retval, -EINVAL);
  EXPECT_THAT(result.err, HasSubstr("\"mds\""));
}

TEST_F(SimCommandsTest, Reports) {
  EXPECT_EQ(Run({{"prefix", "health"}}).out, "HEALTH_OK\n");
  EXPECT_THAT(Run({{"prefix", "osd tree"}}).out,
              StartsWith("ID  CLASS  WEIGHT   TYPE NAME       STATUS  REWEIGHT  PRI-AFF\n"
                         "-1         3.00000  root default                             \n"
                         "-3         1.00000      host host1                           \n"
                         " 0    hdd  1.00000          osd.0       up   1.00000  1.00000\n"));
  EXPECT_THAT(Run({{"prefix", "osd stat"}}).out,
              StartsWith("3 osds: 3 up (since 0s), 3 in (since 0s); epoch: e"));
  EXPECT_THAT(Run({{"prefix", "osd dump"}}).out,
              HasSubstr(absl::StrCat("\nfsid ", model_.cluster().fsid, "\n")));
  EXPECT_THAT(Run({{"prefix", "status"}}).out, HasSubstr("    pgs:     64 active+clean\n"));
  EXPECT_THAT(Run({{"prefix", "df"}}).out, HasSubstr("--- POOLS ---\n"));
  EXPECT_EQ(Run({{"prefix", "fsid"}}).out, model_.cluster().fsid + "\n");
  EXPECT_EQ(Ask({{"prefix", "osd tree"}})["nodes"].size(), 7u);
  EXPECT_EQ(Ask({{"prefix", "status"}})["osdmap"]["num_up_osds"], 3);
  EXPECT_EQ(Ask({{"prefix", "osd ls"}}), json({0, 1, 2}));
  EXPECT_THAT(Run({{"prefix", "osd stat"}, {"format", "json-pretty"}}).out,
              StartsWith("{\n    \"epoch\": "));
  Expect({{"prefix", "osd dump"}, {"epoch", 9999}}, -ENOENT, "there is no map for epoch 9999");
  EXPECT_EQ(Run({{"prefix", "osd tree"}, {"states", {"down"}}}).retval, -EINVAL);
  EXPECT_EQ(Run({{"prefix", "health"}, {"detail", "more"}}).retval, -EINVAL);
}

TEST_F(SimCommandsTest, EverySignatureBelongsToACommandThatIsKnown) {
  EXPECT_GT(MonCommands().size(), 15u);
  for (const command::Declaration& declaration : MonCommands()) {
    const std::string prefix =
        declaration.signature.substr(0, declaration.signature.find(" name="));
    const Result result = Run({{"prefix", prefix}});
    EXPECT_NE(result.err, "command not known") << prefix;
    EXPECT_FALSE(declaration.description.empty()) << prefix;
    EXPECT_FALSE(declaration.permissions.empty()) << prefix;
  }
}

TEST_F(SimCommandsTest, OptionsOfDaemons) {
  auto get = [&](const char* who, const char* key) {
    return Run({{"prefix", "config get"}, {"who", who}, {"key", key}});
  };
  auto set = [&](const char* who, const char* value) {
    Expect({{"prefix", "config set"}, {"who", who}, {"name", "debug_osd"}, {"value", value}}, 0,
           "");
  };
  EXPECT_EQ(get("osd.0", "debug_osd").out, "1/5\n");
  set("global", "2/5");
  set("osd", "3/5");
  set("osd.0", "4/5");
  EXPECT_EQ(get("mgr", "debug_osd").out, "2/5\n");
  EXPECT_EQ(get("osd.1", "debug_osd").out, "3/5\n");
  EXPECT_EQ(get("osd.0", "debug_osd").out, "4/5\n");
  Expect({{"prefix", "config rm"}, {"who", "osd.0"}, {"name", "debug_osd"}}, 0, "");
  EXPECT_EQ(get("osd.0", "debug_osd").out, "3/5\n");
  EXPECT_EQ(get("mgr", "fsid").out, Run({{"prefix", "fsid"}}).out);

  EXPECT_EQ(Run({{"prefix", "config help"}, {"key", "mon_max_pg_per_osd"}}).out,
            R"({"name":"mon_max_pg_per_osd","type":"uint","default":250})");
  EXPECT_EQ(Run({{"prefix", "config help"}, {"key", "debug_osd"}}).out,
            R"({"name":"debug_osd","type":"str","default":"1/5"})");
  Expect({{"prefix", "config help"}, {"key", "nosuch"}}, -ENOENT,
         "configuration option 'nosuch' not recognized");

  Expect({{"prefix", "config get"}, {"who", "mgr"}, {"key", "nosuch"}}, -ENOENT,
         "unrecognized key 'nosuch'");
  for (const char* who : {"rgw", "osd.", ""}) {
    Expect({{"prefix", "config get"}, {"who", who}, {"key", "debug_osd"}}, -EINVAL,
           absl::StrCat("unrecognized entity '", who, "'"));
  }
  Expect({{"prefix", "config set"}, {"who", "osd"}, {"name", "nosuch"}, {"value", "1"}}, -EINVAL,
         "unrecognized config option 'nosuch'");
  Expect({{"prefix", "config set"}, {"who", "x"}, {"name", "debug_osd"}, {"value", "1"}}, -EINVAL,
         "unrecognized config target 'x'");
}

}  // namespace
}  // namespace outpost::cluster::sim
