// Recovery puts a whole file in the place of a state store's: of what can be read of a damaged
// one, or of a backup.
//
// **Thread safety.** Any thread. Nobody may write to the store meanwhile: who calls these has the
// manager's InstanceLock, and has not opened the file.
//
// **Invariants.**
// 1. The file that was there is kept beside the new one, with its log, as FILE.before-recovery.N.
// 2. Cut off at any moment, it leaves the old file in its place, or none: a manager does not
//    start then, and RecoverStore, called again, goes on.
#ifndef OUTPOST_SERVER_STORE_SQLITE_RECOVERY_H_
#define OUTPOST_SERVER_STORE_SQLITE_RECOVERY_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/store/sqlite/maintenance.h"
#include "server/store/sqlite/salvage.h"

namespace outpost::store {

struct RecoveryReport {
  SalvageResult salvaged;  // empty when a backup was taken, or a recovery that was cut off went on
  bool went_on = false;    // one that was cut off, and had done all but this
  std::string kept;        // the file that was there; empty: there was none
  CheckReport check;       // of the file that is there now
};

// Puts a new file with `entries` in the place of `path`. Returns the name under which what was
// there is kept; empty: nothing was.
absl::StatusOr<std::string> ReplaceStore(
    const std::string& path, const std::vector<std::pair<std::string, std::string>>& entries);

// Makes a new file of what can be read of the file `path`. NOT_FOUND: there is none.
// DATA_LOSS: nothing of it can be read. RESOURCE_EXHAUSTED: no space for the new file.
absl::StatusOr<RecoveryReport> RecoverStore(const std::string& path, const EntryRule& rule);

// Puts a copy of the file `backup` in the place of `path`. DATA_LOSS: the backup is damaged.
// Else as CheckStore.
absl::StatusOr<RecoveryReport> RestoreStore(const std::string& path, const std::string& backup,
                                            const EntryRule& rule);

}  // namespace outpost::store

#endif  // OUTPOST_SERVER_STORE_SQLITE_RECOVERY_H_
