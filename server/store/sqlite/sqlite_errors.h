// What SQLite and the system say of a state store's file, in our words.
//
// **Thread safety.** Any thread; ErrorOf: the one that uses the connection.
#ifndef OUTPOST_SERVER_STORE_SQLITE_SQLITE_ERRORS_H_
#define OUTPOST_SERVER_STORE_SQLITE_SQLITE_ERRORS_H_

#include <sqlite3.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace outpost::store {

// What to do about a file that is damaged.
extern const char kRepair[];

// "state store PATH: WHAT".
absl::Status StoreError(absl::StatusCode code, absl::string_view path, absl::string_view what);

// A system call that failed, by errno: RESOURCE_EXHAUSTED for a full disk, else UNAVAILABLE.
absl::Status SystemError(absl::string_view path, absl::string_view what);

// The last error of `db`, whose file is `path`, while `doing`. RESOURCE_EXHAUSTED: the disk
// is full, or `max_bytes` (0: none) reached. DATA_LOSS: damaged, or no
// database at all. UNAVAILABLE: in use, or the disk fails, or is read-only.
absl::Status ErrorOf(sqlite3* db, const std::string& path, int64_t max_bytes,
                     absl::string_view doing);

}  // namespace outpost::store

#endif  // OUTPOST_SERVER_STORE_SQLITE_SQLITE_ERRORS_H_
