// CheckStore and BackUpStore, of files that are whole, damaged, foreign and in use.
#include "server/store/sqlite/maintenance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "server/store/sqlite/store_file_fixture.h"

namespace outpost::store {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class MaintenanceTest : public StoreFileTest {
 protected:
  CheckReport Checked() {
    auto report = CheckStore(path_, Anything);
    EXPECT_TRUE(report.ok()) << report.status();
    return report.ok() ? *report : CheckReport();
  }

  void ExpectNoCheck(absl::StatusCode code, const std::string& what) {
    for (const absl::Status& status :
         {CheckStore(path_, Anything).status(), BackUpStore(path_, dir_.File("backup"))}) {
      EXPECT_EQ(status.code(), code) << status;
      EXPECT_THAT(std::string(status.message()), HasSubstr(what));
    }
    EXPECT_FALSE(std::filesystem::exists(dir_.File("backup")));
    EXPECT_FALSE(std::filesystem::exists(dir_.File("backup.unfinished")));
  }

  void ExpectDamaged(const std::string& what) {
    const std::string before = Bytes(path_);
    const CheckReport report = Checked();
    EXPECT_THAT(report.findings, Contains(HasSubstr(what)));
    const absl::Status backup = BackUpStore(path_, dir_.File("backup"));
    EXPECT_EQ(backup.code(), absl::StatusCode::kDataLoss) << backup;
    EXPECT_THAT(FilesInFolder(), ElementsAre("state.db"));
    EXPECT_EQ(Bytes(path_), before);
  }
};

TEST_F(MaintenanceTest, AWholeStore) {
  MakeStore();
  const std::string before = Bytes(path_);
  const CheckReport report = Checked();
  EXPECT_THAT(report.findings, IsEmpty());
  EXPECT_EQ(report.path, path_);
  EXPECT_EQ(report.schema_version, 1);
  EXPECT_EQ(report.entries, 500u);
  uint64_t bytes = 0;
  for (const auto& [key, value] : ManyEntries()) bytes += key.size() + value.size();
  EXPECT_EQ(report.entry_bytes, bytes);
  EXPECT_EQ(report.file_bytes, before.size());
  EXPECT_EQ(report.log_bytes, 0u);
  EXPECT_FALSE(report.in_use);
  EXPECT_EQ(Bytes(path_), before);
  EXPECT_THAT(FilesInFolder(), ElementsAre("state.db"));
}

TEST_F(MaintenanceTest, AStoreInUse) {
  auto database = Open(path_);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(Put(*database, absl::StrCat("key", i), "value").ok());
    const CheckReport report = Checked();
    EXPECT_THAT(report.findings, IsEmpty());
    EXPECT_EQ(report.entries, 1u + i);
    EXPECT_TRUE(report.in_use);
    EXPECT_GT(report.log_bytes, 0u);
  }
}

TEST_F(MaintenanceTest, TheLogThatACrashLeavesIsReadAndStays) {
  {
    const std::string other = dir_.File("other.db");
    auto database = Open(other);
    Fill(*database, ManyEntries());
    // Of a running manager, as if it had been killed now.
    Write(path_, Bytes(other));
    Write(path_ + "-wal", Bytes(other + "-wal"));
  }
  const std::string before = Bytes(path_), log = Bytes(path_ + "-wal");
  const CheckReport report = Checked();
  EXPECT_THAT(report.findings, IsEmpty());
  EXPECT_EQ(report.entries, 500u);
  ASSERT_TRUE(BackUpStore(path_, dir_.File("backup")).ok());
  EXPECT_EQ(Bytes(path_), before);
  EXPECT_EQ(Bytes(path_ + "-wal"), log);
  EXPECT_EQ(Load(dir_.File("backup")), ManyEntries());
  EXPECT_EQ(Load(path_), ManyEntries());
}

TEST_F(MaintenanceTest, EntriesThatNobodyCanUseAreNamed) {
  MakeStore();
  const auto report = CheckStore(path_, [](absl::string_view key, absl::string_view) {
    return key == "key1007" ? absl::InvalidArgumentError("is odd") : absl::OkStatus();
  });
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->findings, ElementsAre("entry key1007: is odd"));
}

TEST_F(MaintenanceTest, DamagedPages) {
  MakeStore();
  DamagePage(5);
  ExpectDamaged("On tree page");
}

TEST_F(MaintenanceTest, EntriesOutOfOrder) {
  MakeStore();
  const size_t at = Bytes(path_).find("key1100");
  ASSERT_NE(at, std::string::npos);
  Overwrite(at, "zzz1100");
  ExpectDamaged("row not in PRIMARY KEY order");
}

TEST_F(MaintenanceTest, AFileThatIsCutOff) {
  MakeStore();
  std::filesystem::resize_file(path_, Bytes(path_).size() / 2);
  ExpectDamaged("");
}

TEST_F(MaintenanceTest, AFileThatIsNoDatabase) {
  Write(path_, std::string(5000, 'x'));
  ExpectDamaged("is not an SQLite database");
}

TEST_F(MaintenanceTest, AnotherSchema) {
  MakeStore();
  Sql("CREATE TABLE more (x); DELETE FROM entries");
  EXPECT_THAT(Checked().findings, ElementsAre(HasSubstr("the schema is \"CREATE TABLE entries")));
}

TEST_F(MaintenanceTest, WhatIsNoStore) {
  ExpectNoCheck(absl::StatusCode::kNotFound, "there is no such file");
  Write(path_ + "-wal", "changes");
  ExpectNoCheck(absl::StatusCode::kNotFound, "its -wal file is there: put it back");
  std::filesystem::remove(path_ + "-wal");
  Write(path_ + ".recovered", "all");
  ExpectNoCheck(absl::StatusCode::kNotFound, "was cut off; run it again");
  std::filesystem::create_directory(path_);
  ExpectNoCheck(absl::StatusCode::kFailedPrecondition, "is not a regular file");
}

TEST_F(MaintenanceTest, AnotherProgramsOrANewerVersions) {
  MakeStore();
  Sql("PRAGMA user_version=2");
  ExpectNoCheck(absl::StatusCode::kFailedPrecondition, "newer outpostd (schema version 2");
  Sql("PRAGMA application_id=7");
  ExpectNoCheck(absl::StatusCode::kFailedPrecondition, "another program (application_id 7");
}

TEST_F(MaintenanceTest, ABackupIsTheOwnersAndReplacesNothing) {
  MakeStore();
  const std::string backup = dir_.File("backup");
  const mode_t before = umask(0);
  const absl::Status status = BackUpStore(path_, backup);
  umask(before);
  ASSERT_TRUE(status.ok()) << status;
  struct stat info;
  ASSERT_EQ(stat(backup.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_THAT(FilesInFolder(), UnorderedElementsAre("state.db", "backup"));
  EXPECT_EQ(Load(backup), ManyEntries());

  const std::string bytes = Bytes(backup);
  const absl::Status again = BackUpStore(path_, backup);
  EXPECT_EQ(again.code(), absl::StatusCode::kAlreadyExists) << again;
  EXPECT_THAT(std::string(again.message()), HasSubstr("name a new file"));
  EXPECT_EQ(Bytes(backup), bytes);
  const absl::Status nowhere = BackUpStore(path_, dir_.File("no/such/folder"));
  EXPECT_EQ(nowhere.code(), absl::StatusCode::kUnavailable) << nowhere;
  EXPECT_THAT(std::string(nowhere.message()), HasSubstr("No such file or directory"));
}

TEST_F(MaintenanceTest, ABackupWhileOthersWriteIsOfOneMoment) {
  auto database = Open(path_);
  std::atomic<int> committed = 0;
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      const std::optional<std::string> value = absl::StrCat(i, std::string(i % 5000, 'v'));
      if (!database->Commit({{"first", &value}, {"second", &value}}).ok()) break;
      committed = i;
    }
  });
  for (int i = 0; i < 10; ++i) {
    const int before = committed;
    while (committed < before + 20) std::this_thread::yield();
    const std::string backup = dir_.File(absl::StrCat("backup", i));
    const absl::Status status = BackUpStore(path_, backup);
    EXPECT_TRUE(status.ok()) << status;
    const Entries entries = Load(backup);
    ASSERT_EQ(entries.size(), 2u);
    EXPECT_EQ(entries.at("first"), entries.at("second"));
    EXPECT_GE(std::stoi(entries.at("first")), before);  // "12vvv": what was acknowledged is there
  }
  const int last = committed;
  while (committed < last + 20) std::this_thread::yield();  // and writing goes on
  stop = true;
  writer.join();
}

}  // namespace
}  // namespace outpost::store
