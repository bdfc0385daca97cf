#include "server/cluster/cluster_state.h"

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "outpost/v1/cluster.pb.h"
#include "server/event/stepped_clock.h"

namespace outpost::cluster {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

SnapshotPtr MustGet(const ClusterState& state, absl::string_view name) {
  absl::StatusOr<SnapshotPtr> snapshot = state.Get(name);
  EXPECT_TRUE(snapshot.ok()) << snapshot.status();
  return snapshot.ok() ? *snapshot : std::make_shared<Snapshot>();
}

outpost::v1::ClusterGetResponse Decode(const Snapshot& snapshot) {
  outpost::v1::ClusterGetResponse message;
  EXPECT_TRUE(
      message.ParseFromArray(snapshot.encoded.data(), static_cast<int>(snapshot.encoded.size())));
  return message;
}

TEST(ClusterStateTest, WhatIsPublishedCanBeRead) {
  ClusterState state;
  state.Publish("osd_map", R"({"epoch":7})", "7");
  const SnapshotPtr snapshot = MustGet(state, "osd_map");
  EXPECT_EQ(snapshot->name, "osd_map");
  EXPECT_EQ(snapshot->id, "7");
  EXPECT_EQ(snapshot->json, R"({"epoch":7})");
  EXPECT_GT(snapshot->version, 0u);
  EXPECT_LE(snapshot->changed.wall, absl::Now());
}

TEST(ClusterStateTest, TheEncodedFormIsTheWholeResponse) {
  // Around the sizes at which a length needs another byte.
  for (const size_t size : {0u, 1u, 127u, 128u, 16383u, 16384u, 2000000u}) {
    ClusterState state;
    const std::string json(size, 'x');
    state.Publish("df", json);
    const SnapshotPtr snapshot = MustGet(state, "df");
    const outpost::v1::ClusterGetResponse message = Decode(*snapshot);
    EXPECT_EQ(message.name(), "df");
    EXPECT_EQ(message.version(), snapshot->version);
    EXPECT_FALSE(message.unchanged());
    EXPECT_EQ(message.json(), json);
    if (size > 0) {  // proto3 leaves an empty text out
      EXPECT_EQ(message.SerializeAsString(), snapshot->encoded);
    }
  }
}

TEST(ClusterStateTest, TheTextIsTheTailOfTheEncodedForm) {
  ClusterState state;
  state.Publish("x", "1");  // short enough to lie inside the string object itself
  state.Publish("y", std::string(1000, 'y'));
  for (const char* name : {"x", "y"}) {
    const SnapshotPtr snapshot = MustGet(state, name);
    EXPECT_EQ(snapshot->json.data() + snapshot->json.size(),
              snapshot->encoded.data() + snapshot->encoded.size());
  }
  EXPECT_EQ(MustGet(state, "x")->json, "1");
}

TEST(ClusterStateTest, VersionsGrowByOneWithEachChange) {
  ClusterState state;
  state.Publish("a", "1");
  state.Publish("b", "1");
  const uint64_t first = MustGet(state, "a")->version;
  EXPECT_EQ(MustGet(state, "b")->version, first);
  state.Publish("a", "2");
  state.Publish("a", "1");
  EXPECT_EQ(MustGet(state, "a")->version, first + 2);
  EXPECT_EQ(MustGet(state, "b")->version, first);
  EXPECT_LT(first, uint64_t{1} << 53) << "not exact in a double";
}

TEST(ClusterStateTest, AnEqualTextConfirmsAndChangesNothing) {
  ClusterState state;
  int heard = 0;
  state.AddListener([&heard](const SnapshotPtr&) { ++heard; });
  state.Publish("health", "{}", "1");
  const SnapshotPtr before = MustGet(state, "health");
  const absl::Time confirmed = state.List().at(0).confirmed;
  state.Publish("health", "{}", "2");
  EXPECT_EQ(MustGet(state, "health"), before);
  EXPECT_EQ(heard, 1);
  EXPECT_GT(state.List().at(0).confirmed, confirmed);
}

TEST(ClusterStateTest, ConfirmTouchesOnlyTheTime) {
  ClusterState state;
  state.Confirm("health");
  EXPECT_THAT(state.List(), IsEmpty());
  state.Publish("health", "{}");
  const ClusterState::Entry before = state.List().at(0);
  EXPECT_EQ(before.confirmed, before.changed);
  state.Confirm("health");
  const ClusterState::Entry after = state.List().at(0);
  EXPECT_GT(after.confirmed, before.confirmed);
  EXPECT_EQ(after.snapshot, before.snapshot);
}

TEST(ClusterStateTest, AClockThatIsSetMakesNothingOlderOrYounger) {
  ClusterState state;
  state.Publish("df", "1");
  for (const absl::Duration step : {absl::Hours(-5), absl::Hours(5), absl::ZeroDuration()}) {
    event::StepWallClock(step);
    const ClusterState::Entry entry = state.List().at(0);
    for (const absl::Time time : {entry.changed, entry.confirmed}) {
      EXPECT_GE(absl::Now() - time, absl::ZeroDuration());
      EXPECT_LT(absl::Now() - time, absl::Minutes(1));
    }
  }
}

TEST(ClusterStateTest, ASnapshotOutlivesItsSuccessor) {
  ClusterState state;
  state.Publish("df", "\"old\"");
  const SnapshotPtr old = MustGet(state, "df");
  state.Publish("df", "\"new\"");
  EXPECT_EQ(old->json, "\"old\"");
  EXPECT_EQ(Decode(*old).json(), "\"old\"");
  EXPECT_EQ(MustGet(state, "df")->json, "\"new\"");
}

TEST(ClusterStateTest, AnUnknownNameIsNotFoundAndNamesTheNearest) {
  ClusterState state;
  state.SetConnection({true, ""});
  for (const char* name : {"osd_map", "osd_map_tree", "health", "df"}) state.Publish(name, "{}");
  const absl::Status status = state.Get("osdmap").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("\"osdmap\""));
  EXPECT_THAT(std::string(status.message()), HasSubstr("osd_map"));
}

TEST(ClusterStateTest, BeforeAnythingIsKnownGetTellsWhy) {
  ClusterState state;
  state.SetConnection({false, "no monitor answers at 127.0.0.1:6789"});
  const absl::Status status = state.Get("osd_map").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("no monitor answers at 127.0.0.1:6789"));
}

TEST(ClusterStateTest, ListIsInTheOrderOfNames) {
  ClusterState state;
  for (const char* name : {"health", "df", "osd_map"}) state.Publish(name, "{}");
  std::vector<std::string> names;
  for (const ClusterState::Entry& entry : state.List()) names.push_back(entry.snapshot->name);
  EXPECT_THAT(names, ElementsAre("df", "health", "osd_map"));
}

TEST(ClusterStateTest, ListenersRunInTheOrderTheyWereAddedAndSeeTheNewVersion) {
  ClusterState state;
  std::vector<std::string> calls;
  for (const char* who : {"first", "second"}) {
    state.AddListener([&, who](const SnapshotPtr& snapshot) {
      // A reader that is woken by the listener finds at least this version.
      EXPECT_EQ(MustGet(state, snapshot->name), snapshot);
      calls.push_back(absl::StrCat(who, " ", snapshot->name, "=", snapshot->json));
    });
  }
  state.Publish("a", "1");
  state.Publish("b", "2");
  EXPECT_THAT(calls, ElementsAre("first a=1", "second a=1", "first b=2", "second b=2"));
}

TEST(ClusterStateTest, ConnectionListenersHearItComeAndGo) {
  ClusterState state;
  std::vector<std::string> heard;
  state.AddConnectionListener([&heard](const Connection& connection) {
    heard.push_back(connection.connected ? "up" : connection.reason);
  });
  EXPECT_FALSE(state.connection().connected);
  EXPECT_FALSE(state.connection().reason.empty());
  state.SetConnection({false, "connecting"});
  state.SetConnection({false, "connecting"});
  EXPECT_EQ(state.connection().reason, "connecting");
  state.SetConnection({true, "left over"});
  EXPECT_TRUE(state.connection().connected);
  EXPECT_EQ(state.connection().reason, "");
  state.SetConnection({true, ""});
  state.SetConnection({false, "gone"});
  state.SetConnection({false, "gone for good"});
  EXPECT_THAT(heard, ElementsAre("connecting", "up", "gone", "gone for good"));
}

TEST(ClusterStateTest, ConnectionListenersHearWhatIsDenied) {
  ClusterState state;
  std::vector<std::vector<std::string>> heard;
  state.AddConnectionListener([&](const Connection&) { heard.push_back(state.access().denied); });
  state.SetConnection({true, ""});
  state.SetAccess({.client = "client.x", .denied = {"mon_status"}});
  state.SetAccess({.client = "client.x", .denied = {"mon_status"}});
  EXPECT_TRUE(state.connection().connected);
  EXPECT_EQ(state.access().client, "client.x");
  state.SetAccess({.client = "client.x", .denied = {}});
  EXPECT_THAT(heard, ElementsAre(IsEmpty(), ElementsAre("mon_status"), IsEmpty()));
}

TEST(ClusterStateTest, TheClusterIdIsEmptyUntilKnown) {
  ClusterState state;
  EXPECT_EQ(state.cluster_id(), "");
  state.SetClusterId("c0ffee00-0000-4000-8000-000000000000");
  EXPECT_EQ(state.cluster_id(), "c0ffee00-0000-4000-8000-000000000000");
}

// Readers never see a version go back, nor a text that is not that version's,
// and listeners get every version once, in order.
TEST(ClusterStateTest, ReadersAndPublishersAtOnce) {
  constexpr int kPublishers = 2;
  constexpr int kChanges = 300;
  ClusterState state;
  std::vector<uint64_t> heard;  // one publication at a time: needs no lock
  state.AddListener([&heard](const SnapshotPtr& snapshot) { heard.push_back(snapshot->version); });
  state.Publish("n", "0");
  const uint64_t base = MustGet(state, "n")->version;
  std::atomic<bool> done = false;

  std::vector<std::thread> readers;
  readers.reserve(3);
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      uint64_t last = 0;
      while (!done.load()) {
        const SnapshotPtr snapshot = MustGet(state, "n");
        EXPECT_GE(snapshot->version, last);
        last = snapshot->version;
        const outpost::v1::ClusterGetResponse message = Decode(*snapshot);
        EXPECT_EQ(message.version(), snapshot->version);
        EXPECT_EQ(absl::string_view(message.json()), snapshot->json);
        EXPECT_EQ(state.List().size(), 1u);
      }
    });
  }
  std::vector<std::thread> publishers;
  publishers.reserve(kPublishers);
  for (int p = 0; p < kPublishers; ++p) {
    publishers.emplace_back([&state, p] {
      for (int i = 0; i < kChanges; ++i) {
        state.Publish("n", absl::StrCat("\"", p, " ", i, " ",
                                        std::string(static_cast<size_t>(i) * 10, '.'), "\""));
        state.Confirm("n");
      }
    });
  }
  for (std::thread& thread : publishers) thread.join();
  done = true;
  for (std::thread& thread : readers) thread.join();

  ASSERT_EQ(heard.size(), size_t{kPublishers * kChanges + 1});
  for (size_t i = 0; i < heard.size(); ++i) EXPECT_EQ(heard[i], base + i);
}

TEST(ClusterStateRemoval, IsHeardAndVersionsGrowOverIt) {
  ClusterState state;
  std::vector<std::string> removals;
  state.AddRemovalListener([&](absl::string_view name, uint64_t version) {
    removals.push_back(absl::StrCat(name, " ", version));
  });
  state.Publish("queue", "[1]");
  const uint64_t version = (*state.Get("queue"))->version;
  state.Remove("queue");
  state.Remove("queue");
  state.Remove("never");
  EXPECT_THAT(removals, testing::ElementsAre(absl::StrCat("queue ", version + 1)));
  EXPECT_TRUE(absl::IsNotFound(state.Get("queue").status()));
  EXPECT_TRUE(state.List().empty());
  state.Publish("queue", "[1]");
  EXPECT_EQ((*state.Get("queue"))->version, version + 2);
}

TEST(ClusterStateTest, ABigStructureLiesInASealedFileAndASmallOneDoesNot) {
  ClusterState state;
  const std::string big = absl::StrCat("\"", std::string(ClusterState::kSealedSize, 'x'), "\"");
  state.Publish("big", big);
  state.Publish("small", "1");
  const SnapshotPtr snapshot = *state.Get("big");
  ASSERT_NE(snapshot->sealed, nullptr);
  EXPECT_EQ(snapshot->json, big);
  EXPECT_EQ(Decode(*snapshot).json(), big);
  EXPECT_EQ(snapshot->encoded.data(), snapshot->sealed->bytes().data());
  EXPECT_EQ((*state.Get("small"))->sealed, nullptr);
}

}  // namespace
}  // namespace outpost::cluster
