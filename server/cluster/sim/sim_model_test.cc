#include "server/cluster/sim/sim_model.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/cluster/sim/sim_structures.h"

namespace outpost::cluster::sim {
namespace {

using ::testing::Each;
using ::testing::SizeIs;

SimOptions Options(int osds) {
  SimOptions options;
  options.osds = osds;
  options.failures_per_hour = 0;
  return options;
}

std::string Everything(const Model& model) {
  std::string text;
  for (const Structure& structure : Structures()) {
    text += Render(structure, model.cluster()) + "\n";
  }
  return text;
}

std::set<std::string> States(const Model& model) {
  std::set<std::string> states;
  for (const Pool& pool : model.cluster().pools) {
    for (const Pg& pg : pool.pgs) states.insert(pg.state);
  }
  return states;
}

void Exercise(Model& model) {
  for (int i = 0; i < 200; ++i) model.Advance(absl::Seconds(7));
  model.SetFlags(kNoOut);
  model.MarkOut({1, 4});
  for (int i = 0; i < 20; ++i) model.Advance(absl::Milliseconds(250));
  model.CreatePool("extra", 16, 2);
  model.MarkDown({2});
  model.Advance(absl::Seconds(30));
  model.MarkIn({1});
  model.RemovePool(1);
  model.Advance(absl::Minutes(5));
}

TEST(SimModelTest, EqualSeedsAndCallsGiveEqualTexts) {
  SimOptions options = Options(12);
  options.failures_per_hour = 60;
  options.seed = 42;
  Model first(options);
  Model second(options);
  EXPECT_EQ(Everything(first), Everything(second));
  Exercise(first);
  Exercise(second);
  EXPECT_EQ(Everything(first), Everything(second));

  options.seed = 43;
  Model other(options);
  EXPECT_NE(other.cluster().fsid, first.cluster().fsid);
}

TEST(SimModelTest, NothingChangesWithoutACall) {
  Model model(Options(3));
  const std::string before = Everything(model);
  model.Advance(absl::ZeroDuration());
  EXPECT_EQ(Everything(model), before);
}

TEST(SimModelTest, ANewClusterIsClean) {
  for (const int osds : {1, 2, 3, 4, 25}) {
    Model model(Options(osds));
    EXPECT_EQ(States(model), std::set<std::string>{"active+clean"}) << osds << " OSDs";
    EXPECT_EQ(CountUp(model.cluster()), osds);
    EXPECT_EQ(CountIn(model.cluster()), osds);
  }
}

TEST(SimModelTest, ReplicasAreOnDifferentHosts) {
  SimOptions options = Options(40);
  options.hosts = 7;
  options.pg_num = 256;
  const Model model(options);
  std::set<int> used;
  for (const Pool& pool : model.cluster().pools) {
    for (const Pg& pg : pool.pgs) {
      std::set<int> hosts;
      for (const int osd : pg.acting) hosts.insert(model.cluster().osds[osd].host);
      EXPECT_THAT(hosts, SizeIs(3));
      used.insert(pg.acting.begin(), pg.acting.end());
    }
  }
  EXPECT_THAT(used, SizeIs(40)) << "some OSD has no PG at all";
}

TEST(SimModelTest, ClientsWorkAndUsageDrifts) {
  Model model(Options(3));
  const uint64_t objects = model.cluster().pools[0].objects;
  for (int i = 0; i < 60; ++i) model.Advance(absl::Seconds(10));
  const Pool& pool = model.cluster().pools[0];
  EXPECT_NE(pool.objects, objects);
  EXPECT_GT(pool.io.reads, pool.last_io.reads);
  EXPECT_GT(pool.last_io.reads, 0u);
  EXPECT_EQ(pool.last_io.write_bytes % 4096, 0u);

  model.SetFlags(kPauseRd | kPauseWr);
  model.Advance(absl::Seconds(10));
  EXPECT_EQ(model.cluster().pools[0].last_io.reads, 0u);
  EXPECT_EQ(model.cluster().pools[0].last_io.writes, 0u);
}

TEST(SimModelTest, UsageStaysNearWhatItWas) {
  Model model(Options(3));
  for (int i = 0; i < 2000; ++i) model.Advance(absl::Hours(1));
  const Capacity capacity = CountCapacity(model.cluster());
  EXPECT_GT(capacity.used_bytes, capacity.total_bytes / 10);
  EXPECT_LT(capacity.used_bytes, capacity.total_bytes / 2);
}

TEST(SimModelTest, AnOsdThatGoesOutMovesOnlyItsOwnPgs) {
  Model model(Options(30));
  std::vector<std::vector<int>> before;
  for (const Pg& pg : model.cluster().pools[0].pgs) before.push_back(pg.up);
  model.MarkOut({7});
  const std::vector<Pg>& pgs = model.cluster().pools[0].pgs;
  for (size_t i = 0; i < pgs.size(); ++i) {
    const bool had = std::find(before[i].begin(), before[i].end(), 7) != before[i].end();
    EXPECT_EQ(pgs[i].up != before[i], had) << "PG " << i;
    // What it had is still served from there until it has been copied.
    EXPECT_EQ(std::find(pgs[i].acting.begin(), pgs[i].acting.end(), 7) != pgs[i].acting.end(), had);
  }
  EXPECT_EQ(States(model), (std::set<std::string>{"active+clean", "active+remapped+backfilling"}));
}

TEST(SimModelTest, DataIsCopiedUnlessAFlagForbidsIt) {
  Model model(Options(30));
  model.SetFlags(kNoRebalance);
  model.MarkOut({7});
  model.Advance(absl::Hours(1));
  EXPECT_EQ(States(model),
            (std::set<std::string>{"active+clean", "active+remapped+backfill_wait"}));
  EXPECT_GT(CountPool(model.cluster().pools[0]).misplaced, 0u);
  model.ClearFlags(kNoRebalance);
  for (int i = 0; i < 20; ++i) model.Advance(absl::Minutes(1));
  EXPECT_EQ(States(model), std::set<std::string>{"active+clean"});
  EXPECT_EQ(CountPool(model.cluster().pools[0]).misplaced, 0u);
  for (const Pg& pg : model.cluster().pools[0].pgs) {
    EXPECT_THAT(pg.acting, Each(testing::Ne(7)));
  }
}

TEST(SimModelTest, AnOsdMarkedDownComesBackUnlessNoup) {
  Model model(Options(3));
  const int64_t epoch = model.cluster().epoch;
  model.SetFlags(kNoUp);
  model.MarkDown({1});
  EXPECT_EQ(model.cluster().epoch, epoch + 2);
  model.Advance(absl::Minutes(5));
  EXPECT_FALSE(model.cluster().osds[1].up);
  EXPECT_EQ(States(model), std::set<std::string>{"active+undersized+degraded"});
  EXPECT_GT(CountPool(model.cluster().pools[0]).degraded, 0u);
  model.ClearFlags(kNoUp);
  model.Advance(absl::Seconds(1));
  EXPECT_TRUE(model.cluster().osds[1].up);
  EXPECT_EQ(model.cluster().osds[1].up_from, model.cluster().epoch);
  EXPECT_EQ(States(model), std::set<std::string>{"active+clean"});
}

TEST(SimModelTest, AnOsdThatIsDownForLongGoesOutUnlessNoout) {
  for (const bool noout : {false, true}) {
    Model model(Options(6));
    model.SetFlags(noout ? kNoUp | kNoOut : kNoUp);
    model.MarkDown({1});
    model.Advance(absl::Minutes(9));
    EXPECT_TRUE(model.cluster().osds[1].in);
    model.Advance(absl::Minutes(2));
    EXPECT_EQ(model.cluster().osds[1].in, noout);
    // It comes in again by itself, as it went out.
    model.ClearFlags(kNoUp);
    model.Advance(absl::Seconds(5));
    EXPECT_TRUE(model.cluster().osds[1].in);
  }
}

TEST(SimModelTest, AllDownIsStaleAndComesBackWhole) {
  Model model(Options(3));
  model.SetFlags(kNoUp);
  model.MarkDown({0, 1, 2});
  EXPECT_EQ(States(model), std::set<std::string>{"stale+undersized+degraded+peered"});
  model.ClearFlags(kNoUp);
  model.Advance(absl::Seconds(10));
  EXPECT_EQ(States(model), std::set<std::string>{"active+clean"});
}

TEST(SimModelTest, DaemonsFailAndComeBack) {
  SimOptions options = Options(20);
  options.failures_per_hour = 30;
  Model model(options);
  int failures = 0;
  int up = 20;
  for (int i = 0; i < 3600; ++i) {
    model.Advance(absl::Seconds(1));
    const int now_up = CountUp(model.cluster());
    if (now_up < up) ++failures;
    up = now_up;
  }
  EXPECT_GT(failures, 10);
  EXPECT_LT(failures, 60);
  EXPECT_GT(up, 0);
}

TEST(SimModelTest, ACallThatChangesNothingMakesNoEpoch) {
  Model model(Options(3));
  const int64_t epoch = model.cluster().epoch;
  model.ClearFlags(kNoOut);
  model.MarkIn({0, 1, 2});
  model.MarkOut({});
  model.MarkDown({});
  model.RemovePool(99);
  EXPECT_EQ(model.cluster().epoch, epoch);
  model.SetFlags(kNoOut);
  model.SetFlags(kNoOut);
  model.MarkOut({0, 1});
  EXPECT_EQ(model.cluster().epoch, epoch + 2);
}

TEST(SimOptionsTest, EachRangeIsChecked) {
  EXPECT_TRUE(Validate(SimOptions{}).ok());
  const auto complaint = [](auto change) {
    SimOptions options;
    change(options);
    return std::string(Validate(options).message());
  };
  using ::testing::HasSubstr;
  EXPECT_THAT(complaint([](SimOptions& o) { o.osds = 0; }), HasSubstr("osds is 0"));
  EXPECT_THAT(complaint([](SimOptions& o) { o.hosts = 4; }), HasSubstr("hosts is 4"));
  EXPECT_THAT(complaint([](SimOptions& o) { o.pools = -1; }), HasSubstr("pools is -1"));
  EXPECT_THAT(complaint([](SimOptions& o) { o.pg_num = 0; }), HasSubstr("pg_num is 0"));
  EXPECT_THAT(complaint([](SimOptions& o) { o.speed = -1; }), HasSubstr("speed is -1"));
  EXPECT_THAT(complaint([](SimOptions& o) { o.tick = absl::ZeroDuration(); }),
              HasSubstr("tick is 0"));
  EXPECT_THAT(complaint([](SimOptions& o) { o.queue_limit = 0; }), HasSubstr("queue_limit is 0"));
}

}  // namespace
}  // namespace outpost::cluster::sim
