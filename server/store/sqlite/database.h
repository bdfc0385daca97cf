// Database is the file of a SqliteStore: it opens and checks it, reads it whole, and
// writes sets of changes to it, each in one durable transaction.
//
// **Thread safety.** None: one thread at a time.
//
// **Invariants.**
// 1. From Open to the end nobody else writes to the file: a write transaction is always
//    open, and only lost in a commit, for the time until the next one begins. Should
//    another program write then, all that comes later fails (UNAVAILABLE). So what is in
//    memory elsewhere stays a true copy, while other processes may read (StoreReader).
// 2. When Commit returns OK the changes are on the disk (WAL with synchronous=FULL:
//    one fdatasync a commit). When it fails none of them are visible.
// 3. A new file appears under its name only when it is complete, so an empty file
//    was never ours.
//
// Not guaranteed: that a disk which is quite full takes a change that removes keys
// (the log has to grow for it); make space elsewhere. When the disk fails in the
// middle of a commit (UNAVAILABLE), and the machine stops before the next commit that
// succeeds, the changes of the failed commit may be found at the next Open.
#ifndef OUTPOST_SERVER_STORE_SQLITE_DATABASE_H_
#define OUTPOST_SERVER_STORE_SQLITE_DATABASE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/store/sqlite/connection.h"

namespace outpost::store {

// A change by reference; no value: the key is removed.
struct ChangeRef {
  absl::string_view key;
  const std::optional<std::string>* value;
};

class Database {
 public:
  struct Settings {
    int64_t max_bytes = 0;     // the file may not grow over this; 0: no limit
    absl::Duration lock_wait;  // how long another process may keep the file
  };

  // Opens the file, which is made when it does not exist (mode 0600, and an existing
  // one is given that mode). DATA_LOSS: it is damaged. FAILED_PRECONDITION: it is
  // something else, or newer than this program. UNAVAILABLE: it can't be opened,
  // locked or written. Each message names the file and what to do.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& path,
                                                        const Settings& settings);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // The whole path of the file.
  const std::string& path() const { return path_; }

  // Calls `entry` with every key and its value, in order of the keys.
  absl::Status Load(absl::FunctionRef<void(std::string key, std::string value)> entry);

  // Makes all of `changes`, or none. RESOURCE_EXHAUSTED: the disk is full (or the
  // limit of max_bytes is reached). DATA_LOSS: the file has been damaged. UNAVAILABLE: the
  // disk fails, or is read-only.
  absl::Status Commit(const std::vector<ChangeRef>& changes);

  // Writes to the disk, and changes nothing: whether a commit would succeed, unless it
  // needs more space than there is. Errors as of Commit.
  absl::Status TryToWrite();

 private:
  Database(std::string path, int64_t max_bytes);

  static absl::Status Create(const std::string& path);

  absl::Status Check();
  absl::Status Configure();
  // Begins the transaction that is always open, unless it is.
  absl::Status Begin();
  // Ends it, durably: or all that was done in it is undone.
  absl::Status End(absl::Status status);
  absl::Status Make(const ChangeRef& change);

  const std::string path_;
  const int64_t max_bytes_;
  Connection connection_;
  Statement set_;
  Statement remove_;
  Statement data_version_;
  std::string known_version_;  // of the data, as SQLite counts what others write
};

// The schema of a state store's file.
struct Schema {
  static constexpr int64_t kApplicationId = 0x4f757470;  // "Outp"
  static constexpr int64_t kVersion = 1;
  static constexpr char kEntries[] =
      "CREATE TABLE entries (key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL) WITHOUT ROWID";
};

// Whether this is a state store's file, of a version that is known. FAILED_PRECONDITION,
// DATA_LOSS: as Database::Open.
absl::Status Identify(Connection& connection);

}  // namespace outpost::store

#endif  // OUTPOST_SERVER_STORE_SQLITE_DATABASE_H_
