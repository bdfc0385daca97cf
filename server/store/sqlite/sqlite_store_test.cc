#include "server/store/sqlite/sqlite_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "server/store/sqlite/scratch_dir.h"

namespace outpost::store {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

Batch Put(std::string key, std::string value) { return {{}, {{std::move(key), std::move(value)}}}; }

// Keeps the store's writer thread busy, so that what is written meanwhile is queued.
class HeldWriter {
 public:
  explicit HeldWriter(StateStore& store) {
    store.Write({}, [this](const absl::Status&) {
      holding_.Notify();
      release_.WaitForNotification();
    });
    holding_.WaitForNotification();
  }
  ~HeldWriter() { release_.Notify(); }

 private:
  absl::Notification holding_, release_;
};

class SqliteStoreTest : public testing::Test {
 protected:
  std::unique_ptr<SqliteStore> Open(SqliteStore::Options options = {}) {
    auto store = SqliteStore::Open(dir_.File("state.db"), options);
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }

  ScratchDir dir_;
};

TEST_F(SqliteStoreTest, WhatIsWrittenIsReadAtOnceAndAfterReopening) {
  const std::string binary("\0\xff\n\0", 4);
  {
    auto store = Open();
    ASSERT_TRUE(store->WriteAndWait({{}, {{"a/1", "one"}, {"a/2", ""}, {"b", binary}}}).ok());
    ASSERT_TRUE(store->WriteAndWait({{}, {{"a/1", std::nullopt}, {"a/3", "three"}}}).ok());
    EXPECT_EQ(store->Get("a/1"), std::nullopt);
    EXPECT_THAT(store->List("a/"), ElementsAre(Pair("a/2", ""), Pair("a/3", "three")));
  }
  auto store = Open();
  EXPECT_THAT(store->List(""),
              ElementsAre(Pair("a/2", ""), Pair("a/3", "three"), Pair("b", binary)));
  EXPECT_EQ(store->Get("a/2"), "");
  EXPECT_EQ(store->Get("a"), std::nullopt);
  EXPECT_THAT(store->List("c"), IsEmpty());
  EXPECT_EQ(store->stats().keys, 3u);
}

TEST_F(SqliteStoreTest, OfWhatIsRemovedNothingStaysInTheFile) {
  const std::string small = "correct horse";
  const std::string large = std::string(20'000, 'x') + "battery staple";
  const auto stays = [&](const std::string& secret) {
    std::ifstream file(dir_.File("state.db"), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    EXPECT_THAT(bytes, HasSubstr("public"));
    return bytes.find(secret.substr(secret.size() - 10)) != std::string::npos;
  };
  Open()->Write({{}, {{"a", "public"}, {"b", small}, {"c", large}, {"d", small}}},
                [](const absl::Status&) {});
  EXPECT_TRUE(stays(small));
  EXPECT_TRUE(stays(large));
  Open()->Write({{}, {{"b", std::nullopt}, {"c", std::nullopt}, {"d", "another"}}},
                [](const absl::Status&) {});
  EXPECT_FALSE(stays(small));
  EXPECT_FALSE(stays(large));
}

TEST_F(SqliteStoreTest, PrefixesAreOfBytes) {
  auto store = Open();
  const std::string last = "a\xff\xff";
  ASSERT_TRUE(store->WriteAndWait({{}, {{"a", "1"}, {last, "2"}, {"b", "3"}, {"A", "4"}}}).ok());
  EXPECT_THAT(store->List("a"), ElementsAre(Pair("a", "1"), Pair(last, "2")));
  EXPECT_THAT(store->List("a\xff"), ElementsAre(Pair(last, "2")));
}

TEST_F(SqliteStoreTest, WhatIsQueuedWhenTheStoreIsDestroyedIsWritten) {
  absl::BlockingCounter done(100);
  {
    auto store = Open();
    for (int i = 0; i < 100; ++i) {
      store->Write(Put(absl::StrCat("k", i), "v"), [&](const absl::Status& status) {
        EXPECT_TRUE(status.ok()) << status;
        done.DecrementCount();
      });
    }
  }
  done.Wait();
  EXPECT_EQ(Open()->stats().keys, 100u);
}

TEST_F(SqliteStoreTest, AWriteFromACallbackOfAClosingStoreIsRefused) {
  absl::Status late;
  absl::Notification closing, answered;
  auto store = Open();
  store->Write(Put("k", "v"), [&, raw = store.get()](const absl::Status&) {
    closing.WaitForNotification();
    // The destructor runs by now, or begins in a moment: try until it has.
    do {
      raw->Write(Put("late", "v"), [&](const absl::Status& status) {
        if (absl::IsUnavailable(status)) late = status;
      });
    } while (late.ok());
    answered.Notify();
  });
  std::thread destroyer([&] {
    closing.Notify();
    store.reset();
  });
  answered.WaitForNotification();
  destroyer.join();
  EXPECT_EQ(late.code(), absl::StatusCode::kUnavailable) << late;
}

TEST_F(SqliteStoreTest, WritesThatWaitTogetherShareOneTransaction) {
  auto store = Open();
  absl::BlockingCounter done(1000);
  {
    HeldWriter held(*store);
    for (int i = 0; i < 1000; ++i) {
      store->Write(Put(absl::StrCat("k", i), "v"), [&](const absl::Status& status) {
        EXPECT_TRUE(status.ok()) << status;
        done.DecrementCount();
      });
    }
    EXPECT_EQ(store->stats().queued_batches, 1000u);
    EXPECT_EQ(store->Get("k0"), std::nullopt);  // not before it is durable
  }
  done.Wait();
  EXPECT_EQ(store->stats().commits.count(), 1u);
  EXPECT_EQ(store->stats().keys, 1000u);
  EXPECT_EQ(store->stats().queued_batches, 0u);
}

TEST_F(SqliteStoreTest, ConcurrentWritersShareTransactions) {
  auto store = Open();
  constexpr int kThreads = 32, kWrites = 50;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kWrites; ++i) {
        const std::string key = absl::StrCat(t, "/", i);
        EXPECT_TRUE(store->WriteAndWait(Put(key, "v")).ok());
        EXPECT_EQ(store->Get(key), "v");  // read your writes
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(store->stats().keys, size_t{kThreads} * kWrites);
  EXPECT_LT(store->stats().commits.count(), uint64_t{kThreads * kWrites / 4});
}

TEST_F(SqliteStoreTest, SettingWhatIsThereCostsNoTransaction) {
  auto store = Open();
  ASSERT_TRUE(store->WriteAndWait(Put("k", "v")).ok());
  ASSERT_TRUE(store->WriteAndWait({{}, {{"k", "v"}, {"absent", std::nullopt}}}).ok());
  EXPECT_EQ(store->stats().commits.count(), 1u);
}

TEST_F(SqliteStoreTest, AConditionThatFailsNamesItsKeyAndNothingChanges) {
  auto store = Open();
  ASSERT_TRUE(store->WriteAndWait(Put("k", "1")).ok());
  auto expect_fails = [&](Condition condition) {
    absl::Status status = store->WriteAndWait({{{"k", "1"}, condition}, {{"k", "2"}, {"x", "y"}}});
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(std::string(status.message()), condition.key);
    EXPECT_EQ(store->Get("k"), "1");
    EXPECT_EQ(store->Get("x"), std::nullopt);
  };
  expect_fails({"k", "2"});
  expect_fails({"k", std::nullopt});
  expect_fails({"absent", ""});
  EXPECT_TRUE(
      store->WriteAndWait({{{"k", "1"}, {"absent", std::nullopt}}, {{"k", "2"}, {"x", "y"}}}).ok());
  EXPECT_EQ(store->Get("k"), "2");
}

TEST_F(SqliteStoreTest, AConditionSeesTheBatchesBeforeItInTheSameGroup) {
  auto store = Open();
  absl::BlockingCounter done(4);
  std::vector<absl::StatusCode> codes(4);
  {
    HeldWriter held(*store);
    auto write = [&](int i, Batch batch) {
      store->Write(std::move(batch), [&, i](const absl::Status& status) {
        codes[i] = status.code();
        done.DecrementCount();
      });
    };
    write(0, {{{"k", std::nullopt}}, {{"k", "a"}}});
    write(1, {{{"k", std::nullopt}}, {{"k", "b"}}});  // no: "a" is there
    write(2, {{{"k", "a"}}, {{"k", std::nullopt}}});
    write(3, {{{"k", std::nullopt}}, {{"k", "c"}}});
  }
  done.Wait();
  EXPECT_THAT(codes, ElementsAre(absl::StatusCode::kOk, absl::StatusCode::kFailedPrecondition,
                                 absl::StatusCode::kOk, absl::StatusCode::kOk));
  EXPECT_EQ(store->Get("k"), "c");
}

TEST_F(SqliteStoreTest, ACounterRaisedByCompareAndSwapLosesNoIncrement) {
  auto store = Open();
  ASSERT_TRUE(store->WriteAndWait(Put("n", "0")).ok());
  constexpr int kThreads = 8, kIncrements = 25;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kIncrements;) {
        const std::string now = *store->Get("n");
        const std::string next = std::to_string(std::stoi(now) + 1);
        if (store->WriteAndWait({{{"n", now}}, {{"n", next}}}).ok()) ++i;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(store->Get("n"), absl::StrCat(kThreads * kIncrements));
}

TEST_F(SqliteStoreTest, WatchersSeeAppliedChangesInOrderBeforeDone) {
  auto store = Open();
  std::vector<std::string> log;  // the store's thread only, until it is destroyed
  auto watch = store->Watch("k/", [&](const Change& change) {
    log.push_back(absl::StrCat(change.key, "=", change.value.value_or("(none)")));
  });
  {
    HeldWriter held(*store);
    auto note = [&](const char* name) {
      return [&log, name](const absl::Status& status) {
        log.push_back(absl::StrCat(name, status.ok() ? " done" : " failed"));
      };
    };
    store->Write({{}, {{"k/1", "a"}, {"other", "x"}, {"k/2", "b"}}}, note("first"));
    store->Write({{{"k/1", "z"}}, {{"k/1", "never"}}}, note("second"));
    store->Write({{}, {{"k/1", std::nullopt}}}, note("third"));
  }
  store.reset();
  EXPECT_THAT(log, ElementsAre("k/1=a", "k/2=b", "first done", "second failed", "k/1=(none)",
                               "third done"));
}

TEST_F(SqliteStoreTest, AWatchSeesWritesOfAllThreadsOnceAndInTheOrderOfEach) {
  auto store = Open();
  std::map<std::string, std::vector<std::string>> seen;
  auto watch = store->Watch("t", [&](const Change& c) { seen[c.key].push_back(*c.value); });
  std::vector<std::string> expected;
  expected.reserve(200);
  for (int i = 0; i < 200; ++i) expected.push_back(absl::StrCat(i));
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (const std::string& value : expected) {
        store->Write(Put(absl::StrCat("t", t), value), [](const absl::Status&) {});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  store.reset();
  EXPECT_EQ(seen.size(), 4u);
  for (const auto& [key, values] : seen) EXPECT_EQ(values, expected) << key;
}

TEST_F(SqliteStoreTest, AWatchThatEndedSeesNothing) {
  auto store = Open();
  std::atomic<int> calls = 0;
  auto watch = store->Watch("", [&](const Change&) { ++calls; });
  ASSERT_TRUE(store->WriteAndWait(Put("a", "1")).ok());
  watch.reset();
  ASSERT_TRUE(store->WriteAndWait(Put("b", "1")).ok());
  EXPECT_EQ(calls, 1);
}

TEST_F(SqliteStoreTest, ACallbackMayWriteAgain) {
  auto store = Open();
  absl::Notification done;
  store->Write(Put("a", "1"), [&, raw = store.get()](const absl::Status&) {
    raw->Write(Put("b", *raw->Get("a")), [&](const absl::Status&) { done.Notify(); });
  });
  done.WaitForNotification();
  EXPECT_EQ(store->Get("b"), "1");
}

TEST_F(SqliteStoreTest, AnEmptyKeyIsRefused) {
  auto store = Open();
  EXPECT_EQ(store->WriteAndWait({{}, {{"ok", "1"}, {"", "1"}}}).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(store->WriteAndWait({{{"", "1"}}, {{"ok", "1"}}}).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(store->Get("ok"), std::nullopt);
}

TEST_F(SqliteStoreTest, WhatDoesNotFitIntoTheQueueIsRefusedAtOnce) {
  SqliteStore::Options options;
  options.max_queued_batches = 3;
  options.max_queued_bytes = 100;
  auto store = Open(options);
  absl::BlockingCounter written(3);
  auto count = [&](const absl::Status& status) {
    EXPECT_TRUE(status.ok()) << status;
    written.DecrementCount();
  };
  auto refusal = [&](Batch batch) {
    absl::Status refused;
    bool called = false;
    store->Write(std::move(batch), [&](const absl::Status& status) {
      refused = status;
      called = true;
    });
    EXPECT_TRUE(called);  // within Write
    return refused;
  };
  EXPECT_THAT(refusal(Put("k", std::string(100, 'x'))).code(),
              absl::StatusCode::kResourceExhausted);
  {
    HeldWriter held(*store);
    store->Write(Put("1", std::string(49, 'x')), count);
    store->Write(Put("2", std::string(39, 'x')), count);
    absl::Status status = refusal(Put("3", std::string(10, 'x')));  // 50 + 40 + 11 bytes
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("does not fit into the queue"),
                                                     HasSubstr("2 writes and 90 bytes")));
    store->Write(Put("4", "x"), count);
    EXPECT_EQ(refusal(Put("5", "")).code(), absl::StatusCode::kResourceExhausted);  // a fourth
  }
  written.Wait();
  EXPECT_TRUE(store->WriteAndWait(Put("6", "x")).ok());  // the queue is empty again
  EXPECT_EQ(store->Get("3"), std::nullopt);
  EXPECT_EQ(store->stats().failed_writes, 3u);
}

TEST_F(SqliteStoreTest, ReadersRunBesideTheWriter) {
  auto store = Open();
  // Each batch sets both keys to the same value: no reader may see them differ.
  ASSERT_TRUE(store->WriteAndWait({{}, {{"p/a", "0"}, {"p/b", "0"}}}).ok());
  std::atomic<bool> stop = false;
  std::vector<std::thread> readers;
  readers.reserve(3);
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!stop) {
        auto both = store->List("p/");
        ASSERT_EQ(both.size(), 2u);
        ASSERT_EQ(both[0].second, both[1].second);
      }
    });
  }
  for (int i = 1; i <= 200; ++i) {
    ASSERT_TRUE(
        store->WriteAndWait({{}, {{"p/a", absl::StrCat(i)}, {"p/b", absl::StrCat(i)}}}).ok());
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
}

}  // namespace
}  // namespace outpost::store
