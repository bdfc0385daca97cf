#include "server/notify/notification_hub.h"

#include <gtest/gtest.h>

#include <thread>

#include "absl/strings/str_cat.h"

namespace outpost::notify {
namespace {

TEST(NotificationHub, StateLikeKeepsTheNewestAndOneOnItsWay) {
  NotificationHub hub;
  auto s = hub.Subscribe("client", {"osd_map"});
  for (uint64_t v = 1; v <= 5; ++v) hub.PublishState("osd_map", absl::StrCat(v), v);
  auto first = s->Next();
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->version(), 5u);
  EXPECT_EQ(first->id(), "5");
  EXPECT_EQ(first->sequence(), 1u);
  hub.PublishState("osd_map", "6", 6);
  hub.PublishState("osd_map", "7", 7);
  EXPECT_FALSE(s->Next().has_value()) << "the first is not acknowledged yet";
  s->Acknowledge(1);
  auto second = s->Next();
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->version(), 7u);
  EXPECT_EQ(second->sequence(), 2u);
  s->Acknowledge(2);
  EXPECT_FALSE(s->Next().has_value());
}

TEST(NotificationHub, OnlyTheTypesAskedFor) {
  NotificationHub hub;
  auto s = hub.Subscribe("client", {"health"});
  hub.PublishState("osd_map", "1", 1);
  EXPECT_FALSE(s->Next().has_value());
  hub.PublishState("health", "", 1);
  EXPECT_TRUE(s->Next().has_value());
}

TEST(NotificationHub, EventsOverflowIsCounted) {
  NotificationHub hub;
  auto s = hub.Subscribe("client", {"clog"});
  const size_t lost = 10;
  for (size_t i = 0; i < Subscription::kEventRing + lost; ++i) {
    hub.PublishEvent({.type = "clog", .id = absl::StrCat(i), .payload_json = "{}", .only_for = ""});
  }
  auto first = s->Next();
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->missed(), lost);
  EXPECT_EQ(first->id(), absl::StrCat(lost));
  EXPECT_EQ(s->depth().missed, lost);
  uint64_t taken = 1;
  while (auto next = s->Next()) {
    EXPECT_EQ(next->missed(), 0u);
    ++taken;
  }
  EXPECT_EQ(taken, Subscription::kUnackedEvents) << "the window is full until an acknowledgement";
  s->Acknowledge(taken);
  EXPECT_TRUE(s->Next().has_value());
}

TEST(NotificationHub, EventsForOneOwner) {
  NotificationHub hub;
  auto a = hub.Subscribe("module/a", {"command"});
  auto b = hub.Subscribe("module/b", {"command"});
  hub.PublishEvent({.type = "command", .id = "tag", .payload_json = "", .only_for = "module/a"});
  EXPECT_TRUE(a->Next().has_value());
  EXPECT_FALSE(b->Next().has_value());
}

TEST(NotificationHub, WakesWhenThereIsSomethingAndNotAfterClose) {
  NotificationHub hub;
  auto s = hub.Subscribe("client", {"osd_map"});
  hub.PublishState("osd_map", "1", 1);
  int wakes = 0;
  s->Open([&] { ++wakes; });
  EXPECT_EQ(wakes, 1) << "what came before Open counts";
  ASSERT_TRUE(s->Next().has_value());
  hub.PublishState("osd_map", "2", 2);
  EXPECT_EQ(wakes, 1) << "nothing can be sent before the acknowledgement";
  s->Acknowledge(1);
  EXPECT_EQ(wakes, 2);
  s->Close();
  ASSERT_TRUE(s->Next().has_value());
  s->Acknowledge(2);
  hub.PublishState("osd_map", "3", 3);
  EXPECT_EQ(wakes, 2);
}

TEST(NotificationHub, FindsWhileItLives) {
  NotificationHub hub;
  auto s = hub.Subscribe("client", {"x"});
  const uint64_t id = s->id();
  EXPECT_EQ(hub.Find(id), s);
  s.reset();
  EXPECT_EQ(hub.Find(id), nullptr);
  EXPECT_TRUE(hub.Subscriptions().empty());
}

TEST(NotificationHub, EverySubscriberEndsWithTheNewestVersion) {
  NotificationHub hub;
  constexpr uint64_t kLast = 2000;
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    auto s = hub.Subscribe("client", {"osd_map"});
    readers.emplace_back([s] {
      absl::Mutex mu;
      absl::CondVar cv;
      bool ready = false;
      s->Open([&] {
        absl::MutexLock lock(&mu);
        ready = true;
        cv.Signal();
      });
      uint64_t version = 0;
      while (version < kLast) {
        {
          absl::MutexLock lock(&mu);
          while (!ready) cv.Wait(&mu);
          ready = false;
        }
        while (auto next = s->Next()) {
          EXPECT_GT(next->version(), version);
          version = next->version();
          s->Acknowledge(next->sequence());
        }
      }
      s->Close();
    });
  }
  for (uint64_t v = 1; v <= kLast; ++v) hub.PublishState("osd_map", "", v);
  for (auto& reader : readers) reader.join();
}

TEST(NotificationHub, ASubscriberThatOwesSomethingLags) {
  NotificationHub hub;
  auto s = hub.Subscribe("module/a", {"osd_map", "clog"});
  EXPECT_EQ(s->depth().lag, absl::ZeroDuration());
  hub.PublishState("osd_map", "1", 1);
  EXPECT_GT(s->depth().lag, absl::ZeroDuration()) << "it has not taken what waits";
  hub.PublishState("osd_map", "2", 2);
  hub.PublishState("osd_map", "3", 3);
  EXPECT_EQ(s->depth().coalesced, 2u);
  const auto sent = s->Next();
  EXPECT_GT(s->depth().lag, absl::ZeroDuration()) << "it has not acknowledged what it has";
  EXPECT_EQ(s->depth().sent, 1u);
  hub.PublishState("osd_map", "4", 4);
  const absl::Duration lag = s->depth().lag;
  EXPECT_GE(s->depth().lag, lag) << "the oldest counts";
  s->Acknowledge(sent->sequence());
  s->Acknowledge(s->Next()->sequence());
  EXPECT_EQ(s->depth().lag, absl::ZeroDuration());
  hub.PublishEvent({.type = "clog", .id = "", .payload_json = "{}", .only_for = ""});
  EXPECT_GT(s->depth().lag, absl::ZeroDuration());
  s->Acknowledge(s->Next()->sequence());
  EXPECT_EQ(s->depth().lag, absl::ZeroDuration());
}

TEST(NotificationHub, ASubscriberThatNeverReadsCostsNobodyAnything) {
  NotificationHub hub;
  auto stuck = hub.Subscribe("module/stuck", {"osd_map", "clog"});
  auto well = hub.Subscribe("module/well", {"osd_map", "clog"});
  for (uint64_t v = 1; v <= 10'000; ++v) {
    hub.PublishState("osd_map", "", v);
    hub.PublishEvent({.type = "clog", .id = absl::StrCat(v), .payload_json = "{}", .only_for = ""});
    uint64_t newest = 0;
    while (auto next = well->Next()) {
      if (next->type() == "osd_map") newest = next->version();
      EXPECT_EQ(next->missed(), 0u);
      well->Acknowledge(next->sequence());
    }
    EXPECT_EQ(newest, v);
  }
  EXPECT_EQ(stuck->depth().waiting, 1 + Subscription::kEventRing);
  EXPECT_EQ(stuck->depth().missed, 10'000 - Subscription::kEventRing);
  EXPECT_GT(stuck->depth().lag, well->depth().lag);
  // It comes back: the newest state, the ring, and how much is missing.
  const auto state = stuck->Next();
  EXPECT_EQ(state->version(), 10'000u);
  EXPECT_EQ(stuck->Next()->missed(), 10'000 - Subscription::kEventRing);
}

}  // namespace
}  // namespace outpost::notify
