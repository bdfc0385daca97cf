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

namespace outpost::store {
namespace {

constexpr int64_t kApplicationId = 0x4f757470;  // "Outp"
constexpr int64_t kSchemaVersion = 1;
constexpr int64_t kSmallestDatabase = 512;

constexpr char kRepair[] =
    "restore a backup of it, or move it and its -wal file away to begin with an empty store";

absl::Status MakeStatus(absl::StatusCode code, absl::string_view path, absl::string_view what) {
  return absl::Status(code, absl::StrCat("state store ", path, ": ", what));
}

// A failed system call.
absl::Status SystemError(absl::string_view path, absl::string_view what) {
  const int error = errno;
  const auto code = error == ENOSPC || error == EDQUOT ? absl::StatusCode::kResourceExhausted
                                                       : absl::StatusCode::kUnavailable;
  return MakeStatus(code, path, absl::StrCat(what, ": ", std::strerror(error)));
}

absl::Status SyncDirectory(const std::string& path) {
  const std::string directory = std::filesystem::path(path).parent_path().string();
  const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return SystemError(path, "can't open its folder");
  absl::Cleanup close_fd = [fd] { close(fd); };
  if (fsync(fd) != 0) return SystemError(path, "can't sync its folder");
  return absl::OkStatus();
}

}  // namespace

Database::Database(std::string path, int64_t max_bytes)
    : path_(std::move(path)), max_bytes_(max_bytes) {}

// set_ and remove_ are finalized before db_ is closed, which checkpoints.
Database::~Database() = default;

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const std::string& path,
                                                         const Settings& settings) {
  // An absolute path is never one of SQLite's special names (":memory:", "file:…").
  std::error_code error;
  const std::string file = std::filesystem::absolute(path, error).string();
  if (error || path.empty()) {
    return MakeStatus(absl::StatusCode::kUnavailable, path, "not a path of a file");
  }

  struct stat info;
  if (stat(file.c_str(), &info) != 0) {
    if (errno != ENOENT) return SystemError(file, "can't be opened");
    if (absl::Status status = Create(file); !status.ok()) return status;
  } else if (!S_ISREG(info.st_mode)) {
    return MakeStatus(absl::StatusCode::kFailedPrecondition, file,
                      "is not a regular file; name the file to keep the state in");
  } else if (info.st_size < kSmallestDatabase) {  // SQLite would take it for a new one
    return MakeStatus(absl::StatusCode::kDataLoss, file,
                      absl::StrCat("is cut off (it has ", info.st_size, " bytes); ", kRepair));
  } else if ((info.st_mode & 077) != 0 && chmod(file.c_str(), 0600) != 0 && errno != EROFS) {
    return SystemError(file, "others may read it, and its mode can't be set to 0600");
  }

  std::unique_ptr<Database> database(new Database(file, settings.max_bytes));
  if (absl::Status status = database->Connect(file); !status.ok()) return status;
  sqlite3_busy_timeout(database->db_.get(),
                       static_cast<int>(absl::ToInt64Milliseconds(settings.lock_wait)));
  if (absl::Status status = database->Check(); !status.ok()) return status;
  if (absl::Status status = database->Configure(); !status.ok()) return status;
  return database;
}

absl::Status Database::Create(const std::string& path) {
  if (access((path + "-wal").c_str(), F_OK) == 0) {
    return MakeStatus(absl::StatusCode::kDataLoss, path,
                      "is missing, but the -wal file beside it holds changes of it; put it back, "
                      "or move the -wal file away to begin with an empty store");
  }
  const std::string draft = path + ".new";
  // What an earlier attempt, cut short, left behind.
  for (const char* suffix : {"", "-journal", "-wal"}) unlink((draft + suffix).c_str());
  const int fd = open(draft.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) {
    return SystemError(path, errno == ENOENT ? "its folder must be made first" : "can't be made");
  }
  close(fd);

  absl::Cleanup remove_draft = [&draft] { unlink(draft.c_str()); };
  {
    Database database(path, 0);
    if (absl::Status status = database.Connect(draft); !status.ok()) return status;
    absl::Status status = database.Run(absl::StrFormat(
        "PRAGMA locking_mode=EXCLUSIVE;"
        "PRAGMA synchronous=FULL;"
        "BEGIN;"
        "PRAGMA application_id=%d;"
        "PRAGMA user_version=%d;"
        "CREATE TABLE entries (key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL) WITHOUT ROWID;"
        "COMMIT;",
        kApplicationId, kSchemaVersion));
    if (!status.ok()) return status;
  }
  if (rename(draft.c_str(), path.c_str()) != 0) return SystemError(path, "can't be made");
  return SyncDirectory(path);
}

absl::Status Database::Connect(const std::string& file) {
  sqlite3* db = nullptr;
  const int result =
      sqlite3_open_v2(file.c_str(), &db,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  db_.reset(db);
  if (db == nullptr) return absl::ResourceExhaustedError("SQLite: out of memory");
  return result == SQLITE_OK ? absl::OkStatus() : Error("can't be opened");
}

// Finds out whether this is our file, and whole.
absl::Status Database::Check() {
  // Before the first read: in this mode SQLite keeps the lock and needs no -shm file.
  // The schema of a file that is not ours must not run code.
  absl::Status status =
      Run("PRAGMA locking_mode=EXCLUSIVE; PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;"
          "PRAGMA temp_store=MEMORY;");
  if (!status.ok()) return status;

  auto application = Ask("PRAGMA application_id");
  if (!application.ok()) return application.status();
  if (*application != absl::StrCat(kApplicationId)) {
    return MakeStatus(
        absl::StatusCode::kFailedPrecondition, path_,
        absl::StrCat("is an SQLite database of another program (application_id ", *application,
                     ", not ", kApplicationId, "); name another file, or move this one away"));
  }
  auto version = Ask("PRAGMA user_version");
  if (!version.ok()) return version.status();
  int64_t number = 0;
  if (!absl::SimpleAtoi(*version, &number) || number < 1) {
    return MakeStatus(
        absl::StatusCode::kDataLoss, path_,
        absl::StrCat("has no schema version (user_version ", *version, "); ", kRepair));
  }
  if (number > kSchemaVersion) {
    return MakeStatus(
        absl::StatusCode::kFailedPrecondition, path_,
        absl::StrCat("was written by a newer outpostd (schema version ", number,
                     "; this one knows ", kSchemaVersion,
                     "); start the newer one, or restore a backup of before the upgrade"));
  }
  auto finding = Ask("PRAGMA quick_check(1)");
  if (!finding.ok()) return finding.status();
  if (*finding != "ok") {
    return MakeStatus(absl::StatusCode::kDataLoss, path_,
                      absl::StrCat("is damaged (", *finding, "); ", kRepair));
  }
  return absl::OkStatus();
}

absl::Status Database::Configure() {
  if (sqlite3_db_readonly(db_.get(), "main") != 0) {
    return MakeStatus(absl::StatusCode::kUnavailable, path_,
                      "is read-only; make the file and its folder writable");
  }
  auto mode = Ask("PRAGMA journal_mode=WAL");
  if (!mode.ok()) return mode.status();
  if (*mode != "wal") {
    return MakeStatus(absl::StatusCode::kUnavailable, path_,
                      absl::StrCat("its file system can't keep a write-ahead log (journal mode ",
                                   *mode, "); put it on another"));
  }
  // After a big transaction the log shrinks to the limit again.
  absl::Status status = Run("PRAGMA synchronous=FULL; PRAGMA journal_size_limit=4194304;");
  if (!status.ok()) return status;

  if (max_bytes_ > 0) {
    auto page_size = Ask("PRAGMA page_size");
    if (!page_size.ok()) return page_size.status();
    int64_t bytes = 4096;
    (void)absl::SimpleAtoi(*page_size, &bytes);
    status = Run(absl::StrCat("PRAGMA max_page_count=", std::max<int64_t>(1, max_bytes_ / bytes)));
    if (!status.ok()) return status;
  }
  auto set = Prepare("REPLACE INTO entries (key, value) VALUES (?1, ?2)");
  if (!set.ok()) return set.status();
  auto remove = Prepare("DELETE FROM entries WHERE key = ?1");
  if (!remove.ok()) return remove.status();
  set_ = *std::move(set);
  remove_ = *std::move(remove);
  return absl::OkStatus();
}

absl::Status Database::Load(absl::FunctionRef<void(std::string, std::string)> entry) {
  auto select = Prepare("SELECT key, value FROM entries ORDER BY key");
  if (!select.ok()) return select.status();
  sqlite3_stmt* row = select->get();
  auto column = [row](int i) {
    const auto* bytes = static_cast<const char*>(sqlite3_column_blob(row, i));
    return bytes == nullptr ? std::string() : std::string(bytes, sqlite3_column_bytes(row, i));
  };
  int result;
  while ((result = sqlite3_step(row)) == SQLITE_ROW) entry(column(0), column(1));
  return result == SQLITE_DONE ? absl::OkStatus() : Error("can't be read");
}

absl::Status Database::Commit(const std::vector<ChangeRef>& changes) {
  absl::Status status = Run("BEGIN IMMEDIATE");
  for (auto change = changes.begin(); status.ok() && change != changes.end(); ++change) {
    status = Make(*change);
  }
  if (status.ok()) status = Run("COMMIT");
  if (status.ok()) return status;

  // Some errors have ended the transaction already.
  if (sqlite3_get_autocommit(db_.get()) == 0) {
    (void)sqlite3_exec(db_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
  }
  if (absl::IsResourceExhausted(status)) {
    // Gives back the part of the log that the failed transaction has grown.
    (void)sqlite3_wal_checkpoint_v2(db_.get(), "main", SQLITE_CHECKPOINT_TRUNCATE, nullptr,
                                    nullptr);
  }
  return status;
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
    status = Error("can't be written");
  }
  (void)sqlite3_reset(statement);
  (void)sqlite3_clear_bindings(statement);
  return status;
}

absl::StatusOr<Database::Statement> Database::Prepare(absl::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int result = sqlite3_prepare_v3(db_.get(), sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (result != SQLITE_OK) return Error("can't be read");
  return Statement(statement);
}

absl::Status Database::Run(const std::string& sql) {
  errno = 0;
  const int result = sqlite3_exec(db_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  return result == SQLITE_OK ? absl::OkStatus() : Error("can't be written");
}

absl::StatusOr<std::string> Database::Ask(absl::string_view sql) {
  auto statement = Prepare(sql);
  if (!statement.ok()) return statement.status();
  if (sqlite3_step(statement->get()) != SQLITE_ROW) return Error("can't be read");
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement->get(), 0));
  return std::string(text == nullptr ? "" : text);
}

absl::Status Database::Error(absl::string_view doing) const {
  // SQLite does not keep the errno of a COMMIT that fails; it is then still our thread's.
  const int last_errno = errno;
  const int extended = sqlite3_extended_errcode(db_.get());
  const int kept_errno = sqlite3_system_errno(db_.get());
  const int system = kept_errno != 0 ? kept_errno : last_errno;
  const std::string message = sqlite3_errmsg(db_.get());
  const bool is_io = (extended & 0xff) == SQLITE_IOERR || (extended & 0xff) == SQLITE_CANTOPEN;
  const bool no_space = is_io && (system == ENOSPC || system == EDQUOT);

  if ((extended & 0xff) == SQLITE_FULL || no_space) {
    const std::string limit =
        max_bytes_ > 0 ? absl::StrCat(", or its limit of ", max_bytes_, " bytes is reached") : "";
    return MakeStatus(absl::StatusCode::kResourceExhausted, path_,
                      absl::StrCat("the disk is full", limit, " (", message, ")"));
  }
  switch (extended & 0xff) {
    case SQLITE_NOMEM:
      return MakeStatus(absl::StatusCode::kResourceExhausted, path_, "out of memory");
    case SQLITE_NOTADB:
      return MakeStatus(
          absl::StatusCode::kFailedPrecondition, path_,
          absl::StrCat("is not an SQLite database (", message,
                       "); name another file, or, if it was the state store, ", kRepair));
    case SQLITE_CORRUPT:
    case SQLITE_ERROR:  // our statements are right, so the schema is not: "no such table"
      return MakeStatus(absl::StatusCode::kDataLoss, path_,
                        absl::StrCat("is damaged (", message, "); ", kRepair));
    case SQLITE_BUSY:
      return MakeStatus(absl::StatusCode::kUnavailable, path_,
                        absl::StrCat("is in use by another process (", message,
                                     "); stop the other outpostd, or name another file"));
    default:
      break;
  }
  return MakeStatus(absl::StatusCode::kUnavailable, path_,
                    absl::StrFormat("%s: %s (SQLite error %d%s%s)", doing, message, extended,
                                    is_io && system != 0 ? ": " : "",
                                    is_io && system != 0 ? std::strerror(system) : ""));
}

}  // namespace outpost::store
