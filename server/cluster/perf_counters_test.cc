#include "server/cluster/perf_counters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace outpost::cluster {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

v1::CounterSchema Counter(const std::string& path, uint32_t type, uint32_t priority) {
  v1::CounterSchema counter;
  counter.set_path(path);
  counter.set_type(type);
  counter.set_priority(priority);
  return counter;
}

v1::GetCountersRequest Request(const std::string& type, const std::string& id,
                               const std::string& path = "") {
  v1::GetCountersRequest request;
  request.mutable_daemon()->set_type(type);
  request.mutable_daemon()->set_id(id);
  if (!path.empty()) request.add_paths(path);
  return request;
}

class PerfCountersTest : public testing::Test {
 protected:
  void Record(const std::string& id, int second, double op) {
    EXPECT_TRUE(counters_.Record("osd", id, At(second), {{op, 0}, {op / 2, 3}}));
  }
  // A moment, of a wall clock that is `ahead` seconds ahead.
  static event::Moment At(int second, int ahead = 0) {
    return {absl::FromUnixSeconds(1000 + second + ahead), absl::Seconds(second)};
  }
  static std::vector<int64_t> Times(const v1::CounterSeries& series) {
    std::vector<int64_t> times;
    for (const auto& sample : series.samples()) times.push_back(sample.time().seconds());
    return times;
  }

  const PerfCounters::Schema schema_ = std::make_shared<const std::vector<v1::CounterSchema>>(
      std::vector<v1::CounterSchema>{Counter("osd.op", kU64 | kCounter, 10),
                                     Counter("osd.op_latency", kTime | kLongRunAvg, 5)});
  PerfCounters counters_;
};

TEST_F(PerfCountersTest, SeriesAndLatestValues) {
  counters_.SetSchema("osd", "0", schema_);
  Record("0", 1, 10);
  Record("0", 2, 20);
  const auto series = counters_.Series(Request("osd", "0", "osd.op"), At(3));
  ASSERT_THAT(series, SizeIs(1));
  EXPECT_THAT(Times(series[0]), ElementsAre(1001, 1002));
  EXPECT_EQ(series[0].samples(1).value(), 20);
  EXPECT_FALSE(series[0].samples(1).has_count());
  auto latest = Request("osd", "0", "osd.op_latency");
  latest.set_latest_only(true);
  const auto average = counters_.Series(latest);
  ASSERT_THAT(average, SizeIs(1));
  ASSERT_EQ(average[0].samples_size(), 1);
  EXPECT_EQ(average[0].samples(0).value(), 10);
  EXPECT_EQ(average[0].samples(0).count(), 3u);
  EXPECT_THAT(counters_.Series(Request("osd", "0", "nosuch")), IsEmpty());
  EXPECT_THAT(counters_.Series(Request("osd", "1")), IsEmpty());
}

TEST_F(PerfCountersTest, SelectionByTypeIdAndPriority) {
  for (const char* id : {"0", "1"}) {
    counters_.SetSchema("osd", id, schema_);
    Record(id, 1, 1);
  }
  counters_.SetSchema("mon", "a", schema_);
  EXPECT_THAT(counters_.Series(Request("osd", "")), SizeIs(4));
  EXPECT_THAT(counters_.Series(Request("", "")), SizeIs(4)) << "mon.a has no sample";
  auto important = Request("osd", "");
  important.set_min_priority(8);
  EXPECT_THAT(counters_.Series(important), SizeIs(2));
  EXPECT_THAT(counters_.Schemas({}), SizeIs(3));
  v1::DaemonName mons;
  mons.set_type("mon");
  const auto schemas = counters_.Schemas(mons);
  ASSERT_THAT(schemas, SizeIs(1));
  EXPECT_EQ(schemas[0].counters_size(), 2);
}

TEST_F(PerfCountersTest, SeriesAreBounded) {
  counters_.SetSchema("osd", "0", schema_);
  for (int i = 0; i < 50; ++i) Record("0", i, i);
  const auto series = counters_.Series(Request("osd", "0", "osd.op"));
  ASSERT_EQ(series[0].samples_size(), static_cast<int>(PerfCounters::kSamples));
  EXPECT_EQ(series[0].samples(0).value(), 30);
}

TEST_F(PerfCountersTest, WhatDoesNotFitIsNotTaken) {
  EXPECT_FALSE(counters_.Record("osd", "0", At(1), {{1, 0}, {2, 0}}));
  counters_.SetSchema("osd", "0", schema_);
  EXPECT_FALSE(counters_.Record("osd", "0", At(1), {{1, 0}}));
  EXPECT_THAT(counters_.Series(Request("osd", "0")), IsEmpty());
}

TEST_F(PerfCountersTest, SamplesMoveWithAClockThatIsSet) {
  counters_.SetSchema("osd", "0", schema_);
  const auto times = [&](const event::Moment& now) {
    return Times(counters_.Series(Request("osd", "0", "osd.op"), now)[0]);
  };
  Record("0", 5, 1);
  Record("0", 10, 2);
  EXPECT_THAT(times(At(11)), ElementsAre(1005, 1010));
  // Also before there is another sample, and after: they are five seconds from each other.
  EXPECT_THAT(times(At(11, -700)), ElementsAre(305, 310));
  EXPECT_TRUE(counters_.Record("osd", "0", At(15, -700), {{3, 0}, {0, 0}}));
  EXPECT_THAT(times(At(16, -700)), ElementsAre(305, 310, 315));
  EXPECT_THAT(times(At(17)), ElementsAre(1005, 1010, 1015));
  EXPECT_EQ(counters_.LastSample(Request("osd", "0").daemon(), At(17)),
            absl::FromUnixSeconds(1015));
  EXPECT_EQ(counters_.LastSample(Request("osd", "none").daemon()), absl::InfinitePast());
  // What a daemon told is not ours to move.
  counters_.SetSchema("osd", "1", schema_)->Add(absl::FromUnixSeconds(7), [](auto values, auto) {
    values[0] = 1;
  });
  EXPECT_THAT(Times(counters_.Series(Request("osd", "1", "osd.op"), At(9, 5000))[0]),
              ElementsAre(7));
}

TEST_F(PerfCountersTest, ANewSchemaBeginsAnewAndRemoveEndsIt) {
  counters_.SetSchema("osd", "0", schema_);
  Record("0", 1, 1);
  counters_.SetSchema("osd", "0", schema_);
  EXPECT_THAT(counters_.Series(Request("osd", "0")), SizeIs(2)) << "the same schema";
  counters_.SetSchema("osd", "0", std::make_shared<const std::vector<v1::CounterSchema>>(*schema_));
  EXPECT_THAT(counters_.Series(Request("osd", "0")), IsEmpty());
  counters_.Remove("osd", "0");
  EXPECT_THAT(counters_.Schemas({}), IsEmpty());
}

TEST_F(PerfCountersTest, ASampleIsTheOneBeforeButForWhatChanged) {
  const auto samples = counters_.SetSchema("osd", "0", schema_);
  for (int i = 0; i < 50; ++i) {
    samples->Add(absl::FromUnixSeconds(i), [&](auto values, auto counts) {
      if (i >= 45) values[0] = i;
      if (i % 2 == 0) {
        values[1] = i;
        counts[0] = static_cast<uint64_t>(i);
      }
    });
  }
  const auto series = counters_.Series(Request("osd", "0"));
  ASSERT_THAT(series, SizeIs(2));
  ASSERT_EQ(series[0].samples_size(), 5) << "none before there was a value";
  EXPECT_EQ(series[0].samples(0).time().seconds(), 45);
  EXPECT_EQ(series[0].samples(0).value(), 45);
  ASSERT_EQ(series[1].samples_size(), static_cast<int>(PerfCounters::kSamples));
  EXPECT_EQ(series[1].samples(0).value(), 30);
  EXPECT_EQ(series[1].samples(1).value(), 30) << "unchanged at 31";
  EXPECT_EQ(series[1].samples(19).count(), 48u);
}

TEST_F(PerfCountersTest, ListenersHearOfSchemas) {
  std::vector<std::string> changed;
  counters_.OnSchemaChanged(
      [&](const std::string& type, const std::string& id) { changed.push_back(type + "." + id); });
  counters_.SetSchema("osd", "0", schema_);
  counters_.SetSchema("osd", "0", schema_);
  counters_.Remove("osd", "0");
  counters_.Remove("osd", "0");
  EXPECT_THAT(changed, ElementsAre("osd.0", "osd.0"));
}

}  // namespace
}  // namespace outpost::cluster
