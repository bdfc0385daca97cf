#include "server/store/watch_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"

namespace outpost::store {
namespace {

using ::testing::ElementsAre;

TEST(WatchListTest, EachWatchSeesTheChangesOfItsPrefixInOrder) {
  WatchList list;
  std::vector<std::string> seen;
  auto all = list.Add("", [&](const Change& change) { seen.push_back("all " + change.key); });
  auto some = list.Add("b/", [&](const Change& change) { seen.push_back("b/ " + change.key); });
  list.Deliver({"a/1", "x"});
  list.Deliver({"b/1", std::nullopt});
  list.Deliver({"b", "x"});
  EXPECT_THAT(seen, ElementsAre("all a/1", "all b/1", "b/ b/1", "all b"));
}

TEST(WatchListTest, ACallbackMayDestroyItsOwnHandleAndOthers) {
  WatchList list;
  std::vector<std::string> seen;
  std::unique_ptr<WatchHandle> first, second;
  first = list.Add("", [&, kept = std::string("still here")](const Change&) {
    first.reset();
    second.reset();
    seen.push_back(kept);  // what the callback owns lives until it returns
  });
  second = list.Add("", [&](const Change&) { seen.push_back("second"); });
  list.Deliver({"k", "v"});
  list.Deliver({"k", "v"});
  EXPECT_THAT(seen, ElementsAre("still here"));
}

TEST(WatchListTest, ACallbackMayAddAWatchWhichSeesTheNextChange) {
  WatchList list;
  std::vector<std::string> seen;
  std::unique_ptr<WatchHandle> late;
  auto first = list.Add("", [&](const Change& change) {
    if (late == nullptr) {
      late = list.Add("2", [&](const Change& later) { seen.push_back(later.key); });
    }
    (void)change;
  });
  list.Deliver({"1", "v"});
  list.Deliver({"2", "v"});
  EXPECT_THAT(seen, ElementsAre("2"));
}

TEST(WatchListTest, DestroyingAHandleWaitsForItsRunningCallback) {
  WatchList list;
  absl::Notification running, go_on;
  std::atomic<bool> returned = false, destroyed = false;
  auto handle = list.Add("", [&](const Change&) {
    running.Notify();
    go_on.WaitForNotification();
    EXPECT_FALSE(destroyed);
    returned = true;
  });
  std::thread deliverer([&] { list.Deliver({"k", "v"}); });
  running.WaitForNotification();
  std::thread destroyer([&] {
    handle.reset();
    destroyed = true;
    EXPECT_TRUE(returned);
  });
  // Gives a destructor that does not wait the time to be caught at it.
  EXPECT_FALSE(go_on.WaitForNotificationWithTimeout(absl::Milliseconds(50)));
  EXPECT_FALSE(destroyed);
  go_on.Notify();
  destroyer.join();
  deliverer.join();
}

TEST(WatchListTest, DestroyedWhileChangesPourInTheCallbackStops) {
  WatchList list;
  std::atomic<bool> stop = false;
  std::thread deliverer([&] {
    while (!stop) list.Deliver({"k", "v"});
  });
  for (int i = 0; i < 2000; ++i) {
    auto alive = std::make_unique<std::atomic<bool>>(true);
    auto handle = list.Add("k", [&, raw = alive.get()](const Change&) { EXPECT_TRUE(*raw); });
    handle.reset();
    *alive = false;  // and is freed: a late callback would be a use after free
  }
  stop = true;
  deliverer.join();
}

TEST(WatchListTest, AHandleMayOutliveTheList) {
  std::unique_ptr<WatchHandle> handle;
  {
    WatchList list;
    handle = list.Add("", [](const Change&) {});
  }
  handle.reset();
}

}  // namespace
}  // namespace outpost::store
