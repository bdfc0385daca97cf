// What Open says of files that are damaged, foreign, newer, locked or in the wrong place.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/store/sqlite/scratch_dir.h"
#include "server/store/sqlite/sqlite_store.h"

namespace outpost::store {
namespace {

using ::testing::HasSubstr;

class SqliteStoreOpenTest : public testing::Test {
 protected:
  // A store of about 400 KiB, closed.
  void MakeStore() {
    auto store = SqliteStore::Open(path_);
    ASSERT_TRUE(store.ok()) << store.status();
    Batch batch;
    for (int i = 0; i < 100; ++i) {
      batch.changes.push_back({absl::StrCat("key", i), std::string(4000, 'v')});
    }
    ASSERT_TRUE((*store)->WriteAndWait(std::move(batch)).ok());
  }

  void Sql(const std::string& sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(db);
    sqlite3_close(db);
  }

  void WriteFile(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
  }

  // Opening must fail with `code` and a message that has the path and all of `words`.
  void ExpectRefused(absl::StatusCode code, const std::vector<std::string>& words) {
    SqliteStore::Options options;
    options.lock_wait = absl::ZeroDuration();
    auto store = SqliteStore::Open(path_, options);
    ASSERT_FALSE(store.ok());
    EXPECT_EQ(store.status().code(), code) << store.status();
    const std::string message(store.status().message());
    EXPECT_THAT(message, HasSubstr(path_));
    for (const std::string& word : words) EXPECT_THAT(message, HasSubstr(word));
  }

  ScratchDir dir_;
  std::string path_ = dir_.File("state.db");
};

TEST_F(SqliteStoreOpenTest, OnlyTheOwnerMayReadTheFiles) {
  const mode_t before = umask(0);
  auto store = SqliteStore::Open(path_);
  umask(before);
  ASSERT_TRUE(store.ok()) << store.status();
  ASSERT_TRUE((*store)->WriteAndWait({{}, {{"k", "v"}}}).ok());
  for (const char* suffix : {"", "-wal", "-shm"}) {
    struct stat info;
    ASSERT_EQ(stat((path_ + suffix).c_str(), &info), 0) << suffix;
    EXPECT_EQ(info.st_mode & 0777, 0600u) << suffix;
  }
  EXPECT_FALSE(std::filesystem::exists(path_ + ".new"));
}

TEST_F(SqliteStoreOpenTest, AFileThatOthersMayReadIsGivenTheRightMode) {
  MakeStore();
  ASSERT_EQ(chmod(path_.c_str(), 0644), 0);
  ASSERT_TRUE(SqliteStore::Open(path_).ok());
  struct stat info;
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(SqliteStoreOpenTest, WhatAnInterruptedCreationLeftDoesNotMatter) {
  WriteFile(path_ + ".new", "half a da");
  WriteFile(path_ + ".new-journal", "half a jour");
  auto store = SqliteStore::Open(path_);
  EXPECT_TRUE(store.ok()) << store.status();
}

TEST_F(SqliteStoreOpenTest, ATextFileIsNotAStore) {
  WriteFile(path_, std::string(5000, 'x'));
  ExpectRefused(absl::StatusCode::kDataLoss,
                {"is not an SQLite database", "name another file", "outpostd store recover"});
}

TEST_F(SqliteStoreOpenTest, ADatabaseOfAnotherProgramIsNotTouched) {
  Sql("CREATE TABLE entries (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID");
  ExpectRefused(absl::StatusCode::kFailedPrecondition,
                {"of another program", "application_id 0", "name another file"});
}

TEST_F(SqliteStoreOpenTest, ANewerVersionIsRefused) {
  MakeStore();
  Sql("PRAGMA user_version=99");
  ExpectRefused(absl::StatusCode::kFailedPrecondition,
                {"newer outpostd", "schema version 99", "restore a backup"});
}

TEST_F(SqliteStoreOpenTest, AStoreWithoutVersionOrTableIsDamaged) {
  MakeStore();
  Sql("PRAGMA user_version=0");
  ExpectRefused(absl::StatusCode::kDataLoss, {"no schema version", "outpostd store recover"});
  Sql("PRAGMA user_version=1; DROP TABLE entries");
  ExpectRefused(absl::StatusCode::kDataLoss, {"no such table", "outpostd store recover"});
}

TEST_F(SqliteStoreOpenTest, DamagedPagesAreFound) {
  MakeStore();
  {
    std::fstream file(path_, std::ios::binary | std::ios::in | std::ios::out);
    for (int page = 2; page < 20; ++page) {
      file.seekp(std::streamoff{page} * 4096);
      file << std::string(100, '\x5a');
    }
  }
  ExpectRefused(absl::StatusCode::kDataLoss, {"is damaged (", "outpostd store check"});
}

TEST_F(SqliteStoreOpenTest, ATruncatedFileIsFound) {
  MakeStore();
  const auto size = std::filesystem::file_size(path_);
  std::filesystem::resize_file(path_, size / 2);
  ExpectRefused(absl::StatusCode::kDataLoss, {"is damaged (", "outpostd store check"});
  std::filesystem::resize_file(path_, 50);
  ExpectRefused(absl::StatusCode::kDataLoss,
                {"is cut off (it has 50 bytes)", "outpostd store recover"});
  std::filesystem::resize_file(path_, 0);
  ExpectRefused(absl::StatusCode::kDataLoss, {"is cut off (it has 0 bytes)", "recover --from"});
}

TEST_F(SqliteStoreOpenTest, AMissingFileWithItsLogLeftIsNotANewStore) {
  WriteFile(path_ + "-wal", "changes");
  ExpectRefused(absl::StatusCode::kDataLoss, {"is missing", "-wal"});
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(SqliteStoreOpenTest, ARecoveryThatWasCutOffIsNotANewStore) {
  WriteFile(path_ + ".recovered", "all of it");
  ExpectRefused(absl::StatusCode::kDataLoss, {"is missing", "was cut off; run it again"});
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(SqliteStoreOpenTest, OthersMayReadIt) {
  auto store = SqliteStore::Open(path_);
  ASSERT_TRUE(store.ok());
  ASSERT_TRUE((*store)->WriteAndWait({{}, {{"k", "v"}}}).ok());
  Sql("SELECT count(*) FROM entries");
  EXPECT_TRUE((*store)->WriteAndWait({{}, {{"k", "w"}}}).ok());
}

TEST_F(SqliteStoreOpenTest, OthersCanNotWriteToIt) {
  auto store = SqliteStore::Open(path_);
  ASSERT_TRUE(store.ok());
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(sqlite3_exec(db, "DELETE FROM entries", nullptr, nullptr, nullptr), SQLITE_BUSY);
    EXPECT_TRUE((*store)->WriteAndWait({{}, {{"k", absl::StrCat(i)}}}).ok());
  }
  sqlite3_close(db);
}

TEST_F(SqliteStoreOpenTest, AStoreThatIsInUseIsRefused) {
  auto store = SqliteStore::Open(path_);
  ASSERT_TRUE(store.ok());
  ExpectRefused(absl::StatusCode::kUnavailable, {"in use by another process"});
  store->reset();
  EXPECT_TRUE(SqliteStore::Open(path_).ok());
}

TEST_F(SqliteStoreOpenTest, AFolderThatIsMissingIsNamed) {
  path_ = dir_.File("no/such/state.db");
  ExpectRefused(absl::StatusCode::kUnavailable, {"folder must be made", "No such file"});
}

TEST_F(SqliteStoreOpenTest, AFolderIsNotAStore) {
  path_ = dir_.path();
  ExpectRefused(absl::StatusCode::kFailedPrecondition, {"not a regular file"});
}

TEST_F(SqliteStoreOpenTest, AnEmptyPathIsRefused) {
  auto store = SqliteStore::Open("");
  EXPECT_EQ(store.status().code(), absl::StatusCode::kUnavailable) << store.status();
}

TEST_F(SqliteStoreOpenTest, NamesThatAreSpecialToSqliteAreFiles) {
  const auto here = std::filesystem::current_path();
  std::filesystem::current_path(dir_.path());
  for (const std::string name : {":memory:", "file:x?mode=memory"}) {
    auto store = SqliteStore::Open(name);
    EXPECT_TRUE(store.ok()) << store.status();
    EXPECT_TRUE(std::filesystem::exists(dir_.File(name))) << name;
  }
  std::filesystem::current_path(here);
}

}  // namespace
}  // namespace outpost::store
