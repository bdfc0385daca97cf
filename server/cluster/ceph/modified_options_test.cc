#include "server/cluster/ceph/modified_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace outpost::cluster::ceph {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Optional;

constexpr absl::Duration kReview = absl::Minutes(1);
constexpr absl::Duration kSettling = absl::Seconds(10);

absl::Duration At(double second) { return absl::Seconds(second); }

TEST(ModifiedOptionsTest, EachDaemonAfterEachStartAndFromTimeToTime) {
  ModifiedOptions options(kReview, kSettling);
  EXPECT_EQ(options.Next(At(0)), std::nullopt);
  options.SetDaemons({{"mon.a", 1}, {"osd.0", 7}});
  EXPECT_THAT(options.Next(At(0)), Optional(std::string("mon.a")));
  options.Told("mon.a", {"debug_ms"}, At(0));
  EXPECT_THAT(options.Next(At(1)), Optional(std::string("osd.0")));
  options.NotKnown("osd.0", At(1));
  EXPECT_EQ(options.Next(At(10)), std::nullopt);
  EXPECT_THAT(options.Next(At(11)), Optional(std::string("osd.0")));
  options.Told("osd.0", {"debug_osd"}, At(11));
  EXPECT_EQ(options.Next(At(59)), std::nullopt);
  EXPECT_THAT(options.Next(At(60)), Optional(std::string("mon.a")));
  options.Told("mon.a", {"debug_mon"}, At(60));
  EXPECT_THAT(options.Names(), ElementsAre("debug_mon", "debug_osd"));

  options.SetDaemons({{"mon.a", 1}, {"osd.0", 8}});
  EXPECT_THAT(options.Next(At(61)), Optional(std::string("osd.0"))) << "it has started again";
  EXPECT_THAT(options.Names(), ElementsAre("debug_mon", "debug_osd")) << "until it is asked";
  options.SetDaemons({{"osd.0", 8}});
  options.Told("mon.a", {"late"}, At(62));
  EXPECT_THAT(options.Names(), ElementsAre("debug_osd"));
}

TEST(ModifiedOptionsTest, WhatIsCentralIsOfAllDaemons) {
  ModifiedOptions options(kReview, kSettling);
  EXPECT_THAT(options.Names(), IsEmpty());
  options.SetDaemons({{"osd.0", 1}});
  options.Told("osd.0", {"b"}, At(0));
  options.SetCentral({"c", "a"});
  EXPECT_THAT(options.Names(), ElementsAre("a", "b", "c"));
  options.SetCentral({});
  EXPECT_THAT(options.Names(), ElementsAre("b"));
}

TEST(ModifiedOptionsTest, ThousandsAreAskedForOverAnHour) {
  ModifiedOptions options(kReview, kSettling);
  std::vector<ModifiedOptions::Daemon> osds;
  osds.reserve(10'000);
  for (int i = 0; i < 10'000; ++i) osds.emplace_back(absl::StrCat("osd.", i), 1);
  options.SetDaemons(osds);
  int asked = 0;
  // Ten a second at most, as they are polled.
  for (int second = 0; second < 2 * 3600; ++second) {
    for (int i = 0; i < 10; ++i) {
      const std::optional<std::string> osd = options.Next(At(second));
      if (!osd.has_value()) break;
      options.Told(*osd, {"debug_ms"}, At(second));
      ++asked;
    }
  }
  EXPECT_GE(asked, 2 * 3600 * ModifiedOptions::kRecurring / 2);
  EXPECT_LE(asked, 10'000 + 2 * 3600 * ModifiedOptions::kRecurring);
}

}  // namespace
}  // namespace outpost::cluster::ceph
