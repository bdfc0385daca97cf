#include "server/notify/notification_hub.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"

namespace outpost::notify {
namespace {

TEST(NotificationHub, StateLikeKeepsTheNewestAndOneOnItsWay) {
  NotificationHub hub;
  auto s = hub.Subscribe("client", {"osd_map"});
  for (uint64_t v = 1; v <= 5; ++v) hub.PublishState("osd_map", absl::StrCat(v), v);
  hub.Settle();
  auto first = s->Next();
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->version(), 5u);
  EXPECT_EQ(first->id(), "5");
  EXPECT_EQ(first->sequence(), 1u);
  hub.PublishState("osd_map", "6", 6);
  hub.PublishState("osd_map", "7", 7);
  hub.Settle();
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
  hub.Settle();
  EXPECT_FALSE(s->Next().has_value());
  hub.PublishState("health", "", 1);
  hub.Settle();
  EXPECT_TRUE(s->Next().has_value());
}

TEST(NotificationHub, EventsOverflowIsCounted) {
  NotificationHub hub;
  auto s = hub.Subscribe("client", {"clog"});
  const size_t lost = 10;
  for (size_t i = 0; i < Subscription::kEventRing + lost; ++i) {
    hub.PublishEvent({.type = "clog", .id = absl::StrCat(i), .payload_json = "{}", .only_for = ""});
  }
  hub.Settle();
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
  hub.Settle();
  EXPECT_TRUE(a->Next().has_value());
  EXPECT_FALSE(b->Next().has_value());
}

TEST(NotificationHub, WakesWhenThereIsSomethingAndNotAfterClose) {
  NotificationHub hub;
  auto s = hub.Subscribe("client", {"osd_map"});
  hub.PublishState("osd_map", "1", 1);
  hub.Settle();
  int wakes = 0;
  s->Open([&] { ++wakes; });
  EXPECT_EQ(wakes, 1) << "what came before Open counts";
  ASSERT_TRUE(s->Next().has_value());
  hub.PublishState("osd_map", "2", 2);
  hub.Settle();
  EXPECT_EQ(wakes, 1) << "nothing can be sent before the acknowledgement";
  s->Acknowledge(1);
  EXPECT_EQ(wakes, 2);
  s->Close();
  ASSERT_TRUE(s->Next().has_value());
  s->Acknowledge(2);
  hub.PublishState("osd_map", "3", 3);
  hub.Settle();
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
  hub.Settle();
  EXPECT_GT(s->depth().lag, absl::ZeroDuration()) << "it has not taken what waits";
  hub.PublishState("osd_map", "2", 2);
  hub.PublishState("osd_map", "3", 3);
  hub.Settle();
  EXPECT_EQ(s->depth().coalesced, 2u);
  const auto sent = s->Next();
  EXPECT_GT(s->depth().lag, absl::ZeroDuration()) << "it has not acknowledged what it has";
  EXPECT_EQ(s->depth().sent, 1u);
  hub.PublishState("osd_map", "4", 4);
  hub.Settle();
  const absl::Duration lag = s->depth().lag;
  EXPECT_GE(s->depth().lag, lag) << "the oldest counts";
  s->Acknowledge(sent->sequence());
  s->Acknowledge(s->Next()->sequence());
  EXPECT_EQ(s->depth().lag, absl::ZeroDuration());
  hub.PublishEvent({.type = "clog", .id = "", .payload_json = "{}", .only_for = ""});
  hub.Settle();
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
    hub.Settle();
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

TEST(NotificationHub, ANewSubscriberHearsOfNothingThatWasBefore) {
  NotificationHub hub;
  absl::Notification go_on;
  auto slow = hub.Subscribe("client", {"clog", "health"});
  slow->Open([&, first = true]() mutable {
    if (!std::exchange(first, false)) go_on.WaitForNotification();  // it holds up the hub
  });
  for (int i = 0; i < 3; ++i) {
    hub.PublishEvent({.type = "clog", .id = "before", .payload_json = "", .only_for = ""});
    hub.PublishState("health", "before", 1);
  }
  auto late = hub.Subscribe("client", {"clog", "health"});
  hub.PublishEvent({.type = "clog", .id = "after", .payload_json = "", .only_for = ""});
  go_on.Notify();
  hub.Settle();
  const auto event = late->Next();
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->id(), "after");
  EXPECT_FALSE(late->Next().has_value());
  slow->Close();
}

TEST(NotificationHub, APublisherWaitsForNoSubscriber) {
  NotificationHub hub;
  absl::Notification go_on;
  std::vector<std::shared_ptr<Subscription>> all;
  for (int i = 0; i < 100; ++i) {
    all.push_back(hub.Subscribe("client", {"osd_map", "clog"}));
    all.back()->Open([&, first = true]() mutable {
      if (!std::exchange(first, false)) go_on.WaitForNotification();
    });
  }
  const uint64_t published = 3 * NotificationHub::kQueuedEvents;
  for (uint64_t v = 1; v <= published; ++v) {
    hub.PublishState("osd_map", "", v);
    hub.PublishEvent({.type = "clog", .id = absl::StrCat(v), .payload_json = "", .only_for = ""});
  }
  go_on.Notify();  // only now
  hub.Settle();
  for (const auto& s : all) {
    EXPECT_EQ(s->depth().missed, published - Subscription::kEventRing)
        << "in the hub, or in its own";
    EXPECT_EQ(s->depth().coalesced, published - 1);
    EXPECT_EQ(s->Next()->version(), published);
    const auto event = s->Next();
    EXPECT_EQ(event->missed(), published - Subscription::kEventRing);
    EXPECT_EQ(event->id(), absl::StrCat(published - Subscription::kEventRing + 1));
    s->Close();
  }
}

// Publishers, subscribers that come and go, and those that stay, all at once: each of these hears
// of every event in order, or that it missed it.
TEST(NotificationHub, NothingIsLostInTheCrowd) {
  NotificationHub hub;
  constexpr uint64_t kEvents = 20'000;
  std::atomic<bool> over = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    auto s = hub.Subscribe("client", {"clog"});
    threads.emplace_back([s] {
      absl::Mutex mu;
      bool ready = false;
      s->Open([&] {
        absl::MutexLock lock(&mu);
        ready = true;
      });
      uint64_t heard = 0;  // or missed
      while (heard < kEvents) {
        {
          absl::MutexLock lock(&mu);
          mu.Await(absl::Condition(&ready));
          ready = false;
        }
        while (auto next = s->Next()) {
          heard += next->missed() + 1;
          ASSERT_EQ(next->id(), absl::StrCat(heard)) << "in order, and every gap is told";
          s->Acknowledge(next->sequence());
        }
      }
      s->Close();
    });
  }
  threads.emplace_back([&] {
    while (!over) {
      auto s = hub.Subscribe("client", {"clog", "osd_map"}, /*explicit_acks=*/false);
      s->Open([raw = s.get()] {
        while (raw->Next()) continue;
      });
      hub.Subscriptions();
      s->Close();
    }
  });
  threads.emplace_back([&] {
    for (uint64_t v = 1; !over; ++v) hub.PublishState("osd_map", "", v);
  });
  for (uint64_t i = 1; i <= kEvents; ++i) {
    hub.PublishEvent({.type = "clog", .id = absl::StrCat(i), .payload_json = "", .only_for = ""});
  }
  threads[0].join();
  threads[1].join();
  over = true;
  threads[2].join();
  threads[3].join();
}

TEST(NotificationHub, EndsWithSubscribersAndThingsToTell) {
  std::shared_ptr<Subscription> survivor;
  {
    NotificationHub hub;
    survivor = hub.Subscribe("client", {"osd_map"});
    hub.PublishState("osd_map", "", 7);
  }
  EXPECT_EQ(survivor->Next()->version(), 7u);
}

}  // namespace
}  // namespace outpost::notify
