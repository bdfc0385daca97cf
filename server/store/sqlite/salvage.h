// Salvage reads the entries of a state store's file that is damaged: page by page, where
// SQLite would stop at the first that is wrong.
//
// It goes down the tree of the table. Below a page that is damaged nothing is reached that
// way; then it looks at all pages that it has not come to, and takes those that are part of
// such a tree. What it takes fits together in its lengths and passes the rule for entries;
// a value in which bytes were changed is not found out otherwise: the file has no checksums.
//
// **Thread safety.** Any thread.
#ifndef OUTPOST_SERVER_STORE_SQLITE_SALVAGE_H_
#define OUTPOST_SERVER_STORE_SQLITE_SALVAGE_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/store/sqlite/maintenance.h"

namespace outpost::store {

struct SalvageResult {
  static constexpr size_t kMostLosses = 100;

  std::map<std::string, std::string> entries;
  uint64_t off_the_tree = 0;        // of them: from pages that the tree does not lead to
  uint64_t lost_pages = 0;          // of the tree, damaged in part or as a whole
  std::set<std::string> lost_keys;  // without a value that can be read and used
  uint64_t unreadable = 0;          // entries of which not even the key can be read
  std::vector<std::string> losses;  // what is not there, for people; the first kMostLosses
};

// An error: the file can't be read at all.
absl::StatusOr<SalvageResult> Salvage(const std::string& path, const EntryRule& rule);

}  // namespace outpost::store

#endif  // OUTPOST_SERVER_STORE_SQLITE_SALVAGE_H_
