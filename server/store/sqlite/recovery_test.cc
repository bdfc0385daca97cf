// What is saved of a damaged store, what is kept, and what a recovery that is cut off leaves.
#include "server/store/sqlite/recovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <random>

#include "server/store/sqlite/store_file_fixture.h"

namespace outpost::store {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class RecoveryTest : public StoreFileTest {
 protected:
  RecoveryReport Recovered() {
    const std::string before = Bytes(path_);
    auto report = RecoverStore(path_, Anything);
    EXPECT_TRUE(report.ok()) << report.status();
    if (!report.ok()) return {};
    EXPECT_EQ(Bytes(report->kept), before);
    EXPECT_THAT(report->check.findings, IsEmpty());
    return *report;
  }

  // Of what was there, all is saved but `lost` entries at most.
  void ExpectSaved(const RecoveryReport& report, size_t lost) {
    const Entries all = ManyEntries();
    EXPECT_GE(report.salvaged.entries.size() + lost, all.size());
    for (const auto& [key, value] : report.salvaged.entries) {
      ASSERT_TRUE(all.contains(key)) << key;
      EXPECT_EQ(value, all.at(key)) << key;
    }
    EXPECT_EQ(Load(path_), report.salvaged.entries);
  }

  // Of a page of the table, by what is in it.
  size_t PageOf(const std::string& text) { return Bytes(path_).find(text) / kPage + 1; }
};

TEST_F(RecoveryTest, OfAWholeFileEverythingIsSaved) {
  MakeStore();
  const RecoveryReport report = Recovered();
  ExpectSaved(report, 0);
  EXPECT_THAT(report.salvaged.losses, IsEmpty());
  EXPECT_EQ(report.salvaged.off_the_tree, 0u);
  EXPECT_EQ(report.kept, path_ + ".before-recovery.1");
  EXPECT_THAT(FilesInFolder(), UnorderedElementsAre("state.db", "state.db.before-recovery.1"));
}

TEST_F(RecoveryTest, ALeafThatIsDamagedCostsItsEntriesAlone) {
  MakeStore();
  DamagePage(PageOf("key1200"));
  const RecoveryReport report = Recovered();
  ExpectSaved(report, 60);
  EXPECT_LT(report.salvaged.entries.size(), 500u);
  EXPECT_EQ(report.salvaged.lost_pages, 1u);
  EXPECT_THAT(report.salvaged.losses, Contains(HasSubstr("no page of the table any more")));
}

TEST_F(RecoveryTest, WithoutTheRootAllButItsOwnEntriesAreFound) {
  MakeStore();
  DamagePage(2);
  const RecoveryReport report = Recovered();
  ExpectSaved(report, 60);  // an inner page of this kind of table has entries, too
  EXPECT_EQ(report.salvaged.off_the_tree, report.salvaged.entries.size());
}

TEST_F(RecoveryTest, AValueThatIsCutOffIsNamed) {
  MakeStore();
  const std::string bytes = Bytes(path_);
  // Where the value goes on: the page number is behind the part that stands beside the key.
  const size_t key = bytes.find("key1257");
  ASSERT_NE(key, std::string::npos);
  const size_t end = bytes.find_first_not_of(bytes[key + 7], key + 7);
  Overwrite(end, std::string(4, '\xff'));
  const RecoveryReport report = Recovered();
  ExpectSaved(report, 1);
  EXPECT_THAT(report.salvaged.lost_keys, UnorderedElementsAre("key1257"));
  EXPECT_THAT(report.salvaged.losses, Contains("entry key1257: its value is cut off"));
}

TEST_F(RecoveryTest, WithoutTheHeader) {
  MakeStore();
  DamagePage(1);
  const RecoveryReport report = Recovered();
  ExpectSaved(report, 0);
  EXPECT_THAT(report.salvaged.losses, Contains("the header of the file"));
}

TEST_F(RecoveryTest, OfHalfAFile) {
  MakeStore();
  std::filesystem::resize_file(path_, Bytes(path_).size() / 2 + 100);
  const RecoveryReport report = Recovered();
  ExpectSaved(report, 400);
  EXPECT_GT(report.salvaged.entries.size(), 100u);
}

TEST_F(RecoveryTest, WhatNobodyCanUseIsLeftOut) {
  MakeStore();
  auto report = RecoverStore(path_, [](absl::string_view key, absl::string_view) {
    return key == "key1007" ? absl::InvalidArgumentError("is odd") : absl::OkStatus();
  });
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->salvaged.entries.size(), 499u);
  EXPECT_THAT(report->salvaged.lost_keys, UnorderedElementsAre("key1007"));
  EXPECT_EQ(Load(path_).size(), 499u);
}

TEST_F(RecoveryTest, TheLogCountsAndIsKept) {
  std::string log;
  {
    const std::string other = dir_.File("other.db");
    Fill(*Open(other), ManyEntries());
    auto database = Open(other);
    ASSERT_TRUE(Put(*database, "key1003", "newer").ok());
    ASSERT_TRUE(Put(*database, "new", "one").ok());
    Write(path_, Bytes(other));
    Write(path_ + "-wal", log = Bytes(other + "-wal"));
  }
  const RecoveryReport report = Recovered();
  Entries expected = ManyEntries();
  expected["key1003"] = "newer";
  expected["new"] = "one";
  EXPECT_EQ(report.salvaged.entries, expected);
  EXPECT_EQ(Load(path_), expected);
  EXPECT_EQ(Bytes(path_ + ".before-recovery.1-wal"), log);
}

TEST_F(RecoveryTest, ADamagedLogCountsUpToTheDamage) {
  {
    const std::string other = dir_.File("other.db");
    Fill(*Open(other), ManyEntries());
    auto database = Open(other);
    ASSERT_TRUE(Put(*database, "key1003", "newer").ok());
    std::string log = Bytes(other + "-wal");
    ASSERT_TRUE(Put(*database, "key1004", "newer").ok());
    std::string longer = Bytes(other + "-wal");
    ASSERT_GT(longer.size(), log.size());
    longer[log.size() + 2000] ^= 1;
    Write(path_, Bytes(other));
    Write(path_ + "-wal", longer);
  }
  const RecoveryReport report = Recovered();
  Entries expected = ManyEntries();
  expected["key1003"] = "newer";
  EXPECT_EQ(report.salvaged.entries, expected);
  EXPECT_THAT(report.salvaged.losses, Contains(HasSubstr("changes in the log from byte")));
}

TEST_F(RecoveryTest, WhereNothingIsLeftNothingIsDone) {
  Write(path_, std::string(50'000, 'x'));
  const auto report = RecoverStore(path_, Anything);
  EXPECT_EQ(report.status().code(), absl::StatusCode::kDataLoss) << report.status();
  EXPECT_THAT(std::string(report.status().message()), HasSubstr("nothing of it can be read"));
  EXPECT_THAT(FilesInFolder(), UnorderedElementsAre("state.db"));
  std::filesystem::remove(path_);
  EXPECT_EQ(RecoverStore(path_, Anything).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(RecoveryTest, AnyDamageIsSurvived) {
  MakeStore();
  const std::string whole = Bytes(path_);
  std::mt19937 random(1);
  for (int round = 0; round < 100; ++round) {
    std::string bytes = whole;
    for (int i = 0; i < 1 + round % 30; ++i) {
      const size_t at = random() % bytes.size();
      const size_t length = std::min<size_t>(random() % 3 == 0 ? 500 : 2, bytes.size() - at);
      for (size_t j = 0; j < length; ++j) bytes[at + j] = static_cast<char>(random());
    }
    if (round % 10 == 0) bytes.resize(random() % bytes.size());
    Write(path_, bytes);
    const auto salvaged = Salvage(path_, Anything);
    ASSERT_TRUE(salvaged.ok()) << salvaged.status();
    size_t same = 0;
    const Entries all = ManyEntries();
    for (const auto& [key, value] : salvaged->entries) {
      const auto it = all.find(key);
      same += it != all.end() && it->second == value;
    }
    EXPECT_TRUE(round % 10 == 0 || same > 50) << "round " << round << ": " << same;
  }
}

TEST_F(RecoveryTest, ARecoveryThatIsCutOffGoesOn) {
  MakeStore();
  const std::string old = Bytes(path_);
  for (const bool log_was_moved : {false, true}) {
    const std::string kept = absl::StrCat(path_, ".before-recovery.", log_was_moved ? 2 : 1);
    std::filesystem::rename(path_, kept);
    Write(log_was_moved ? kept + "-wal" : path_ + "-wal", "changes");
    Write(path_ + ".recovered", old);
    const auto opened = Database::Open(path_, {.max_bytes = 0, .lock_wait = {}});
    EXPECT_EQ(opened.status().code(), absl::StatusCode::kDataLoss) << opened.status();
    const auto report = RecoverStore(path_, Anything);
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_TRUE(report->went_on);
    EXPECT_EQ(Load(path_), ManyEntries());
    EXPECT_EQ(Bytes(kept + "-wal"), "changes");
    EXPECT_FALSE(std::filesystem::exists(path_ + ".recovered"));
  }
}

// Beyond the limit of RLIMIT_FSIZE the kernel fails a write with EFBIG. The log is moved into the
// file after each commit, of which the last is not the largest here: the log stays below the limit.
TEST_F(RecoveryTest, WhereTheLogCanNotBeMovedIntoTheNewFileTheOldOneStays) {
  Entries entries;
  for (int i = 0; i < 1500; ++i) entries[absl::StrCat("key", 1000 + i)] = std::string(3000, 'v');
  Fill(*Open(path_), entries);
  const std::string before = Bytes(path_);
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
  rlimit tight = limit;
  tight.rlim_cur = 5 << 20;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  const auto refused = RecoverStore(path_, Anything);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnavailable) << refused.status();
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("File too large"));
  EXPECT_EQ(Bytes(path_), before);
  EXPECT_THAT(FilesInFolder(), UnorderedElementsAre("state.db"));
  Recovered();
  EXPECT_EQ(Load(path_), entries);
}

TEST_F(RecoveryTest, FromTheFileOfARecoveryThatWasCutOff) {
  MakeStore();
  const std::string recovered = path_ + ".recovered";
  std::filesystem::rename(path_, recovered);
  const auto report = RestoreStore(path_, recovered, Anything);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(Load(path_), ManyEntries());
  EXPECT_THAT(FilesInFolder(), UnorderedElementsAre("state.db"));
}

TEST_F(RecoveryTest, WhereABackupCanNotBeTakenARecoveredFileStays) {
  MakeStore();
  const std::string backup = dir_.File("backup");
  ASSERT_TRUE(BackUpStore(path_, backup).ok());
  std::filesystem::rename(path_, path_ + ".recovered");
  // In the way of the copy.
  const std::string obstacle = path_ + ".restoring";
  std::filesystem::create_directory(obstacle);
  EXPECT_FALSE(RestoreStore(path_, backup, Anything).ok());
  EXPECT_TRUE(std::filesystem::exists(path_ + ".recovered"));
  std::filesystem::remove(obstacle);
  EXPECT_TRUE(RestoreStore(path_, backup, Anything).ok());
  EXPECT_EQ(Load(path_), ManyEntries());
}

TEST_F(RecoveryTest, FromABackup) {
  const std::string backup = dir_.File("backup");
  {
    auto database = Open(path_);
    Fill(*database, ManyEntries());
    ASSERT_TRUE(BackUpStore(path_, backup).ok());
    ASSERT_TRUE(Put(*database, "key1003", "newer").ok());
  }
  const std::string before = Bytes(path_);
  auto report = RestoreStore(path_, backup, Anything);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(Load(path_), ManyEntries());
  EXPECT_EQ(Bytes(report->kept), before);
  // Also where there is nothing: on another machine.
  std::filesystem::remove(path_);
  report = RestoreStore(path_, backup, Anything);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->kept, "");
  EXPECT_EQ(Load(path_), ManyEntries());
}

TEST_F(RecoveryTest, ABackupThatIsNoneChangesNothing) {
  MakeStore();
  const std::string before = Bytes(path_);
  EXPECT_EQ(RestoreStore(path_, dir_.File("none"), Anything).status().code(),
            absl::StatusCode::kNotFound);
  Write(dir_.File("text"), std::string(5000, 'x'));
  EXPECT_EQ(RestoreStore(path_, dir_.File("text"), Anything).status().code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(Bytes(path_), before);
  EXPECT_THAT(FilesInFolder(), UnorderedElementsAre("state.db", "text"));
}

}  // namespace
}  // namespace outpost::store
