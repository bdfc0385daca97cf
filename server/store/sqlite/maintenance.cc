#include "server/store/sqlite/maintenance.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/store/sqlite/connection.h"
#include "server/store/sqlite/database.h"
#include "server/store/sqlite/files.h"
#include "server/store/sqlite/sqlite_errors.h"

namespace outpost::store {
namespace {

constexpr int kLockWait = 5000;  // ms; a manager starts or ends just now

absl::StatusOr<std::string> WholePath(const std::string& path) {
  std::error_code error;
  const std::string file = std::filesystem::absolute(path, error).string();
  if (error || path.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("\"", path, "\" is not a path of a file"));
  }
  return file;
}

// Where `file` can't be opened at all, why. It is not opened to find out: when it was closed
// again, SQLite's locks of this process would be gone.
absl::Status Reachable(const std::string& file) {
  struct stat info = {};
  if (stat(file.c_str(), &info) != 0 || access(file.c_str(), R_OK) != 0) {
    if (errno == EACCES || errno == EPERM) {
      return StoreError(absl::StatusCode::kPermissionDenied, file,
                        absl::StrCat(std::strerror(errno), "; run this as the manager's user"));
    }
    if (errno != ENOENT) return SystemError(file, "can't be opened");
    const char* what = "there is no such file (--data-dir names the folder that it is in)";
    if (HasLog(file)) what = "there is no such file, but its -wal file is there: put it back";
    if (access(RecoveredFile(file).c_str(), F_OK) == 0) {
      what = "there is no such file: `outpostd store recover` was cut off; run it again";
    }
    return StoreError(absl::StatusCode::kNotFound, file, what);
  }
  if (S_ISREG(info.st_mode)) return absl::OkStatus();
  return StoreError(absl::StatusCode::kFailedPrecondition, file, "is not a regular file");
}

std::string AsUri(const std::string& file) {
  std::string uri = "file:";
  for (const char c : file) {
    if (c == '?' || c == '#' || c == '%') {
      absl::StrAppend(&uri, "%", absl::Hex(c, absl::kZeroPad2));
    } else {
      uri += c;
    }
  }
  return uri;
}

// Opens `file` so that nothing of it is changed, whoever uses it meanwhile.
absl::StatusOr<Connection> OpenToRead(const std::string& file) {
  if (absl::Status status = Reachable(file); !status.ok()) return status;
  const bool has_log = HasLog(file);
  Connection connection(file, 0);
  // For writing: to read a log that a crash left, SQLite locks it and makes an index of it.
  absl::Status status = connection.Open(file, SQLITE_OPEN_READWRITE);
  if (!status.ok()) return status;
  sqlite3_busy_timeout(connection.get(), kLockWait);
  // Else the last to close the file moves the log into it.
  if (has_log) {
    sqlite3_db_config(connection.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  }
  status = connection.Run("PRAGMA query_only=ON");
  if (status.ok()) status = Identify(connection);
  if (absl::IsUnavailable(status) && !has_log &&
      sqlite3_db_readonly(connection.get(), "main") != 0) {
    // Nobody can write there, and SQLite no index.
    connection = Connection(file, 0);
    status = connection.Open(AsUri(file) + "?immutable=1", SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
    if (status.ok()) status = Identify(connection);
  }
  if (!status.ok()) return status;
  return connection;
}

void Find(CheckReport& report, std::string what) {
  if (report.findings.size() < CheckReport::kMostFindings) {
    report.findings.push_back(std::move(what));
  }
}

absl::Status FindDamage(Connection& connection, CheckReport& report) {
  auto check = connection.Prepare("PRAGMA integrity_check(100)");
  if (!check.ok()) return check.status();
  int result;
  while ((result = sqlite3_step(check->get())) == SQLITE_ROW) {
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(check->get(), 0));
    // Several of them may come in one row, behind a title.
    for (const absl::string_view line : absl::StrSplit(text == nullptr ? "" : text, '\n')) {
      if (!line.empty() && line != "ok" && !absl::StartsWith(line, "***")) {
        Find(report, std::string(line));
      }
    }
  }
  return result == SQLITE_DONE ? absl::OkStatus() : connection.Error("can't be read");
}

absl::Status CheckAll(Connection& connection, const EntryRule& rule, CheckReport& report) {
  const auto version = connection.Ask("PRAGMA user_version");
  if (version.ok()) (void)absl::SimpleAtoi(*version, &report.schema_version);
  if (absl::Status status = FindDamage(connection, report); !status.ok()) return status;
  const auto schema =
      connection.Ask("SELECT coalesce(group_concat(sql, '; '), '') FROM sqlite_schema");
  if (!schema.ok()) return schema.status();
  if (*schema != Schema::kEntries) {
    Find(report, absl::StrCat("the schema is \"", *schema, "\", not \"", Schema::kEntries, "\""));
  }
  return connection.ReadEntries([&](const std::string& key, const std::string& value) {
    ++report.entries;
    report.entry_bytes += key.size() + value.size();
    const absl::Status usable =
        key.empty() ? absl::InvalidArgumentError("a key is empty") : rule(key, value);
    if (!usable.ok()) Find(report, absl::StrCat("entry ", key, ": ", usable.message()));
  });
}

// Whether a manager keeps others from writing.
bool InUse(Connection& connection) {
  sqlite3_busy_timeout(connection.get(), 0);
  (void)connection.Run("PRAGMA query_only=OFF");
  const int result = sqlite3_exec(connection.get(), "BEGIN IMMEDIATE", nullptr, nullptr, nullptr);
  if (result == SQLITE_OK) sqlite3_exec(connection.get(), "ROLLBACK", nullptr, nullptr, nullptr);
  (void)connection.Run("PRAGMA query_only=ON");
  sqlite3_busy_timeout(connection.get(), kLockWait);
  return (result & 0xff) == SQLITE_BUSY;
}

uint64_t SizeOf(const std::string& file) {
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(file, error);
  return error ? 0 : size;
}

}  // namespace

absl::StatusOr<CheckReport> CheckStore(const std::string& path, const EntryRule& rule) {
  auto file = WholePath(path);
  if (!file.ok()) return file.status();
  CheckReport report;
  report.path = *file;
  report.file_bytes = SizeOf(*file);
  report.log_bytes = SizeOf(*file + "-wal");
  auto connection = OpenToRead(*file);
  absl::Status status = connection.status();
  if (connection.ok()) {
    report.in_use = InUse(*connection);
    status = CheckAll(*connection, rule, report);
  }
  if (absl::IsDataLoss(status)) {
    if (report.whole()) Find(report, std::string(status.message()));
  } else if (!status.ok()) {
    return status;
  }
  return report;
}

absl::Status BackUpStore(const std::string& from, const std::string& to) {
  auto source = WholePath(from);
  if (!source.ok()) return source.status();
  auto target = WholePath(to);
  if (!target.ok()) return target.status();
  auto connection = OpenToRead(*source);
  if (!connection.ok()) return connection.status();

  const auto exists = [&] {
    return absl::AlreadyExistsError(
        absl::StrCat(*target, " is there already; name a new file, or move it away"));
  };
  const auto failed = [&] {
    const std::string why = std::strerror(errno);
    const std::string message = absl::StrCat("the backup ", *target, " can't be made: ", why);
    return errno == ENOSPC || errno == EDQUOT ? absl::ResourceExhaustedError(message)
                                              : absl::UnavailableError(message);
  };
  if (access(target->c_str(), F_OK) == 0) return exists();
  const std::string draft = absl::StrCat(*target, ".unfinished");
  RemoveDraft(draft);
  const int fd = open(draft.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return failed();
  close(fd);
  const absl::Cleanup remove_draft = [&] { RemoveDraft(draft); };
  {
    Connection copy(*target, 0);
    if (auto status = copy.Open(draft, SQLITE_OPEN_READWRITE); !status.ok()) return status;
    sqlite3_backup* backup = sqlite3_backup_init(copy.get(), "main", connection->get(), "main");
    if (backup == nullptr) return copy.Error("can't be written");
    errno = 0;
    const int result = sqlite3_backup_step(backup, -1);
    const int last_errno = errno;
    if (sqlite3_backup_finish(backup) != SQLITE_OK || result != SQLITE_DONE) {
      errno = last_errno;
      const absl::Status status = copy.Error("can't be written");
      return absl::IsResourceExhausted(status)
                 ? absl::ResourceExhaustedError(absl::StrCat(
                       "the backup ", *target, " can't be made: No space left on device"))
                 : status;
    }
  }
  const auto no_rule = [](absl::string_view, absl::string_view) { return absl::OkStatus(); };
  const auto report = CheckStore(draft, no_rule);
  if (!report.ok()) return report.status();
  if (!report->whole()) {
    return StoreError(absl::StatusCode::kDataLoss, *source,
                      absl::StrCat("is damaged (", report->findings.front(),
                                   "), so there is no backup of it; ", kRepair));
  }
  if (auto status = SyncFile(draft); !status.ok()) return status;
  // Does not replace what has come meanwhile.
  if (renameat2(AT_FDCWD, draft.c_str(), AT_FDCWD, target->c_str(), RENAME_NOREPLACE) != 0) {
    return errno == EEXIST ? exists() : failed();
  }
  return SyncDirectory(*target);
}

}  // namespace outpost::store
