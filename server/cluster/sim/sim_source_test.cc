#include "server/cluster/sim/sim_source.h"

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "outpost/internal/steady_wait.h"
#include "server/cluster/cluster_state.h"
#include "server/cluster/sim/sim_structures.h"
#include "server/event/moment.h"
#include "server/event/stepped_clock.h"

namespace outpost::cluster::sim {
namespace {

using command::Result;
using nlohmann::json;
using ::testing::HasSubstr;

constexpr absl::Duration kLong = absl::Seconds(30);

// A result that arrives on another thread.
class Answer {
 public:
  command::ResultCallback Callback() {
    return [this](Result result) {
      result_ = std::move(result);
      arrived_.Notify();
    };
  }
  bool arrived() const { return arrived_.HasBeenNotified(); }
  const Result& Wait() {
    EXPECT_TRUE(arrived_.WaitForNotificationWithTimeout(kLong)) << "no answer";
    return result_;
  }

 private:
  absl::Notification arrived_;
  Result result_;
};

class SimSourceTest : public testing::Test {
 protected:
  // Nothing changes by itself.
  static SimOptions Still() {
    SimOptions options;
    options.speed = 0;
    options.tick = absl::Hours(1);
    return options;
  }

  void Start(const SimOptions& options) {
    source_ = std::make_unique<SimSource>(options, state_, counters_);
    ASSERT_TRUE(source_->Start().ok());
  }

  static ClusterCommand Command(const json& command) {
    return {"mon", "", command.dump(), "", absl::InfiniteFuture()};
  }

  Result Run(const json& command) {
    Answer answer;
    source_->RunCommand(Command(command), answer.Callback());
    return answer.Wait();
  }

  json Get(absl::string_view name) {
    const absl::StatusOr<SnapshotPtr> snapshot = state_.Get(name);
    EXPECT_TRUE(snapshot.ok()) << snapshot.status();
    if (!snapshot.ok()) return {};
    return json::parse((*snapshot)->json.begin(), (*snapshot)->json.end(), nullptr, false);
  }

  ClusterState state_;
  PerfCounters counters_;
  std::unique_ptr<SimSource> source_;
};

TEST_F(SimSourceTest, CountersTellWhatTheOsdsDo) {
  absl::Mutex mu;
  int ticks = 0;
  state_.AddListener([&](const SnapshotPtr& snapshot) {
    absl::MutexLock lock(&mu);
    ticks += snapshot->name == "df" ? 1 : 0;
  });
  SimOptions options = Still();
  options.tick = absl::Milliseconds(10);
  options.speed = 100;  // a second a tick
  Start(options);
  {
    const auto enough = [&] { return ticks >= 4; };
    absl::MutexLock lock(&mu);
    ASSERT_TRUE(mu.AwaitWithTimeout(absl::Condition(&enough), kLong));
  }
  source_->Stop();
  v1::GetCountersRequest request;
  request.mutable_daemon()->set_type("osd");
  request.add_paths("osd.op");
  request.add_paths("osd.numpg");
  const auto series = counters_.Series(request);
  const json map = Get("osd_map");
  ASSERT_EQ(series.size(), 2 * map["osds"].size());
  double pgs = 0;
  double operations = 0;
  for (const auto& one : series) {
    ASSERT_GE(one.samples_size(), 4);
    const double newest = one.samples().rbegin()->value();
    (one.path() == "osd.numpg" ? pgs : operations) += newest;
    if (one.path() == "osd.numpg") continue;
    for (int i = 1; i < one.samples_size(); ++i) {
      EXPECT_GE(one.samples(i).value(), one.samples(i - 1).value());
    }
  }
  EXPECT_GT(operations, 0);
  double replicas = 0;
  for (const json& pool : map["pools"]) {
    replicas += pool["pg_num"].get<double>() * pool["size"].get<double>();
  }
  EXPECT_EQ(pgs, replicas) << "every OSD is up: all that there are";
}

TEST_F(SimSourceTest, StartPublishesEverythingAndConnects) {
  EXPECT_FALSE(state_.connection().connected);
  Start(Still());
  EXPECT_EQ(source_->name(), "sim");
  EXPECT_TRUE(state_.connection().connected);
  std::vector<std::string> names;
  for (const ClusterState::Entry& entry : state_.List()) names.push_back(entry.snapshot->name);
  std::vector<std::string> all;
  for (const Structure& structure : Structures()) all.emplace_back(structure.name);
  EXPECT_THAT(names, testing::UnorderedElementsAreArray(all));
  const json map = Get("osd_map");
  EXPECT_EQ(map["fsid"], state_.cluster_id());
  EXPECT_EQ((*state_.Get("osd_map"))->id, map["epoch"].dump());
  EXPECT_EQ((*state_.Get("df"))->id, "");
  EXPECT_GT(source_->Commands().size(), 15u);
}

TEST_F(SimSourceTest, BadOptionsDoNotStart) {
  SimOptions options;
  options.osds = 0;
  SimSource source(options, state_, counters_);
  EXPECT_EQ(source.Start().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(state_.connection().connected);
  Answer answer;
  source.RunCommand(Command({{"prefix", "status"}}), answer.Callback());
  EXPECT_EQ(answer.Wait().retval, -ENOTCONN);
}

TEST_F(SimSourceTest, TheClusterIdComesFromTheSeed) {
  Start(Still());
  const std::string id = state_.cluster_id();
  SimOptions options = Still();
  ClusterState same;
  SimSource again(options, same, counters_);
  ASSERT_TRUE(again.Start().ok());
  EXPECT_EQ(same.cluster_id(), id);
  options.seed = 2;
  ClusterState other;
  SimSource another(options, other, counters_);
  ASSERT_TRUE(another.Start().ok());
  EXPECT_NE(other.cluster_id(), id);
}

TEST_F(SimSourceTest, ACommandIsPublishedBeforeItAnswers) {
  Start(Still());
  const uint64_t tree = (*state_.Get("osd_map_tree"))->version;
  const uint64_t df = (*state_.Get("df"))->version;
  std::vector<std::string> seen;  // by the callback, on the source's thread
  Answer answer;
  source_->RunCommand(Command({{"prefix", "osd set"}, {"key", "noout"}}),
                      [&, done = answer.Callback()](Result result) mutable {
                        seen = Get("osd_map")["flags_set"].get<std::vector<std::string>>();
                        done(std::move(result));
                      });
  EXPECT_EQ(answer.Wait().retval, 0);
  EXPECT_EQ(answer.Wait().err, "noout is set");
  EXPECT_THAT(seen, testing::Contains("noout"));
  EXPECT_THAT(Get("health")["json"].get<std::string>(), HasSubstr("noout flag(s) set"));
  // What did not change got no new version.
  EXPECT_EQ((*state_.Get("osd_map_tree"))->version, tree);
  EXPECT_EQ((*state_.Get("df"))->version, df);
}

TEST_F(SimSourceTest, OutAndPoolsShowInTheStructures) {
  Start(Still());
  EXPECT_EQ(Run({{"prefix", "osd out"}, {"ids", {"0"}}}).retval, 0);
  EXPECT_EQ(Get("osd_map")["osds"][0]["in"], 0);
  EXPECT_EQ(Get("df")["stats"]["num_osds"], 2);
  EXPECT_EQ(Run({{"prefix", "osd pool create"}, {"pool", "x"}, {"pg_num", 8}}).retval, 0);
  EXPECT_EQ(Get("osd_map")["pools"][2]["pool_name"], "x");
  EXPECT_EQ(Get("pool_stats")["pool_stats"].size(), 3u);
  EXPECT_EQ(Run({{"prefix", "nosuch"}}).retval, -EINVAL);
}

TEST_F(SimSourceTest, TimeMovesAtItsSpeed) {
  absl::Mutex mu;
  int changes = 0;
  state_.AddListener([&](const SnapshotPtr& snapshot) {
    if (snapshot->name != "io_rate") return;
    absl::MutexLock lock(&mu);
    ++changes;
  });
  SimOptions options;
  options.tick = absl::Milliseconds(2);
  options.speed = 5000;  // ten seconds a tick
  Start(options);
  const auto enough = [&changes] { return changes > 20; };
  mu.LockWhenWithTimeout(absl::Condition(&enough), kLong);
  EXPECT_GT(changes, 20);
  mu.Unlock();
  source_->Stop();  // before what the listener uses goes out of scope
  EXPECT_EQ(Get("io_rate")["pg_stats_delta"]["stamp_delta"], "10.000000");
}

TEST_F(SimSourceTest, WithoutSpeedTicksOnlyConfirm) {
  SimOptions options = Still();
  options.tick = absl::Milliseconds(1);
  Start(options);
  const std::vector<ClusterState::Entry> before = state_.List();
  const absl::Time limit = absl::Now() + kLong;
  while (state_.List()[0].confirmed == before[0].confirmed) {
    ASSERT_LT(absl::Now(), limit) << "never confirmed";
    Run({{"prefix", "fsid"}});
  }
  const std::vector<ClusterState::Entry> after = state_.List();
  ASSERT_EQ(after.size(), before.size());
  for (size_t i = 0; i < before.size(); ++i) EXPECT_EQ(after[i].snapshot, before[i].snapshot);
}

TEST_F(SimSourceTest, AClockThatIsSetStopsNothing) {
  SimOptions options = Still();
  options.tick = absl::Milliseconds(1);
  Start(options);
  for (const absl::Duration step : {absl::Hours(5), absl::Hours(-5), absl::ZeroDuration()}) {
    event::StepWallClock(step);
    const event::Moment begin = event::Moment::Now();
    absl::Time last = begin.wall;
    for (int i = 0; i < 5; ++i) {
      while (state_.List()[0].confirmed <= last) {
        ASSERT_LT(event::Moment::Now() - begin, kLong) << "it waits";
        absl::SleepFor(absl::Milliseconds(1));
      }
      last = state_.List()[0].confirmed;
    }
  }
}

// Holds the source's thread inside a callback until Release.
class Hold {
 public:
  command::ResultCallback Callback() {
    return [this](const Result&) {
      held_.Notify();
      release_.WaitForNotification();
    };
  }
  void WaitUntilHeld() { ASSERT_TRUE(held_.WaitForNotificationWithTimeout(kLong)); }
  void Release() { release_.Notify(); }

 private:
  absl::Notification held_;
  absl::Notification release_;
};

ClusterCommand Fsid() { return {"mon", "", R"({"prefix":"fsid"})", "", absl::InfiniteFuture()}; }

TEST_F(SimSourceTest, TheQueueIsBounded) {
  SimOptions options = Still();
  options.queue_limit = 2;
  Start(options);
  Hold hold;
  source_->RunCommand(Fsid(), hold.Callback());
  hold.WaitUntilHeld();
  Answer first;
  Answer second;
  Answer third;
  source_->RunCommand(Fsid(), first.Callback());
  source_->RunCommand(Fsid(), second.Callback());
  source_->RunCommand(Fsid(), third.Callback());
  ASSERT_TRUE(third.arrived()) << "refused at once";
  EXPECT_EQ(third.Wait().retval, -EAGAIN);
  EXPECT_THAT(third.Wait().err, HasSubstr("2 commands wait"));
  EXPECT_FALSE(first.arrived());
  hold.Release();
  EXPECT_EQ(first.Wait().retval, 0);
  EXPECT_EQ(second.Wait().retval, 0);
}

TEST_F(SimSourceTest, ACommandWhoseTurnComesTooLateIsNotRun) {
  Start(Still());
  Answer answer;
  source_->RunCommand(
      {"mon", "", R"({"prefix":"osd set","key":"noout"})", "", internal::SteadyNow()},
      answer.Callback());
  EXPECT_EQ(answer.Wait().retval, -ETIMEDOUT);
  EXPECT_THAT(Get("osd_map")["flags_set"], testing::Not(testing::Contains("noout")));
}

TEST_F(SimSourceTest, StopAnswersWhatWaits) {
  Hold hold;
  // Stop disconnects before it waits for the thread.
  state_.AddConnectionListener([&hold](const Connection& connection) {
    if (!connection.connected) hold.Release();
  });
  Start(Still());
  source_->RunCommand(Fsid(), hold.Callback());
  hold.WaitUntilHeld();
  Answer first;
  Answer second;
  source_->RunCommand(Fsid(), first.Callback());
  source_->RunCommand(Fsid(), second.Callback());
  source_->Stop();
  ASSERT_TRUE(first.arrived());
  ASSERT_TRUE(second.arrived());
  EXPECT_EQ(first.Wait().retval, -ESHUTDOWN);
  EXPECT_EQ(second.Wait().retval, -ESHUTDOWN);
  EXPECT_FALSE(state_.connection().connected);
  Answer late;
  source_->RunCommand(Fsid(), late.Callback());
  ASSERT_TRUE(late.arrived());
  EXPECT_EQ(late.Wait().retval, -ESHUTDOWN);
  EXPECT_EQ(Get("osd_map")["fsid"], state_.cluster_id()) << "the last state stays readable";
}

}  // namespace
}  // namespace outpost::cluster::sim
