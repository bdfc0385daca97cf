// The files of a state store: FILE itself, and FILE-wal with changes that are not in it yet.
//
// **Thread safety.** Pure functions and system calls: any thread.
#ifndef OUTPOST_SERVER_STORE_SQLITE_FILES_H_
#define OUTPOST_SERVER_STORE_SQLITE_FILES_H_

#include <string>

#include "absl/status/status.h"

namespace outpost::store {

// What a recovery makes beside the file `path` before it takes its place.
std::string RecoveredFile(const std::string& path);

// Whether a log with changes stands beside `path`.
bool HasLog(const std::string& path);

// Removes an unfinished file of ours and what SQLite has put beside it.
void RemoveDraft(const std::string& path);

// Makes what was renamed in the folder of `path` durable.
absl::Status SyncDirectory(const std::string& path);

// Makes the content of the file `path` durable.
absl::Status SyncFile(const std::string& path);

}  // namespace outpost::store

#endif  // OUTPOST_SERVER_STORE_SQLITE_FILES_H_
