#include "server/store/sqlite/database.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/store/sqlite/files.h"
#include "server/store/sqlite/sqlite_errors.h"

namespace outpost::store {
namespace {

constexpr int64_t kSmallestDatabase = 512;

}  // namespace

Database::Database(std::string path, int64_t max_bytes)
    : path_(path), max_bytes_(max_bytes), connection_(std::move(path), max_bytes) {}

// The statements are finalized before the connection is closed, which checkpoints.
Database::~Database() = default;

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const std::string& path,
                                                         const Settings& settings) {
  // An absolute path is never one of SQLite's special names (":memory:", "file:…").
  std::error_code error;
  const std::string file = std::filesystem::absolute(path, error).string();
  if (error || path.empty()) {
    return StoreError(absl::StatusCode::kUnavailable, path, "not a path of a file");
  }

  struct stat info;
  if (stat(file.c_str(), &info) != 0) {
    if (errno != ENOENT) return SystemError(file, "can't be opened");
    if (absl::Status status = Create(file); !status.ok()) return status;
  } else if (!S_ISREG(info.st_mode)) {
    return StoreError(absl::StatusCode::kFailedPrecondition, file,
                      "is not a regular file; name the file to keep the state in");
  } else if (info.st_size < kSmallestDatabase) {  // SQLite would take it for a new one
    return StoreError(absl::StatusCode::kDataLoss, file,
                      absl::StrCat("is cut off (it has ", info.st_size, " bytes); ", kRepair));
  } else if ((info.st_mode & 077) != 0 && chmod(file.c_str(), 0600) != 0 && errno != EROFS) {
    return SystemError(file, "others may read it, and its mode can't be set to 0600");
  }

  std::unique_ptr<Database> database(new Database(file, settings.max_bytes));
  if (auto status = database->connection_.Open(file, SQLITE_OPEN_READWRITE); !status.ok()) {
    return status;
  }
  sqlite3_busy_timeout(database->connection_.get(),
                       static_cast<int>(absl::ToInt64Milliseconds(settings.lock_wait)));
  if (absl::Status status = database->Check(); !status.ok()) return status;
  if (absl::Status status = database->Configure(); !status.ok()) return status;
  return database;
}

absl::Status Database::Create(const std::string& path) {
  if (access(RecoveredFile(path).c_str(), F_OK) == 0) {
    return StoreError(
        absl::StatusCode::kDataLoss, path,
        absl::StrCat("is missing, but ", RecoveredFile(path),
                     " is there: `outpostd store recover` was cut off; run it again"));
  }
  if (HasLog(path)) {
    return StoreError(absl::StatusCode::kDataLoss, path,
                      "is missing, but the -wal file beside it holds changes of it; put it back, "
                      "or move the -wal file away to begin with an empty store");
  }
  const std::string draft = path + ".new";
  // What an earlier attempt, cut short, left behind.
  RemoveDraft(draft);
  const int fd = open(draft.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) {
    return SystemError(path, errno == ENOENT ? "its folder must be made first" : "can't be made");
  }
  close(fd);

  absl::Cleanup remove_draft = [&draft] { unlink(draft.c_str()); };
  {
    Connection connection(path, 0);
    absl::Status status = connection.Open(draft, SQLITE_OPEN_READWRITE);
    if (!status.ok()) return status;
    status = connection.Run(
        absl::StrFormat("PRAGMA locking_mode=EXCLUSIVE; PRAGMA synchronous=FULL;"
                        "BEGIN; PRAGMA application_id=%d; PRAGMA user_version=%d; %s; COMMIT;",
                        Schema::kApplicationId, Schema::kVersion, Schema::kEntries));
    if (!status.ok()) return status;
  }
  if (rename(draft.c_str(), path.c_str()) != 0) return SystemError(path, "can't be made");
  return SyncDirectory(path);
}

absl::Status Identify(Connection& connection) {
  const std::string& path = connection.path();
  // The schema of a file that is not ours must not run code.
  absl::Status status = connection.Run(
      "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA temp_store=MEMORY;");
  if (!status.ok()) return status;

  auto application = connection.Ask("PRAGMA application_id");
  if (!application.ok()) return application.status();
  if (*application != absl::StrCat(Schema::kApplicationId)) {
    return StoreError(absl::StatusCode::kFailedPrecondition, path,
                      absl::StrCat("is an SQLite database of another program (application_id ",
                                   *application, ", not ", Schema::kApplicationId,
                                   "); name another file, or move this one away"));
  }
  auto version = connection.Ask("PRAGMA user_version");
  if (!version.ok()) return version.status();
  int64_t number = 0;
  if (!absl::SimpleAtoi(*version, &number) || number < 1) {
    return StoreError(
        absl::StatusCode::kDataLoss, path,
        absl::StrCat("has no schema version (user_version ", *version, "); ", kRepair));
  }
  if (number > Schema::kVersion) {
    return StoreError(
        absl::StatusCode::kFailedPrecondition, path,
        absl::StrCat("was written by a newer outpostd (schema version ", number,
                     "; this one knows ", Schema::kVersion,
                     "); start the newer one, or restore a backup of before the upgrade"));
  }
  return absl::OkStatus();
}

// Finds out whether this is our file, and whole.
absl::Status Database::Check() {
  if (absl::Status status = Identify(connection_); !status.ok()) return status;
  auto finding = connection_.Ask("PRAGMA quick_check(1)");
  if (!finding.ok()) return finding.status();
  if (*finding != "ok") {
    // Its last line says what; those before it, where.
    finding = finding->substr(finding->rfind('\n') + 1);
    return StoreError(absl::StatusCode::kDataLoss, path_,
                      absl::StrCat("is damaged (", *finding, "); ", kRepair));
  }
  return absl::OkStatus();
}

absl::Status Database::Configure() {
  if (sqlite3_db_readonly(connection_.get(), "main") != 0) {
    return StoreError(absl::StatusCode::kUnavailable, path_,
                      "is read-only; make the file and its folder writable");
  }
  auto mode = connection_.Ask("PRAGMA journal_mode=WAL");
  if (!mode.ok()) return mode.status();
  if (*mode != "wal") {
    return StoreError(absl::StatusCode::kUnavailable, path_,
                      absl::StrCat("its file system can't keep a write-ahead log (journal mode ",
                                   *mode, "); put it on another"));
  }
  // After a big transaction the log shrinks to the limit again. Of what is removed (a password, a
  // key) nothing stays in the file: so it is with Debian's SQLite in any case, not with others.
  absl::Status status = connection_.Run(
      "PRAGMA synchronous=FULL; PRAGMA journal_size_limit=4194304; PRAGMA secure_delete=ON;");
  if (!status.ok()) return status;

  if (max_bytes_ > 0) {
    auto page_size = connection_.Ask("PRAGMA page_size");
    if (!page_size.ok()) return page_size.status();
    int64_t bytes = 4096;
    (void)absl::SimpleAtoi(*page_size, &bytes);
    status = connection_.Run(
        absl::StrCat("PRAGMA max_page_count=", std::max<int64_t>(1, max_bytes_ / bytes)));
    if (!status.ok()) return status;
  }
  auto set = connection_.Prepare("REPLACE INTO entries (key, value) VALUES (?1, ?2)");
  if (!set.ok()) return set.status();
  auto remove = connection_.Prepare("DELETE FROM entries WHERE key = ?1");
  if (!remove.ok()) return remove.status();
  auto data_version = connection_.Prepare("PRAGMA data_version");
  if (!data_version.ok()) return data_version.status();
  set_ = *std::move(set);
  remove_ = *std::move(remove);
  data_version_ = *std::move(data_version);
  return Begin();
}

absl::Status Database::Load(absl::FunctionRef<void(std::string, std::string)> entry) {
  return connection_.ReadEntries(entry);
}

absl::Status Database::Begin() {
  if (sqlite3_get_autocommit(connection_.get()) == 0) return absl::OkStatus();
  if (absl::Status status = connection_.Run("BEGIN IMMEDIATE"); !status.ok()) return status;
  std::string version;
  if (sqlite3_step(data_version_.get()) == SQLITE_ROW) {
    version = absl::StrCat(sqlite3_column_int64(data_version_.get(), 0));
  }
  (void)sqlite3_reset(data_version_.get());
  if (known_version_.empty()) known_version_ = version;
  if (version == known_version_) return absl::OkStatus();
  (void)sqlite3_exec(connection_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
  return StoreError(absl::StatusCode::kUnavailable, path_,
                    "another program has written to it; nothing is written any more, so that "
                    "nothing of that is lost: restart the manager, which reads it again");
}

absl::Status Database::End(absl::Status status) {
  if (status.ok()) status = connection_.Run("COMMIT");
  if (!status.ok()) {
    // Some errors have ended the transaction already.
    if (sqlite3_get_autocommit(connection_.get()) == 0) {
      (void)sqlite3_exec(connection_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    }
    if (absl::IsResourceExhausted(status)) {
      // Gives back the part of the log that the failed transaction has grown.
      (void)sqlite3_wal_checkpoint_v2(connection_.get(), "main", SQLITE_CHECKPOINT_TRUNCATE,
                                      nullptr, nullptr);
    }
    known_version_.clear();  // SQLite counts its own errors, too
  }
  // Where this fails, the next commit does, with the reason.
  (void)Begin();
  return status;
}

absl::Status Database::Commit(const std::vector<ChangeRef>& changes) {
  if (absl::Status status = Begin(); !status.ok()) return status;
  absl::Status status;
  for (auto change = changes.begin(); status.ok() && change != changes.end(); ++change) {
    status = Make(*change);
  }
  return End(std::move(status));
}

absl::Status Database::TryToWrite() {
  if (absl::Status status = Begin(); !status.ok()) return status;
  return End(connection_.Run(absl::StrCat("PRAGMA user_version=", Schema::kVersion)));
}

absl::Status Database::Make(const ChangeRef& change) {
  sqlite3_stmt* statement = *change.value ? set_.get() : remove_.get();
  int result =
      sqlite3_bind_blob64(statement, 1, change.key.data(), change.key.size(), SQLITE_STATIC);
  if (result == SQLITE_OK && *change.value) {
    const std::string& value = **change.value;
    result = sqlite3_bind_blob64(statement, 2, value.data(), value.size(), SQLITE_STATIC);
  }
  absl::Status status;
  errno = 0;
  if (result != SQLITE_OK || sqlite3_step(statement) != SQLITE_DONE) {
    status = connection_.Error("can't be written");
  }
  (void)sqlite3_reset(statement);
  (void)sqlite3_clear_bindings(statement);
  return status;
}

}  // namespace outpost::store
