#include "server/cluster/ceph/counter_poller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <map>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "server/event/stepped_clock.h"

namespace outpost::cluster::ceph {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

constexpr char kSchema[] = R"({
  "osd": {
    "op_w": {"type": 10, "description": "writes", "nick": "w", "priority": 5, "units": "none"},
    "op_latency": {"type": 5, "description": "latency", "nick": "l", "priority": 9, "units": "none"},
    "op_in_bytes": {"type": 10, "description": "in", "nick": "wr", "priority": 8, "units": "bytes"},
    "op_hist": {"type": 17, "description": "h", "nick": "", "priority": 9, "units": "none"},
    "debug": {"type": 2, "description": "d", "nick": "", "priority": 0, "units": "none"}
  }
})";
constexpr char kDump[] =
    R"({"osd": {"op_w": 7, "op_latency": {"avgcount": 3, "sum": 0.5, "avgtime": 0.16},
        "other": 9}, "mutex": {"x": 1}})";

std::vector<std::string> Paths(const std::vector<v1::CounterSchema>& schema) {
  std::vector<std::string> paths;
  paths.reserve(schema.size());
  for (const auto& counter : schema) paths.push_back(counter.path());
  return paths;
}

TEST(ParsePerfSchemaTest, KeepsWhatIsUsefulAndNoHistograms) {
  const auto schema = ParsePerfSchema(kSchema, 5);
  ASSERT_TRUE(schema.ok()) << schema.status();
  EXPECT_THAT(Paths(*schema), ElementsAre("osd.op_in_bytes", "osd.op_latency", "osd.op_w"));
  EXPECT_EQ((*schema)[0].unit(), 0u);
  EXPECT_EQ((*schema)[1].type(), kTime | kLongRunAvg);
  EXPECT_EQ((*schema)[2].nick(), "w");
  for (const char* bad : {"", "[]", R"({"osd": 3})"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParsePerfSchema(bad, 5).status())) << bad;
  }
}

TEST(ParsePerfDumpTest, ValuesAreInTheOrderOfTheSchema) {
  const auto schema = ParsePerfSchema(kSchema, 5);
  const auto values = ParsePerfDump(kDump, *schema);
  ASSERT_TRUE(values.ok()) << values.status();
  ASSERT_THAT(*values, SizeIs(3));
  EXPECT_EQ((*values)[0].value, 0) << "the dump has none";
  EXPECT_EQ((*values)[1].value, 0.5);
  EXPECT_EQ((*values)[1].count, 3u);
  EXPECT_EQ((*values)[2].value, 7);
  EXPECT_FALSE(ParsePerfDump("[]", *schema).ok());
}

// Daemons that answer, are dead, or hang until they are let go.
class CounterPollerTest : public testing::Test {
 protected:
  ~CounterPollerTest() override {
    absl::MutexLock lock(&mu_);
    hang_ = false;
  }

  CounterPoller::Tell Tell() {
    return [this](const std::string& type, const std::string& id, absl::string_view command) {
      absl::MutexLock lock(&mu_);
      ++asked_[absl::StrCat(type, ".", id, absl::StrContains(command, "schema") ? " schema" : "")];
      if (id == "dead") return command::Result{-ETIMEDOUT, "", "no answer"};
      const auto released = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return !hang_; };
      if (id == "hung") mu_.Await(absl::Condition(&released));
      return command::Result{0, absl::StrContains(command, "schema") ? kSchema : kDump, ""};
    };
  }

  int Asked(const std::string& what) {
    absl::MutexLock lock(&mu_);
    return asked_[what];
  }
  void AwaitAsked(const std::string& what, int times) {
    const auto enough = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return asked_[what] >= times; };
    absl::MutexLock lock(&mu_);
    mu_.Await(absl::Condition(&enough));
  }

  absl::Mutex mu_;
  bool hang_ ABSL_GUARDED_BY(mu_) = true;
  std::map<std::string, int> asked_ ABSL_GUARDED_BY(mu_);
  int asking_ ABSL_GUARDED_BY(mu_) = 0;
  int most_ ABSL_GUARDED_BY(mu_) = 0;
  PerfCounters counters_;
};

TEST_F(CounterPollerTest, SchemaOncePerStartAndValuesEveryInterval) {
  CounterPoller poller(&counters_, absl::Milliseconds(5), 2, Tell());
  poller.SetDaemons({{"osd", "0", 10}, {"osd", "1", 11}});
  AwaitAsked("osd.0", 3);
  AwaitAsked("osd.1", 3);
  EXPECT_EQ(Asked("osd.0 schema"), 1);
  poller.SetDaemons({{"osd", "0", 10}, {"osd", "1", 12}});
  AwaitAsked("osd.1 schema", 2);
  EXPECT_EQ(Asked("osd.0 schema"), 1) << "it has not started again";
  poller.Stop();
  EXPECT_THAT(counters_.Schemas({}), SizeIs(2));
  v1::GetCountersRequest request;
  request.add_paths("osd.op_w");
  const auto series = counters_.Series(request);
  ASSERT_THAT(series, SizeIs(2));
  EXPECT_EQ(series[0].samples(0).value(), 7);
}

TEST_F(CounterPollerTest, AHungDaemonAndADeadOneDelayNobodyElse) {
  CounterPoller poller(&counters_, absl::Milliseconds(5), 2, Tell());
  poller.SetDaemons({{"osd", "hung", 1}, {"osd", "dead", 1}, {"osd", "well", 1}});
  AwaitAsked("osd.hung schema", 1);
  AwaitAsked("osd.well", 20);
  EXPECT_EQ(Asked("osd.hung schema"), 1) << "one question at a time";
  EXPECT_LT(Asked("osd.dead schema"), 10) << "ever less often";
  {
    absl::MutexLock lock(&mu_);
    hang_ = false;
  }
  AwaitAsked("osd.hung", 1);
}

TEST_F(CounterPollerTest, ManyThatDoNotAnswerLeaveAThreadForTheOthers) {
  // Each of the dead ones keeps a thread for some time, of two.
  CounterPoller poller(&counters_, absl::Milliseconds(1), 2,
                       [this, tell = Tell()](const std::string& type, const std::string& id,
                                             absl::string_view command) {
                         if (!absl::StartsWith(id, "dead")) return tell(type, id, command);
                         bool again = false;
                         {
                           absl::MutexLock lock(&mu_);
                           again = ++asked_[id] > 1;
                           if (again) most_ = std::max(most_, ++asking_);
                         }
                         absl::SleepFor(absl::Milliseconds(20));
                         absl::MutexLock lock(&mu_);
                         if (again) --asking_;
                         return command::Result{-ETIMEDOUT, "", "no answer"};
                       });
  poller.SetDaemons(
      {{"osd", "dead1", 1}, {"osd", "dead2", 1}, {"osd", "dead3", 1}, {"osd", "well", 1}});
  for (const char* dead : {"dead1", "dead2", "dead3"}) AwaitAsked(dead, 3);
  AwaitAsked("osd.well", 20);
  absl::MutexLock lock(&mu_);
  EXPECT_EQ(most_, 1) << "so many were asked at once that had not answered before";
}

TEST_F(CounterPollerTest, AClockThatIsSetStopsNothing) {
  CounterPoller poller(&counters_, absl::Milliseconds(5), 2, Tell());
  poller.SetDaemons({{"osd", "0", 1}});
  for (const absl::Duration step : {absl::Hours(5), absl::Hours(-5), absl::ZeroDuration()}) {
    event::StepWallClock(step);
    AwaitAsked("osd.0", Asked("osd.0") + 5);
  }
}

TEST_F(CounterPollerTest, WhoIsGoneIsForgottenAlsoWhileItIsAsked) {
  CounterPoller poller(&counters_, absl::Milliseconds(5), 2, Tell());
  poller.SetDaemons({{"osd", "hung", 1}, {"osd", "0", 1}});
  AwaitAsked("osd.hung schema", 1);
  AwaitAsked("osd.0", 1);
  poller.SetDaemons({});
  {
    absl::MutexLock lock(&mu_);
    hang_ = false;
  }
  poller.Stop();
  EXPECT_THAT(counters_.Schemas({}), SizeIs(0));
}

}  // namespace
}  // namespace outpost::cluster::ceph
