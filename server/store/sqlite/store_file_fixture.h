// StoreFileTest makes state store files in a folder of its own, and damages them.
#ifndef OUTPOST_SERVER_STORE_SQLITE_STORE_FILE_FIXTURE_H_
#define OUTPOST_SERVER_STORE_SQLITE_STORE_FILE_FIXTURE_H_

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/store/sqlite/database.h"
#include "server/store/sqlite/maintenance.h"
#include "server/store/sqlite/scratch_dir.h"

namespace outpost::store {

class StoreFileTest : public testing::Test {
 protected:
  using Entries = std::map<std::string, std::string>;

  static constexpr size_t kPage = 4096;

  static absl::Status Anything(absl::string_view, absl::string_view) { return absl::OkStatus(); }

  std::unique_ptr<Database> Open(const std::string& path) {
    auto database = Database::Open(path, {.max_bytes = 0, .lock_wait = absl::ZeroDuration()});
    EXPECT_TRUE(database.ok()) << database.status();
    return database.ok() ? *std::move(database) : nullptr;
  }

  absl::Status Put(Database& database, const std::string& key, std::string text) {
    const std::optional<std::string> value = std::move(text);
    return database.Commit({{key, &value}});
  }

  // Some that share a page, and some that fill several.
  Entries ManyEntries() {
    Entries entries;
    for (int i = 0; i < 500; ++i) {
      entries[absl::StrCat("key", 1000 + i)] =
          std::string(i % 50 == 7 ? 20'000 : i * 7 % 300, static_cast<char>('a' + i % 26));
    }
    return entries;
  }

  void Fill(Database& database, const Entries& entries) {
    std::vector<std::optional<std::string>> values;
    values.reserve(entries.size());
    std::vector<ChangeRef> changes;
    for (const auto& [key, value] : entries) {
      values.push_back(value);
      changes.push_back({key, &values.back()});
    }
    ASSERT_TRUE(database.Commit(changes).ok());
  }

  Entries Load(const std::string& path) {
    Entries entries;
    if (auto database = Open(path)) {
      EXPECT_TRUE(
          database->Load([&](const auto& key, const auto& value) { entries[key] = value; }).ok());
    }
    return entries;
  }

  // A closed store with ManyEntries().
  void MakeStore() { Fill(*Open(path_), ManyEntries()); }

  static std::string Bytes(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }

  static void Write(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }

  void Overwrite(size_t offset, const std::string& bytes) {
    std::fstream file(path_, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(offset));
    file << bytes;
  }

  void DamagePage(size_t number) { Overwrite((number - 1) * kPage, std::string(kPage, '\x5a')); }

  void Sql(const std::string& sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(db);
    sqlite3_close(db);
  }

  std::vector<std::string> FilesInFolder() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(dir_.path())) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

  ScratchDir dir_;
  const std::string path_ = dir_.File("state.db");
};

}  // namespace outpost::store

#endif  // OUTPOST_SERVER_STORE_SQLITE_STORE_FILE_FIXTURE_H_
