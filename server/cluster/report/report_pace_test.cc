// How often daemons are asked to report, and how late they are.
#include "server/cluster/report/report_pace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "server/cluster/report/byte_rate.h"
#include "server/cluster/report/report_delay.h"
#include "server/cluster/report/reported_daemons_fixture.h"

namespace outpost::cluster::report {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

// An interval of the pace, with reports that are so late.
void Interval(ReportPace& pace, absl::Duration& now, int reports, absl::Duration delay) {
  for (int i = 0; i < reports; ++i) pace.Came(delay);
  now += pace.now().interval;
  pace.Look(now);
}

TEST(ReportPace, ReportsThatComeLateMakeTheIntervalLongerUpToABound) {
  ReportPace pace({.interval = absl::Seconds(5), .max_interval = absl::Seconds(30)});
  absl::Duration now = absl::Hours(7);
  pace.Look(now);
  EXPECT_EQ(pace.now().interval, absl::Seconds(5));
  std::vector<double> seconds;
  for (int i = 0; i < 5; ++i) {
    Interval(pace, now, 10, absl::Seconds(2));
    seconds.push_back(absl::ToDoubleSeconds(pace.now().interval));
  }
  EXPECT_THAT(seconds, testing::ElementsAre(10, 20, 30, 30, 30));
  EXPECT_EQ(pace.state().late, 10u);
  EXPECT_EQ(pace.state().asked, absl::Seconds(5));
}

TEST(ReportPace, AFewLateOnesAreTheirOwnAffair) {
  ReportPace pace({});
  absl::Duration now;
  pace.Look(now);
  const uint64_t version = pace.version();
  for (int i = 0; i < 5; ++i) pace.Came(absl::Seconds(9));
  Interval(pace, now, 5, absl::ZeroDuration());
  EXPECT_EQ(pace.version(), version) << "half is not most";
  EXPECT_EQ(pace.state().late, 5u);
  EXPECT_EQ(pace.state().reports, 10u);
}

TEST(ReportPace, CalmShortensItAgainNotBelowWhatWasAskedFor) {
  ReportPace pace({.interval = absl::Seconds(5)});
  absl::Duration now;
  pace.Look(now);
  Interval(pace, now, 1, absl::Seconds(2));
  Interval(pace, now, 1, absl::Seconds(2));
  EXPECT_EQ(pace.now().interval, absl::Seconds(20));
  std::vector<double> seconds;
  for (int i = 0; i < 9; ++i) {
    Interval(pace, now, i % 2, absl::ZeroDuration());  // no report at all is calm, too
    seconds.push_back(absl::ToDoubleSeconds(pace.now().interval));
  }
  EXPECT_THAT(seconds, testing::ElementsAre(20, 20, 10, 10, 10, 5, 5, 5, 5));
}

TEST(ReportPace, TheOperatorsWordCounts) {
  ReportPace pace({.interval = absl::Seconds(5)});
  absl::Duration now;
  pace.Look(now);
  Interval(pace, now, 1, absl::Seconds(2));
  pace.Ask(absl::Seconds(2), std::nullopt);
  EXPECT_EQ(pace.now().interval, absl::Seconds(2)) << "without the pressure that there was";
  pace.Ask(std::nullopt, 8);
  EXPECT_EQ(pace.now().interval, absl::Seconds(2));
  EXPECT_EQ(pace.now().min_priority, 8u);
  pace.Ask(absl::Minutes(10), std::nullopt);
  Interval(pace, now, 1, absl::Seconds(2));
  EXPECT_EQ(pace.now().interval, absl::Minutes(10)) << "longer than pressure would make it";
}

class Delay : public testing::Test {
 protected:
  // A report that was made at `made` and came at `came`, both in seconds of true time.
  double Report(double made, double came) {
    return absl::ToDoubleSeconds(
        delay_.Add(absl::Hours(99) + absl::Seconds(came),
                   absl::FromUnixSeconds(1'700'000'000) + absl::Seconds(made) + ahead_));
  }

  absl::Duration ahead_;  // the daemon's clock
  ReportDelay delay_;
};

TEST_F(Delay, IsFromTheQuickestReportWhateverTheClocksSay) {
  EXPECT_EQ(Report(0, 0.5), 0) << "nothing to compare it with";
  EXPECT_NEAR(Report(5, 5), 0, 1e-9);
  EXPECT_NEAR(Report(10, 12), 2, 0.01);
  EXPECT_NEAR(Report(15, 15.1), 0.1, 0.01);
}

TEST_F(Delay, AClockThatIsSetIsNoDelay) {
  Report(0, 0);
  EXPECT_NEAR(Report(5, 6), 1, 0.01);
  for (const double hours : {1, -1, 100'000, -100'000}) {
    ahead_ += absl::Hours(hours);
    EXPECT_NEAR(Report(10, 11), 1, 0.01) << "as late as before, for nothing else is known";
  }
  EXPECT_NEAR(Report(15, 15), 0, 0.01) << "and from then on as ever";
  EXPECT_NEAR(Report(20, 23), 3, 0.01);
}

TEST_F(Delay, TimesAtTheEndsOfTimeAreNoDelayEither) {
  for (const int64_t second : {int64_t{0}, int64_t{9'214'646'399}, int64_t{-9'214'646'400}}) {
    EXPECT_EQ(delay_.Add(absl::Hours(1), absl::FromUnixSeconds(second)), absl::ZeroDuration());
  }
}

TEST_F(Delay, ClocksThatDriftAreNone) {
  double latest = 0;
  for (int second = 0; second < 100'000; second += 5) {
    ahead_ = -absl::Seconds(second * 1e-4);  // it runs slow, by a lot
    latest = std::max(latest, Report(second, second));
  }
  EXPECT_LT(latest, 0.01);
}

TEST(ByteRate, IsRightFromTheBeginningAndFades) {
  ByteRate rate;
  absl::Duration now = absl::Hours(3);
  for (int i = 0; i < 20; ++i) {
    rate.Add(now, 5000);
    now += absl::Seconds(5);
  }
  EXPECT_NEAR(rate.PerSecond(now), 1000, 120);
  EXPECT_LT(rate.PerSecond(now + absl::Minutes(5)), 1);
}

// --- what daemons are told of it ---

class ReportConfigureTest : public ReportedDaemonsTest {
 protected:
  static std::vector<v1::IngestConfigure> Configures(const Daemon& daemon) {
    std::vector<v1::IngestConfigure> all;
    for (const auto& message : daemon.link->sent) {
      if (message.has_configure()) all.push_back(message.configure());
    }
    return all;
  }
  // Counters that were taken at a time of the daemon's clock.
  static void Sample(Daemon& daemon, absl::Duration at, uint64_t value) {
    v1::ReportRequest request;
    request.mutable_counters()->set_schema_version(1);
    request.mutable_counters()->add_indexes(0);
    request.mutable_counters()->add_values(value);
    request.mutable_counters()->mutable_sampled_at()->set_seconds(absl::ToInt64Seconds(at));
    daemon.Send(request);
  }
};

TEST_F(ReportConfigureTest, AllDaemonsAreToldOnceAndLaterOnesInTheirWelcome) {
  const Daemon first = Report("1");
  const Daemon second = Report("2");
  daemons_->Tick();
  EXPECT_THAT(Configures(first), IsEmpty());
  ASSERT_TRUE(daemons_->Configure(absl::Seconds(2), 8).ok());
  daemons_->Tick();
  daemons_->Tick();
  for (const Daemon* daemon : {&first, &second}) {
    ASSERT_THAT(Configures(*daemon), SizeIs(1));
    EXPECT_EQ(Configures(*daemon)[0].report_interval().seconds(), 2);
    EXPECT_EQ(Configures(*daemon)[0].min_priority(), 8u);
  }
  const Daemon third = Report("3");
  daemons_->Tick();
  EXPECT_EQ(third.link->sent[0].welcome().report_interval().seconds(), 2);
  EXPECT_EQ(third.link->sent[0].welcome().min_priority(), 8u);
  EXPECT_THAT(Configures(third), IsEmpty());
}

TEST_F(ReportConfigureTest, ManyDaemonsAreToldAPartAtATime) {
  std::vector<Daemon> daemons;
  daemons.reserve(4500);
  for (int i = 0; i < 4500; ++i) daemons.push_back(Report(std::to_string(i)));
  ASSERT_TRUE(daemons_->Configure(absl::Seconds(2), std::nullopt).ok());
  std::vector<size_t> told;
  for (int tick = 0; tick < 4; ++tick) {
    daemons_->Tick();
    size_t count = 0;
    for (const Daemon& daemon : daemons) count += Configures(daemon).size();
    told.push_back(count);
  }
  EXPECT_THAT(told, testing::ElementsAre(2000, 4000, 4500, 4500));
}

TEST_F(ReportConfigureTest, WhatCantBeIsRefused) {
  for (const absl::Duration interval :
       {absl::ZeroDuration(), -absl::Seconds(1), absl::Hours(2), absl::InfiniteDuration()}) {
    EXPECT_TRUE(absl::IsInvalidArgument(daemons_->Configure(interval, std::nullopt)));
  }
  EXPECT_TRUE(absl::IsInvalidArgument(daemons_->Configure(std::nullopt, 11)));
  EXPECT_EQ(daemons_->pace().pace.interval, absl::Seconds(5));
}

TEST_F(ReportConfigureTest, AManagerThatFallsBehindAsksForLess) {
  Daemon daemon = Report("1");
  daemon.Schema();
  for (int i = 0; i < 4; ++i) {
    Sample(daemon, clock_, 1);
    Advance(absl::Seconds(5));
  }
  EXPECT_THAT(Configures(daemon), IsEmpty());
  Sample(daemon, clock_ - absl::Seconds(3), 2);
  EXPECT_NEAR(absl::ToDoubleSeconds(*daemons_->List()[0].lag), 3, 0.1);
  Advance(absl::Seconds(5));
  ASSERT_THAT(Configures(daemon), SizeIs(1));
  EXPECT_EQ(Configures(daemon)[0].report_interval().seconds(), 10);
  EXPECT_EQ(daemons_->counts().live, 1u) << "the lease is as it was granted";
  for (int i = 0; i < 4; ++i) {
    Sample(daemon, clock_, 3);
    Advance(absl::Seconds(10));
  }
  ASSERT_THAT(Configures(daemon), SizeIs(2));
  EXPECT_EQ(Configures(daemon)[1].report_interval().seconds(), 5);
}

TEST_F(ReportConfigureTest, AClockThatIsSetIsNoPressure) {
  Daemon daemon = Report("1");
  daemon.Schema();
  const auto ahead = [&] { return absl::ToDoubleSeconds(*daemons_->List()[0].clock_ahead); };
  wall_ = absl::FromUnixSeconds(1'700'000'000);
  Sample(daemon, absl::Seconds(1'700'000'000), 1);
  EXPECT_EQ(ahead(), 0);
  Advance(absl::Seconds(5));
  wall_ -= absl::Hours(1);  // the manager's
  Sample(daemon, absl::Seconds(1'700'000'005), 1);
  EXPECT_EQ(ahead(), 3605);
  Advance(absl::Seconds(5));
  Sample(daemon, absl::Seconds(-5), 1);  // the daemon's, too
  EXPECT_LT(ahead(), -1e9);
  Advance(absl::Seconds(5));
  EXPECT_EQ(*daemons_->List()[0].lag, absl::ZeroDuration());
  EXPECT_THAT(Configures(daemon), IsEmpty());
  EXPECT_EQ(daemons_->counts().live, 1u);
}

TEST_F(ReportConfigureTest, TheManagersOwnClockEndsNoLease) {
  Daemon daemon = Report("1");
  wall_ += absl::Hours(24 * 365);
  Advance(absl::Seconds(10));
  EXPECT_EQ(daemons_->counts().live, 1u);
  wall_ -= 2 * absl::Hours(24 * 365);
  Advance(absl::Seconds(10));
  EXPECT_EQ(daemons_->counts().stale, 1u) << "20 s without a report, whatever time it is";
  daemon.Keepalive();
  EXPECT_EQ(daemons_->counts().live, 1u);
}

TEST_F(ReportConfigureTest, WhatIsLeftOutHasNoValueAndComesBack) {
  Daemon daemon = Report("1");
  daemon.Schema();  // of the priority 5
  daemon.Counters({{0, 10}, {1, 20}});
  ASSERT_TRUE(daemons_->Configure(std::nullopt, 8).ok());
  daemons_->Tick();
  daemon.Counters({});
  daemon.Counters({{1, 21}});  // all the same
  EXPECT_THAT(Series("1", "b.ops")[0].samples(), SizeIs(1)) << "no line that says it stood still";
  EXPECT_THAT(Series("1", "a.level")[0].samples(), SizeIs(2));
  ASSERT_TRUE(daemons_->Configure(std::nullopt, 0).ok());
  daemons_->Tick();
  daemon.Counters({{0, 12}, {1, 22}});
  EXPECT_EQ(Series("1", "b.ops")[0].samples().rbegin()->value(), 12);
}

TEST_F(ReportConfigureTest, TheListTellsHowEachDaemonDoes) {
  Daemon daemon = Report("b");
  daemon.Schema();
  daemon.Counters({{0, 10}});
  daemon.Structure("backups", "[1]");
  daemon.Status("", "no key");
  const Daemon other = Report("a");
  auto list = daemons_->List();
  ASSERT_THAT(list, SizeIs(2));
  EXPECT_EQ(list[0].id, "a");
  const ReportedDaemons::Info& info = list[1];
  EXPECT_EQ(info.type, "backup");
  EXPECT_EQ(info.id, "b");
  EXPECT_EQ(info.hostname, "host1");
  EXPECT_EQ(info.version, "v7");
  EXPECT_TRUE(info.live);
  EXPECT_TRUE(info.connected);
  EXPECT_EQ(info.lease, absl::Seconds(15));
  EXPECT_EQ(info.drop_after, absl::Seconds(60));
  EXPECT_EQ(info.counters, 4u);
  EXPECT_EQ(info.structures, 1u);
  EXPECT_EQ(info.structure_bytes, 3u);
  EXPECT_EQ(info.messages, 5u);
  EXPECT_EQ(info.rejected, 1u);
  EXPECT_THAT(info.last_rejection, testing::StartsWith("backup.b: status.entries"));
  EXPECT_GT(info.bytes, 20u);
  EXPECT_GT(info.bytes_per_second, 0);
  EXPECT_FALSE(info.lag.has_value()) << "its counters told no time";
  Advance(absl::Seconds(20));
  daemons_->Detach(daemon.stream);
  list = daemons_->List();
  EXPECT_FALSE(list[1].live);
  EXPECT_FALSE(list[1].connected);
  EXPECT_EQ(list[1].age, absl::Seconds(20));
}

}  // namespace
}  // namespace outpost::cluster::report
