#include "server/module/event_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/event/stepped_clock.h"
#include "server/store/sqlite/scratch_dir.h"
#include "server/store/sqlite/sqlite_store.h"

namespace outpost::module {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr size_t kAll = std::numeric_limits<size_t>::max();

Event Spawned(const std::string& module, const std::string& message) {
  Event event;
  event.set_module(module);
  event.set_kind(v1::EVENT_KIND_SPAWNED);
  event.set_message(message);
  return event;
}

std::vector<EventPtr> ReadFrom(const EventLog& log, uint64_t next, const std::string& module,
                               uint64_t* missed) {
  std::vector<EventPtr> events;
  while (EventPtr event = log.Read(&next, module, missed)) events.push_back(event);
  return events;
}

std::vector<std::string> Messages(const EventLog& log, const std::string& module = "",
                                  size_t last = kAll, uint64_t after = 0) {
  uint64_t missed = 0;
  std::vector<std::string> messages;
  for (const auto& e : ReadFrom(log, log.Start(module, last, after), module, &missed)) {
    messages.push_back(e->message());
  }
  return messages;
}

class EventLogTest : public testing::Test {
 protected:
  EventLogTest() { Open(); }
  void Open() {
    log.reset();
    store.reset();  // writes what waits
    auto opened = store::SqliteStore::Open(scratch.path() + "/state.db");
    ASSERT_TRUE(opened.ok()) << opened.status();
    store = *std::move(opened);
    log = std::make_unique<EventLog>(store.get());
  }

  store::ScratchDir scratch;
  std::unique_ptr<store::StateStore> store;
  std::unique_ptr<EventLog> log;
};

TEST_F(EventLogTest, ReadsAllOrTheLastOrThoseOfAModuleOrThoseAfterANumber) {
  log->Add(Spawned("a", "1"));
  log->Add(Spawned("b", "2"));
  log->Add(Spawned("a", "3"));
  EXPECT_THAT(Messages(*log), ElementsAre("1", "2", "3"));
  EXPECT_THAT(Messages(*log, "a"), ElementsAre("1", "3"));
  EXPECT_THAT(Messages(*log, "a", 1), ElementsAre("3"));
  EXPECT_THAT(Messages(*log, "", 2), ElementsAre("2", "3"));
  EXPECT_THAT(Messages(*log, "", 0), ElementsAre());
  EXPECT_THAT(Messages(*log, "", kAll, 2), ElementsAre("3"));
  EXPECT_THAT(Messages(*log, "", kAll, 3), ElementsAre());
  EXPECT_THAT(Messages(*log, "", kAll, 100), ElementsAre());
}

TEST_F(EventLogTest, WhoComesWithANumberOfAnotherStoreHearsWhatComes) {
  log->Add(Spawned("a", "old"));
  for (const uint64_t after : {uint64_t{100}, std::numeric_limits<uint64_t>::max()}) {
    const uint64_t next = log->Start("", kAll, after);
    log->Add(Spawned("a", "new"));
    uint64_t missed = 0;
    const auto events = ReadFrom(*log, next, "", &missed);
    ASSERT_THAT(events, SizeIs(1));
    EXPECT_EQ(events[0]->message(), "new");
    EXPECT_EQ(missed, 0u);
  }
}

TEST_F(EventLogTest, IsThereAgainAfterARestartAndItsNumbersGoOn) {
  log->Add(Spawned("a", "before"));
  const uint64_t end = log->End();
  Open();
  EXPECT_EQ(log->End(), end);
  log->Add(Spawned("a", "after"));
  EXPECT_THAT(Messages(*log), ElementsAre("before", "after"));
}

TEST_F(EventLogTest, TheLoudestLosesItsOldestFirstAlsoInTheStore) {
  log->Add(Spawned("quiet", "here since long"));
  // Many modules, as one alone may not tell so much at once.
  for (size_t i = 0; i < EventLog::kMaxEvents + 500; ++i) {
    log->Add(Spawned(absl::StrCat("loud", i % 20), absl::StrCat(i)));
  }
  for (int pass = 0; pass < 2; ++pass) {
    const std::vector<std::string> kept = Messages(*log);
    EXPECT_THAT(kept, SizeIs(EventLog::kMaxEvents));
    EXPECT_EQ(kept.front(), "here since long");
    EXPECT_EQ(kept.back(), absl::StrCat(EventLog::kMaxEvents + 499));
    EXPECT_THAT(Messages(*log, "quiet"), ElementsAre("here since long"));
    Open();
  }
  EXPECT_THAT(store->List("events/"), SizeIs(EventLog::kMaxEvents));
}

TEST_F(EventLogTest, BigEventsAreCutAndBoundedInBytes) {
  Event event = Spawned("a", std::string(100000, 'm'));
  event.set_traceback(std::string(100000, 't') + "the end");
  event.mutable_exit()->add_output(std::string(100000, 'o'));
  event.mutable_exit()->add_output("\xff no UTF-8");
  for (int i = 0; i < 1000; ++i) {
    event.set_module(absl::StrCat("m", i % 10));
    log->Add(event);
  }
  uint64_t missed = 0;
  size_t bytes = 0;
  const auto events = ReadFrom(*log, 1, "", &missed);
  for (const auto& kept : events) bytes += kept->ByteSizeLong();
  EXPECT_LE(bytes, EventLog::kMaxBytes);
  EXPECT_EQ(events.size() + missed, 1000);
  ASSERT_FALSE(events.empty());
  EXPECT_LT(events[0]->message().size(), 3000);
  EXPECT_LT(events[0]->traceback().size(), 17000);
  EXPECT_THAT(events[0]->traceback(), testing::EndsWith("the end"));
  EXPECT_EQ(events[0]->exit().output(1), "? no UTF-8");
}

TEST_F(EventLogTest, ThatTheClockIsSetBackLeavesNothingOut) {
  log->Add(Spawned("a", "before"));
  event::StepWallClock(-absl::Hours(1));
  log->Add(Spawned("a", "after"));
  event::StepWallClock(absl::ZeroDuration());
  EXPECT_THAT(Messages(*log), ElementsAre("before", "after"));
}

TEST_F(EventLogTest, WhoIsTooFastIsLeftOutAndTold) {
  for (int i = 0; i < EventLog::kBurst + 100; ++i) log->Add(Spawned("mad", "again"));
  log->Add(Spawned("other", "is heard"));
  EXPECT_THAT(Messages(*log, "other"), ElementsAre("is heard"));
  EXPECT_LT(Messages(*log, "mad").size(), EventLog::kBurst + 50);
  // Until it may speak again, and it is told how much was left out.
  uint64_t missed = 0;
  std::vector<EventPtr> told;
  while (told.empty()) {
    log->Add(Spawned("mad", "again"));
    told = ReadFrom(*log, 1, "mad", &missed);
    std::erase_if(told, [](const auto& e) { return e->kind() != v1::EVENT_KIND_LEFT_OUT; });
  }
  EXPECT_THAT(told[0]->message(), HasSubstr("events were left out here"));
}

TEST_F(EventLogTest, ModulesThatAreStartedByHandShareOneShare) {
  log->Add(Spawned("installed", "stays"));
  for (int i = 0; i < 1000; ++i) {
    Event event = Spawned(absl::StrCat("stranger", i), "hello");
    event.set_by_hand(true);
    log->Add(event);
  }
  EXPECT_LT(Messages(*log).size(), EventLog::kBurst + 50);
  EXPECT_THAT(Messages(*log, "installed"), ElementsAre("stays"));
}

TEST_F(EventLogTest, ASlowReaderIsToldWhatIsGone) {
  uint64_t next = log->End();
  uint64_t missed = 0;
  EXPECT_EQ(log->Read(&next, "", &missed), nullptr);
  const size_t all = EventLog::kMaxEvents + 30;
  for (size_t i = 0; i < all; ++i) log->Add(Spawned(absl::StrCat("m", i % 20), "x"));
  size_t read = 0;
  while (log->Read(&next, "", &missed) != nullptr) ++read;
  EXPECT_EQ(read, EventLog::kMaxEvents);
  EXPECT_EQ(missed, 30);
}

TEST_F(EventLogTest, ListenersHearOfEachUntilTheyGo) {
  int heard = 0;
  const uint64_t id = log->Listen([&] { ++heard; });
  log->Add(Spawned("a", "1"));
  log->Add(Spawned("a", "2"));
  log->Unlisten(id);
  log->Add(Spawned("a", "3"));
  EXPECT_EQ(heard, 2);
}

TEST_F(EventLogTest, WhatIsNoEventInTheStoreIsRemovedAndTheRestIsRead) {
  log->Add(Spawned("a", "good"));
  ASSERT_TRUE(store
                  ->WriteAndWait({.conditions = {},
                                  .changes = {{"events/00000000000000000007", "\xff\xff no event"},
                                              {"events/seven", ""}}})
                  .ok());
  Open();
  EXPECT_THAT(Messages(*log), ElementsAre("good"));
  log->Add(Spawned("a", "next"));
  EXPECT_THAT(Messages(*log), ElementsAre("good", "next"));
  Open();
  EXPECT_THAT(store->List("events/"), SizeIs(2));
}

}  // namespace
}  // namespace outpost::module
