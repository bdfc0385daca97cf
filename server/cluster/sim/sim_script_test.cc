#include "server/cluster/sim/sim_script.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/cluster/sim/sim_health.h"

namespace outpost::cluster::sim {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class SimScriptTest : public testing::Test {
 protected:
  static SimOptions Options() {
    SimOptions options;
    options.osds = 9;  // on host1 to host3
    options.failures_per_hour = 0;
    return options;
  }

  void Use(absl::string_view text) {
    absl::StatusOr<Script> script = Script::Parse("s", text, model_.cluster());
    ASSERT_TRUE(script.ok()) << script.status();
    script_ = *std::move(script);
  }

  std::string Refusal(absl::string_view text) {
    const absl::Status status = Script::Parse("s", text, model_.cluster()).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << text << ": " << status;
    return std::string(status.message());
  }

  // Second by second, up to `seconds` since the start.
  void RunTo(int seconds) {
    for (; now_ < seconds; ++now_) {
      model_.Advance(absl::Seconds(1));
      script_.Run(absl::Seconds(now_ + 1), model_,
                  [this](absl::string_view level, absl::string_view line) {
                    lines_.push_back(absl::StrCat(now_ + 1, " ", level, " ", line));
                  });
    }
  }

  std::vector<int> Down() {
    std::vector<int> down;
    for (const Osd& osd : model_.cluster().osds) {
      if (!osd.up) down.push_back(osd.id);
    }
    return down;
  }

  std::vector<std::string> Checks() {
    std::vector<std::string> codes;
    for (const HealthCheck& check : HealthChecks(model_.cluster())) codes.push_back(check.code);
    return codes;
  }

  Model model_{Options()};
  Script script_;
  int now_ = 0;
  std::vector<std::string> lines_;
};

TEST_F(SimScriptTest, AnOsdFailsAndComesBack) {
  Use("# a comment\n\nat 10s osd 3 down for 30s  # another\n");
  RunTo(9);
  EXPECT_THAT(Down(), IsEmpty());
  RunTo(10);
  EXPECT_THAT(Down(), ElementsAre(3));
  EXPECT_THAT(Checks(), testing::IsSupersetOf({"OSD_DOWN", "PG_DEGRADED"}));
  RunTo(42);
  EXPECT_THAT(Down(), IsEmpty());
}

TEST_F(SimScriptTest, AHostDiesAndPgsDegradeAndRecover) {
  Use("at 1m30s host host2 up\nat 5s host host2 down");
  RunTo(5);
  EXPECT_THAT(Down(), ElementsAre(3, 4, 5));
  EXPECT_THAT(Checks(), testing::IsSupersetOf({"OSD_DOWN", "OSD_HOST_DOWN", "PG_DEGRADED"}));
  RunTo(92);
  EXPECT_THAT(Down(), IsEmpty());
  EXPECT_THAT(Checks(), Not(Contains("PG_DEGRADED")));
}

TEST_F(SimScriptTest, AnOsdFlaps) {
  Use("at 10s osd 0 flap 3 every 20s");
  int went_down = 0;
  bool was_down = false;
  for (int second = 1; second <= 90; ++second) {
    RunTo(second);
    const bool down = !Down().empty();
    went_down += down && !was_down ? 1 : 0;
    was_down = down;
  }
  EXPECT_EQ(went_down, 3);
  EXPECT_FALSE(was_down);
}

TEST_F(SimScriptTest, APoolFills) {
  Use("at 10s pool rbd fill 92% over 60s\nat 2m pool rbd fill 10%");
  const auto share = [this] {
    const Pool& pool = *FindPool(model_.cluster(), "rbd");
    const auto size = static_cast<double>(pool.size);
    const double used = static_cast<double>(CountPool(pool).copies) * kObjectBytes;
    const double available =
        static_cast<double>(MaxAvailable(CountCapacity(model_.cluster()), pool)) * size;
    return used / (used + available);
  };
  RunTo(10);
  const double first = share();
  RunTo(40);
  const double half = share();
  EXPECT_GT(half, first + 0.1);
  EXPECT_LT(half, 0.9);
  RunTo(75);
  EXPECT_GT(share(), 0.85);
  EXPECT_THAT(Checks(), testing::AnyOf(Contains("OSD_NEARFULL"), Contains("OSD_FULL")));
  EXPECT_THAT(Checks(), testing::AnyOf(Contains("POOL_NEARFULL"), Contains("POOL_BACKFILLFULL"),
                                       Contains("POOL_FULL")));
  RunTo(125);
  EXPECT_NEAR(share(), 0.10, 0.02);
  EXPECT_THAT(Checks(), IsEmpty());
}

TEST_F(SimScriptTest, FlagsAndLinesAndRounds) {
  Use("at 2s log warn slow ops,  two of them\nat 4s set noout\nat 6s unset noout\n"
      "at 0s osd 1 out\nat 1s osd 1 in\nrepeat every 10s");
  RunTo(5);
  EXPECT_NE(model_.cluster().flags & kNoOut, 0u);
  RunTo(7);
  EXPECT_EQ(model_.cluster().flags & kNoOut, 0u);
  RunTo(25);
  EXPECT_THAT(lines_, ElementsAre("2 warn slow ops, two of them", "12 warn slow ops, two of them",
                                  "22 warn slow ops, two of them"));
}

TEST_F(SimScriptTest, APoolThatIsGoneIsLeftAlone) {
  Use("at 2s pool rbd fill 50%");
  model_.RemovePool(FindPool(model_.cluster(), "rbd")->id);
  RunTo(3);
}

TEST_F(SimScriptTest, WhatIsWrongIsToldWithItsLine) {
  EXPECT_EQ(Refusal("\nat 10s osd 9 down"), "s:2: there is no OSD \"9\": they are 0 to 8");
  EXPECT_THAT(Refusal("at 10 osd 1 down"), HasSubstr("s:1: \"10\" is no time"));
  EXPECT_THAT(Refusal("at -1s osd 1 down"), HasSubstr("is no time of at least 0"));
  EXPECT_THAT(Refusal("at inf osd 1 down"), HasSubstr("is no time"));
  EXPECT_THAT(Refusal("in 10s osd 1 down"), HasSubstr("a line begins with \"at\""));
  EXPECT_THAT(Refusal("at 1s mds 1 down"), HasSubstr("\"mds\" is not one of osd, host, pool"));
  EXPECT_THAT(Refusal("at 1s osd 1 dies"), HasSubstr("it is: osd ID down [for TIME]"));
  EXPECT_THAT(Refusal("at 1s osd 1 down for"), HasSubstr("\"\" is no time"));
  EXPECT_THAT(Refusal("at 1s osd 1 down now"), HasSubstr("\"now\" is too much"));
  EXPECT_THAT(Refusal("at 1s osd -1 down"), HasSubstr("there is no OSD \"-1\""));
  EXPECT_THAT(Refusal("at 1s osd 1 flap 0 every 1s"), HasSubstr("no number of times"));
  EXPECT_THAT(Refusal("at 1s osd 1 flap 2"), HasSubstr("flap TIMES every TIME"));
  EXPECT_THAT(Refusal("at 1s host host4 down"), HasSubstr("they are host1 to host3"));
  EXPECT_THAT(Refusal("at 1s host host1 flap"), HasSubstr("it is: host NAME down"));
  EXPECT_THAT(Refusal("at 1s pool nosuch fill 5%"), HasSubstr("there is no pool \"nosuch\""));
  EXPECT_THAT(Refusal("at 1s pool rbd empty"), HasSubstr("it is: pool NAME fill"));
  EXPECT_THAT(Refusal("at 1s pool rbd fill 101%"), HasSubstr("no share from 0% to 100%"));
  EXPECT_THAT(Refusal("at 1s pool rbd fill nan%"), HasSubstr("no share from 0% to 100%"));
  EXPECT_THAT(Refusal("at 1s set sortbitwise"), HasSubstr("there is no flag \"sortbitwise\""));
  EXPECT_THAT(Refusal("at 1s log loud x"), HasSubstr("\"loud\" is not one of debug"));
  EXPECT_THAT(Refusal("at 1s log info"), HasSubstr("it is: log LEVEL TEXT"));
  EXPECT_THAT(Refusal("repeat 10s"), HasSubstr("it is: repeat every TIME"));
  EXPECT_THAT(Refusal("repeat every 0s"), HasSubstr("is no time of at least 1s"));
  EXPECT_THAT(Refusal("at 20s set noout\nrepeat every 10s"), HasSubstr("never happens"));
}

}  // namespace
}  // namespace outpost::cluster::sim
