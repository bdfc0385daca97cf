// What can be done to a state store's file from outside of the manager: look whether it is
// whole, and copy it. Both also while a manager uses it, which notices nothing of it.
//
// **Thread safety.** Any thread; each call opens the file for itself.
//
// **Invariants.**
// 1. The file and its log are not changed.
// 2. A copy has its name only when it is whole, durable, and found without fault.
#ifndef OUTPOST_SERVER_STORE_SQLITE_MAINTENANCE_H_
#define OUTPOST_SERVER_STORE_SQLITE_MAINTENANCE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace outpost::store {

// Whether an entry is one that a manager can use; the error says what is wrong.
using EntryRule = std::function<absl::Status(absl::string_view key, absl::string_view value)>;

struct CheckReport {
  static constexpr size_t kMostFindings = 100;

  std::string path;  // the whole of it
  int64_t schema_version = 0;
  uint64_t entries = 0;
  uint64_t entry_bytes = 0;  // of keys and values
  uint64_t file_bytes = 0;
  uint64_t log_bytes = 0;             // of FILE-wal
  bool in_use = false;                // by a manager
  std::vector<std::string> findings;  // what is wrong; the first kMostFindings

  bool whole() const { return findings.empty(); }
};

// Reads all of the file `path` and checks its structure, its schema, and by `rule` each entry.
// What is found wrong is in the report. An error: it could not be looked at (NOT_FOUND,
// PERMISSION_DENIED, UNAVAILABLE), or is no state store or of a newer version
// (FAILED_PRECONDITION).
absl::StatusOr<CheckReport> CheckStore(const std::string& path, const EntryRule& rule);

// Copies the state store `from` as it is at one moment into the new file `to` (mode 0600), by
// SQLite's backup. ALREADY_EXISTS: there is a file `to`. DATA_LOSS: `from` is damaged.
// RESOURCE_EXHAUSTED: the disk of `to` is full. Else as CheckStore.
absl::Status BackUpStore(const std::string& from, const std::string& to);

}  // namespace outpost::store

#endif  // OUTPOST_SERVER_STORE_SQLITE_MAINTENANCE_H_
