#include "server/cluster/report/reported_daemons.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/cluster/report/reported_daemons_fixture.h"

namespace outpost::cluster::report {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Key;
using testing::Pair;
using testing::SizeIs;
using testing::StartsWith;
using v1::IngestRejected;

TEST_F(ReportedDaemonsTest, AWelcomeTellsThePaceTheLeaseAndTheLimits) {
  auto hello = Hello("1");
  hello.mutable_lease()->set_seconds(30);
  const Daemon daemon = Report(hello);
  ASSERT_NE(daemon.stream, nullptr);
  ASSERT_THAT(daemon.link->sent, SizeIs(1));
  const auto& welcome = daemon.link->sent[0].welcome();
  EXPECT_EQ(welcome.protocol_version(), 1u);
  EXPECT_EQ(welcome.session(), "report-1");
  EXPECT_EQ(welcome.report_interval().seconds(), 5);
  EXPECT_EQ(welcome.lease().seconds(), 30);
  EXPECT_EQ(welcome.drop_after().seconds(), 75);
  EXPECT_EQ(welcome.limits().max_unacknowledged(), 64u);
  EXPECT_EQ(welcome.limits().max_structure_bytes(), uint64_t{16} << 20);
}

TEST_F(ReportedDaemonsTest, ALeaseIsGrantedWithinBounds) {
  auto hello = Hello("1");
  hello.mutable_lease()->set_nanos(1);
  EXPECT_EQ(Report(hello).link->sent[0].welcome().lease().seconds(), 10);
  hello.mutable_lease()->set_seconds(1'000'000);
  EXPECT_EQ(Report(hello).link->sent[0].welcome().lease().seconds(), 3600);
}

TEST_F(ReportedDaemonsTest, MetadataAndStatusAreReadAtOnceAndReplaceEachOther) {
  Daemon daemon = Report("1");
  EXPECT_THAT(*directory_.Metadata("backup", "1"),
              ElementsAre(Pair("ceph_version", "v7"), Pair("hostname", "host1")));
  EXPECT_THAT(StatusOf("1"), IsEmpty());
  daemon.Metadata("cpu", "fast");
  daemon.Metadata("kernel", "6.1");
  EXPECT_EQ(daemon.link->acknowledged, 3u);
  EXPECT_THAT(
      *directory_.Metadata("backup", "1"),
      ElementsAre(Pair("ceph_version", "v7"), Pair("hostname", "host1"), Pair("kernel", "6.1")));
  daemon.Status("state", "idle");
  EXPECT_THAT(StatusOf("1"), ElementsAre(Pair("state", "idle")));
  const auto server = directory_.Server("host1");
  ASSERT_TRUE(server.ok());
  EXPECT_EQ(server->version(), "v7");
  ASSERT_EQ(server->services_size(), 1);
  EXPECT_EQ(server->services(0).type(), "backup");
}

TEST_F(ReportedDaemonsTest, CountersAreDeltasOfWholeValues) {
  Daemon daemon = Report("1");
  daemon.Schema();
  const auto schemas = counters_.Schemas({});
  ASSERT_THAT(schemas, SizeIs(1));
  ASSERT_EQ(schemas[0].counters_size(), 4);
  EXPECT_EQ(schemas[0].counters(0).path(), "a.level");
  EXPECT_EQ(schemas[0].counters(0).type(), 2u);
  EXPECT_EQ(schemas[0].counters(0).unit(), 0u);
  EXPECT_EQ(schemas[0].counters(1).type(), 2u + 8u);
  EXPECT_EQ(schemas[0].counters(2).type(), 1u + 4u);
  EXPECT_EQ(schemas[0].counters(3).type(), 2u + 16u);
  daemon.Counters({{0, 10}, {1, 7}});
  v1::ReportRequest average;
  average.mutable_counters()->set_schema_version(1);
  average.mutable_counters()->add_average_indexes(2);
  average.mutable_counters()->add_average_sums(2'500'000'000);
  average.mutable_counters()->add_average_counts(5);
  average.mutable_counters()->mutable_sampled_at()->set_seconds(77);
  daemon.Send(average);
  daemon.Counters({{0, 11}});
  EXPECT_THAT(daemon.link->rejected(), IsEmpty());
  const auto ops = Series("1", "b.ops");
  ASSERT_THAT(ops, SizeIs(1));
  ASSERT_EQ(ops[0].samples_size(), 3);
  EXPECT_EQ(ops[0].samples(1).value(), 10);
  EXPECT_EQ(ops[0].samples(1).time().seconds(), 77);
  EXPECT_EQ(ops[0].samples(2).value(), 11);
  const auto latency = Series("1", "c.latency");
  ASSERT_EQ(latency[0].samples_size(), 2) << "none before it was named first";
  EXPECT_DOUBLE_EQ(latency[0].samples(1).value(), 2.5);
  EXPECT_EQ(latency[0].samples(1).count(), 5u);
  EXPECT_THAT(Series("1", "d.sizes"), IsEmpty());
}

TEST_F(ReportedDaemonsTest, DaemonsWithEqualCountersShareASchema) {
  Daemon one = Report("1");
  Daemon two = Report("2");
  one.Schema(1);
  two.Schema(9);
  EXPECT_EQ(daemons_->counts().schemas, 1u);
  EXPECT_EQ(daemons_->counts().counters, 8u);
}

TEST_F(ReportedDaemonsTest, ANewSchemaForgetsTheValues) {
  Daemon daemon = Report("1");
  daemon.Schema(1);
  daemon.Counters({{0, 10}});
  daemon.Schema(2);
  EXPECT_THAT(Series("1"), IsEmpty());
  daemon.Counters({{0, 10}}, 2);
  EXPECT_THAT(Series("1"), SizeIs(1));
  daemon.Schema(2);
  EXPECT_EQ(daemon.LastRejection().field(), "perf_schema.version");
}

TEST_F(ReportedDaemonsTest, CountersOfAnUnknownSchemaAskForItOnceALoss) {
  Daemon daemon = Report("1");
  daemon.Counters({{0, 1}}, 4);
  EXPECT_EQ(daemon.LastRejection().reason(), IngestRejected::REASON_SCHEMA_UNKNOWN);
  daemon.Counters({{0, 1}}, 4);
  EXPECT_EQ(daemon.link->resends(), 1);
  EXPECT_EQ(daemon.link->sent.at(2).resend_schema().schema_version(), 4u);
  daemon.Schema(4);
  daemon.Counters({{0, 1}}, 4);
  EXPECT_THAT(Series("1"), SizeIs(1));
  daemon.Counters({{0, 1}}, 3);
  EXPECT_EQ(daemon.link->resends(), 2);
  daemon.Schema(4);  // the answer: the present one again
  daemon.Counters({{0, 2}}, 4);
  EXPECT_EQ(Series("1")[0].samples_size(), 2);
}

TEST_F(ReportedDaemonsTest, LiveStaleLiveAgainAndNothingIsLost) {
  Daemon daemon = Report("1");
  daemon.Schema();
  daemon.Counters({{0, 10}});
  daemon.Status("state", "busy");
  daemon.Health("SLOW_OPS", 3, 40);
  daemon.Structure("queue", "[1]");
  Advance(absl::Seconds(14));
  EXPECT_THAT(Codes(), ElementsAre("SLOW_OPS"));
  Advance(absl::Seconds(2));
  EXPECT_EQ(daemons_->counts().stale, 1u);
  EXPECT_THAT(StatusOf("1"), AllOf(Contains(Pair("state", "busy")), Contains(Key("stale_since"))));
  EXPECT_THAT(Codes(), ElementsAre("DAEMON_REPORT_STALE"));
  EXPECT_EQ(checks_[0].summary(), "1 daemon has stopped reporting");
  EXPECT_EQ(checks_[0].count(), 1);
  EXPECT_THAT(checks_[0].detail(0), StartsWith("backup.1 on host1 has been silent since "));
  EXPECT_THAT(health_.Get({}), IsEmpty()) << "the metrics of a stale daemon do not count";
  EXPECT_THAT(Series("1"), SizeIs(1));
  EXPECT_EQ(Json("queue"), "[1]");
  daemon.Keepalive();
  Advance(absl::Milliseconds(250));
  EXPECT_EQ(daemons_->counts().live, 1u);
  EXPECT_THAT(StatusOf("1"), ElementsAre(Pair("state", "busy")));
  EXPECT_THAT(Codes(), ElementsAre("SLOW_OPS"));
  EXPECT_THAT(health_.Get({}), SizeIs(1));
}

TEST_F(ReportedDaemonsTest, ARejectedMessageRenewsTheLeaseToo) {
  Daemon daemon = Report("1");
  for (int i = 0; i < 4; ++i) {
    Advance(absl::Seconds(10));
    daemon.Status("", "a key that is empty");
    EXPECT_EQ(daemon.LastRejection().reason(), IngestRejected::REASON_INVALID);
  }
  EXPECT_EQ(daemons_->counts().live, 1u);
}

TEST_F(ReportedDaemonsTest, ADroppedDaemonIsForgottenAsIfItHadNeverBeen) {
  Daemon daemon = Report("1");
  daemon.Schema();
  daemon.Counters({{0, 10}});
  daemon.Health("SLOW_OPS", 3, 40);
  daemon.Structure("queue", "[1]");
  Advance(absl::Seconds(61));
  EXPECT_EQ(daemons_->counts().live + daemons_->counts().stale, 0u);
  EXPECT_EQ(daemons_->counts().counters, 0u);
  EXPECT_EQ(daemons_->counts().structure_bytes, 0u);
  EXPECT_TRUE(absl::IsNotFound(directory_.Metadata("backup", "1").status()));
  EXPECT_TRUE(absl::IsNotFound(directory_.Server("host1").status()));
  EXPECT_THAT(counters_.Schemas({}), IsEmpty());
  EXPECT_EQ(Json("queue"), "none");
  EXPECT_THAT(checks_, IsEmpty());
  EXPECT_TRUE(absl::IsUnavailable(daemon.link->end)) << "its stream ends, so that it comes anew";
  daemon.Keepalive();  // too late
  EXPECT_EQ(daemons_->counts().live, 0u);
  EXPECT_NE(Report("1").stream, nullptr);
  EXPECT_THAT(Series("1"), IsEmpty());
}

TEST_F(ReportedDaemonsTest, AStreamThatBreaksAndComesBackWithinTheLeaseChangesNothing) {
  Daemon daemon = Report("1");
  daemon.Schema();
  daemon.Counters({{0, 10}});
  daemon.Status("state", "busy");
  daemons_->Detach(daemon.stream);
  Advance(absl::Seconds(10));
  EXPECT_EQ(daemons_->counts().live, 1u);
  Daemon again = Report("1");
  EXPECT_THAT(StatusOf("1"), ElementsAre(Pair("state", "busy")));
  again.Schema();
  again.Counters({{0, 11}});
  EXPECT_EQ(Series("1")[0].samples_size(), 2) << "the series goes on";
  Advance(absl::Seconds(14));
  EXPECT_EQ(daemons_->counts().live, 1u);
}

TEST_F(ReportedDaemonsTest, AnotherInstanceBeginsAnewAndItsStreamWins) {
  Daemon old = Report("1", "old");
  old.Schema();
  old.Counters({{0, 10}});
  old.Status("state", "busy");
  old.Metadata("cpu", "fast");
  old.Health("SLOW_OPS", 1, 1);
  Daemon young = Report("1", "young");
  EXPECT_TRUE(absl::IsAborted(old.link->end));
  EXPECT_EQ(old.link->reason, "REPLACED");
  EXPECT_THAT(Series("1"), IsEmpty());
  EXPECT_THAT(StatusOf("1"), IsEmpty());
  EXPECT_THAT(health_.Get({}), IsEmpty());
  EXPECT_THAT(*directory_.Metadata("backup", "1"), Contains(Pair("cpu", "fast")));
  old.Status("state", "still here");  // is not heard any more
  EXPECT_THAT(StatusOf("1"), IsEmpty());
  daemons_->Detach(old.stream);  // its end does not end the other one's
  young.Status("state", "new");
  EXPECT_THAT(StatusOf("1"), ElementsAre(Pair("state", "new")));
  EXPECT_TRUE(young.link->end.ok());
}

TEST_F(ReportedDaemonsTest, TheSameInstanceTwiceReplacesTheStreamAndKeepsTheData) {
  Daemon first = Report("1");
  first.Status("state", "busy");
  Daemon second = Report("1");
  EXPECT_EQ(first.link->reason, "REPLACED");
  EXPECT_THAT(StatusOf("1"), ElementsAre(Pair("state", "busy")));
}

TEST_F(ReportedDaemonsTest, AGoodbyeDropsAtOnceAndARestartDoesNot) {
  Daemon leaves = Report("1");
  leaves.Goodbye(/*restarting=*/false);
  EXPECT_EQ(leaves.link->acknowledged, 2u);
  EXPECT_TRUE(leaves.link->end.ok()) << "it ends in good order";
  EXPECT_TRUE(absl::IsNotFound(directory_.Metadata("backup", "1").status()));
  leaves.Keepalive();
  EXPECT_EQ(leaves.link->reason, "PROTOCOL_ERROR");
  Daemon restarts = Report("2");
  restarts.Goodbye(/*restarting=*/true);
  daemons_->Detach(restarts.stream);
  EXPECT_TRUE(directory_.Metadata("backup", "2").ok());
  Advance(absl::Seconds(16));
  EXPECT_EQ(daemons_->counts().stale, 1u);
}

TEST_F(ReportedDaemonsTest, AMessageAfterGoodbyeIsAProtocolError) {
  Daemon daemon = Report("1");
  daemon.Goodbye(/*restarting=*/true);
  daemon.Keepalive();
  EXPECT_EQ(daemon.link->reason, "PROTOCOL_ERROR");
  EXPECT_THAT(std::string(daemon.link->end.message()), HasSubstr("backup.1: sent a message after"));
}

TEST_F(ReportedDaemonsTest, AClockThatJumpsBlamesNobody) {
  Daemon daemon = Report("1");
  clock_ += absl::Hours(24);  // the manager was halted
  daemons_->Tick();
  EXPECT_EQ(daemons_->counts().live, 1u);
  daemon.Keepalive();
  clock_ += absl::Hours(24);
  daemon.Keepalive();  // read before the first tick
  daemons_->Tick();
  clock_ -= absl::Hours(7);  // no monotonic clock should
  daemons_->Tick();
  EXPECT_EQ(daemons_->counts().live, 1u);
  clock_ += absl::Hours(7);
  Advance(absl::Seconds(20));
  EXPECT_EQ(daemons_->counts().stale, 1u) << "and leases still end";
}

TEST_F(ReportedDaemonsTest, TheDaemonsOwnClockMayJumpToo) {
  Daemon daemon = Report("1");
  daemon.Schema();
  for (const int64_t second : {1'000'000'000, 10, -5}) {
    v1::ReportRequest request;
    request.mutable_counters()->set_schema_version(1);
    request.mutable_counters()->add_indexes(0);
    request.mutable_counters()->add_values(1);
    request.mutable_counters()->mutable_sampled_at()->set_seconds(second);
    daemon.Send(request);
  }
  const auto series = Series("1");
  ASSERT_EQ(series[0].samples_size(), 3);
  EXPECT_EQ(series[0].samples(2).time().seconds(), -5) << "it is passed on as it was told";
  EXPECT_EQ(daemons_->counts().live, 1u);
  v1::ReportRequest request;
  request.mutable_counters()->set_schema_version(1);
  request.mutable_counters()->mutable_sampled_at()->set_nanos(-1);
  daemon.Send(request);
  EXPECT_EQ(daemon.LastRejection().field(), "counters.sampled_at");
}

TEST_F(ReportedDaemonsTest, HealthMetricsAreAddedUpInCephsWords) {
  Daemon one = Report("1");
  Daemon two = Report("2");
  one.Health("SLOW_OPS", 3, 40);
  one.Status("state", "busy");
  Advance(absl::Seconds(1));
  ASSERT_THAT(Codes(), ElementsAre("SLOW_OPS"));
  EXPECT_EQ(checks_[0].summary(),
            "3 slow ops, oldest one blocked for 40 sec, backup.1 has slow ops");
  two.Health("SLOW_OPS", 2, 70);
  Advance(absl::Seconds(1));
  EXPECT_EQ(
      checks_[0].summary(),
      "5 slow ops, oldest one blocked for 70 sec, daemons [backup.1,backup.2] have slow ops.");
  EXPECT_EQ(checks_[0].count(), 5);
  two.Health("PENDING_CREATING_PGS", 4);
  one.Health("SLOW_OPS", 0);
  Advance(absl::Seconds(1));
  ASSERT_THAT(Codes(), ElementsAre("PENDING_CREATING_PGS"));
  EXPECT_EQ(checks_[0].summary(), "4 PGs pending on creation");
  const auto metrics = health_.Get({});
  ASSERT_THAT(metrics, SizeIs(2));
  EXPECT_EQ(metrics[1].daemon().id(), "2");
  EXPECT_EQ(metrics[1].metrics(0).type(), "PENDING_CREATING_PGS");
  EXPECT_EQ(metrics[1].lease().seconds(), 15);
  v1::ReportRequest well;
  well.mutable_health_metrics();
  two.Send(well);
  Advance(absl::Seconds(1));
  EXPECT_THAT(checks_, IsEmpty());
}

TEST_F(ReportedDaemonsTest, ManyStaleDaemonsAreCountedAndTheFirstAreNamed) {
  std::vector<Daemon> many;
  many.reserve(60);
  for (int i = 0; i < 60; ++i) many.push_back(Report(absl::StrCat(i)));
  Advance(absl::Seconds(16));
  ASSERT_THAT(Codes(), ElementsAre("DAEMON_REPORT_STALE"));
  EXPECT_EQ(checks_[0].summary(), "60 daemons have stopped reporting");
  EXPECT_EQ(checks_[0].count(), 60);
  EXPECT_EQ(checks_[0].detail_size(), 51);
  EXPECT_EQ(checks_[0].detail(50), "and 10 more");
}

TEST_F(ReportedDaemonsTest, StructuresHaveVersionsAndAnOwner) {
  Daemon one = Report("1");
  Daemon two = Report("2");
  one.Structure("queue", "[1]");
  const uint64_t version = (*state_.Get("queue"))->version;
  one.Structure("queue", "[1]");
  EXPECT_EQ((*state_.Get("queue"))->version, version);
  one.Structure("queue", "[1,2]");
  EXPECT_EQ((*state_.Get("queue"))->version, version + 1);
  two.Structure("queue", "[3]");
  EXPECT_EQ(two.LastRejection().reason(), IngestRejected::REASON_OWNED);
  EXPECT_THAT(two.LastRejection().message(), HasSubstr("belongs to backup.1"));
  Advance(absl::Seconds(10));
  two.Keepalive();
  Advance(absl::Seconds(10));
  two.Structure("queue", "[3]");  // the owner is stale
  EXPECT_EQ(Json("queue"), "[3]");
  one.Structure("queue", "[4]");
  EXPECT_EQ(one.LastRejection().reason(), IngestRejected::REASON_OWNED);
  two.Structure("queue", "");
  EXPECT_EQ(Json("queue"), "none");
  one.Structure("queue", "[5]");
  EXPECT_EQ(Json("queue"), "[5]");
  EXPECT_GT((*state_.Get("queue"))->version, version + 2) << "versions grow over a removal";
}

TEST_F(ReportedDaemonsTest, TheStructuresOfALiveDaemonAreConfirmed) {
  Daemon daemon = Report("1");
  daemon.Structure("queue", "[1]");
  const absl::Time published = state_.List()[0].confirmed;
  Advance(absl::Seconds(1));
  const absl::Time confirmed = state_.List()[0].confirmed;
  EXPECT_GT(confirmed, published);
  Advance(absl::Seconds(20));
  const absl::Time stale = state_.List()[0].confirmed;
  Advance(absl::Seconds(5));
  EXPECT_EQ(state_.List()[0].confirmed, stale) << "it stands still";
}

TEST_F(ReportedDaemonsTest, WhatTheSourceTellsOfIsNotADaemonsToReport) {
  ReportOptions options;
  options.beside = "ceph";
  Make(options);
  state_.Publish("rgw_metadata", R"({"a": {"hostname": "h"}})");
  state_.Publish("osd_map", "{}");
  for (const auto& [type, id] : {std::pair("osd", "7"), std::pair("rgw", "a")}) {
    auto hello = Hello(id);
    hello.set_service_type(type);
    const Daemon refused = Report(hello);
    EXPECT_EQ(refused.stream, nullptr);
    EXPECT_TRUE(absl::IsPermissionDenied(refused.link->end));
    EXPECT_EQ(refused.link->reason, "NOT_ALLOWED");
  }
  Daemon daemon = Report("1");
  daemon.Structure("osd_map", "[]");
  EXPECT_EQ(daemon.LastRejection().reason(), IngestRejected::REASON_NOT_ALLOWED);
  EXPECT_EQ(Json("osd_map"), "{}");
  daemon.Structure("late", "[1]");
  state_.Publish("late", "{}");  // the source comes with it later
  daemon.Structure("late", "[2]");
  EXPECT_EQ(daemon.LastRejection().reason(), IngestRejected::REASON_NOT_ALLOWED);
  daemon.Goodbye(false);
  EXPECT_EQ(Json("late"), "{}");
}

TEST_F(ReportedDaemonsTest, StopEndsEveryStream) {
  const Daemon daemon = Report("1");
  daemons_->Stop();
  EXPECT_TRUE(absl::IsUnavailable(daemon.link->end));
  EXPECT_TRUE(absl::IsUnavailable(Report("2").link->end));
}

}  // namespace
}  // namespace outpost::cluster::report
