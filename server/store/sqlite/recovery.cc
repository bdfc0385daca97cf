#include "server/store/sqlite/recovery.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "server/store/sqlite/connection.h"
#include "server/store/sqlite/database.h"
#include "server/store/sqlite/files.h"
#include "server/store/sqlite/sqlite_errors.h"

namespace outpost::store {
namespace {

constexpr size_t kChangesACommit = 1000;

bool Exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

// A name for what was there. One under which a recovery that was cut off has put the file, but
// not its log yet, is taken again.
std::string KeptName(const std::string& path) {
  for (int number = 1;; ++number) {
    std::string name = absl::StrCat(path, ".before-recovery.", number);
    const bool half = !Exists(path) && HasLog(path) && !Exists(name + "-wal") &&
                      !Exists(absl::StrCat(path, ".before-recovery.", number + 1));
    if (half || (!Exists(name) && !Exists(name + "-wal"))) return name;
  }
}

absl::Status Rename(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
  return SystemError(from, absl::StrCat("can't be renamed to ", to));
}

// Puts the recovered file in its place; the order is that of invariant 2. Returns the name of
// what was there.
absl::StatusOr<std::string> PutInPlace(const std::string& path) {
  const std::string kept = KeptName(path);
  const std::string log = path + "-wal";
  if (Exists(path)) {
    if (absl::Status status = Rename(path, kept); !status.ok()) return status;
  }
  if (Exists(log)) {
    if (absl::Status status = Rename(log, kept + "-wal"); !status.ok()) return status;
  }
  unlink((path + "-shm").c_str());  // an index of the log
  if (absl::Status status = SyncDirectory(path); !status.ok()) return status;
  if (absl::Status status = Rename(RecoveredFile(path), path); !status.ok()) return status;
  // What may stand beside a backup that has had this name.
  RemoveDraft(RecoveredFile(path));
  if (absl::Status status = SyncDirectory(path); !status.ok()) return status;
  return Exists(kept) ? kept : "";
}

template <class Entries>
absl::Status WriteEntries(const std::string& file, const Entries& entries) {
  auto database = Database::Open(file, {.max_bytes = 0, .lock_wait = absl::ZeroDuration()});
  if (!database.ok()) return database.status();
  std::vector<std::optional<std::string>> values(kChangesACommit);
  std::vector<ChangeRef> changes;
  absl::Status status;
  for (const auto& [key, value] : entries) {
    values[changes.size()] = value;
    changes.push_back({key, &values[changes.size()]});
    if (changes.size() < kChangesACommit) continue;
    if (status = (*database)->Commit(changes); !status.ok()) return status;
    changes.clear();
  }
  return (*database)->Commit(changes);
}

// Moves into `file` what is in its log yet. SQLite has tried to when it closed the file, and does
// not say where it could not.
absl::Status EmptyLog(const std::string& file) {
  if (!HasLog(file)) return absl::OkStatus();
  {
    Connection connection(file, 0);
    absl::Status status = connection.Open(file, SQLITE_OPEN_READWRITE);
    if (status.ok()) status = connection.Run("PRAGMA wal_checkpoint(TRUNCATE)");
    if (!status.ok()) return status;
  }
  if (!HasLog(file)) return absl::OkStatus();
  return StoreError(absl::StatusCode::kUnavailable, file, "its log can't be moved into it");
}

// Gives a file that is whole and durable the name of the recovered one.
absl::Status MakeRecovered(const std::string& file, const std::string& path) {
  if (absl::Status status = Rename(file, RecoveredFile(path)); !status.ok()) return status;
  return SyncDirectory(path);
}

// Makes the recovered file.
template <class Entries>
absl::Status Draft(const std::string& path, const Entries& entries) {
  const std::string draft = path + ".recovering";
  RemoveDraft(draft);
  const absl::Cleanup remove_draft = [&] { RemoveDraft(draft); };
  absl::Status status = WriteEntries(draft, entries);
  if (status.ok()) status = EmptyLog(draft);
  if (status.ok()) status = SyncFile(draft);
  return status.ok() ? MakeRecovered(draft, path) : status;
}

absl::StatusOr<RecoveryReport> Finish(const std::string& path, const EntryRule& rule,
                                      RecoveryReport report) {
  auto kept = PutInPlace(path);
  if (!kept.ok()) return kept.status();
  report.kept = *std::move(kept);
  auto check = CheckStore(path, rule);
  if (!check.ok()) return check.status();
  report.check = *std::move(check);
  return report;
}

}  // namespace

absl::StatusOr<std::string> ReplaceStore(
    const std::string& path, const std::vector<std::pair<std::string, std::string>>& entries) {
  if (absl::Status status = Draft(path, entries); !status.ok()) return status;
  return PutInPlace(path);
}

absl::StatusOr<RecoveryReport> RecoverStore(const std::string& path, const EntryRule& rule) {
  RecoveryReport report;
  // A recovered file has this name only when it is complete.
  if (!Exists(path) && Exists(RecoveredFile(path))) {
    report.went_on = true;
    return Finish(path, rule, std::move(report));
  }
  if (!Exists(path)) {
    return StoreError(absl::StatusCode::kNotFound, path,
                      "there is no such file (--data-dir names the folder that it is in; --from "
                      "FILE takes a backup)");
  }
  auto salvaged = Salvage(path, rule);
  if (!salvaged.ok()) return salvaged.status();
  report.salvaged = *std::move(salvaged);
  if (report.salvaged.entries.empty()) {
    return StoreError(absl::StatusCode::kDataLoss, path,
                      "nothing of it can be read; take a backup with --from FILE, or move it and "
                      "its -wal file away to begin with an empty store");
  }

  if (absl::Status status = Draft(path, report.salvaged.entries); !status.ok()) return status;
  return Finish(path, rule, std::move(report));
}

absl::StatusOr<RecoveryReport> RestoreStore(const std::string& path, const std::string& backup,
                                            const EntryRule& rule) {
  const auto check = CheckStore(backup, rule);
  if (!check.ok()) return check.status();
  if (!check->whole()) {
    return absl::DataLossError(absl::StrCat("the backup ", check->path, " is damaged itself (",
                                            check->findings.front(),
                                            "); take another, or recover without --from"));
  }
  // A recovered file, of which `backup` may be one, stays until there is another.
  const std::string copy = path + ".restoring";
  RemoveDraft(copy);
  const absl::Cleanup remove_copy = [&] { RemoveDraft(copy); };
  absl::Status status = BackUpStore(backup, copy);
  if (status.ok()) status = MakeRecovered(copy, path);
  if (!status.ok()) return status;
  return Finish(path, rule, {});
}

}  // namespace outpost::store
