// Connection is an open SQLite database: statements, and errors in our words.
//
// **Thread safety.** None: one thread at a time.
#ifndef OUTPOST_SERVER_STORE_SQLITE_CONNECTION_H_
#define OUTPOST_SERVER_STORE_SQLITE_CONNECTION_H_

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace outpost::store {

struct Finalizer {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, Finalizer>;

class Connection {
 public:
  // `path` is what errors name; `max_bytes` (0: none) the limit of which they tell.
  Connection(std::string path, int64_t max_bytes) : path_(std::move(path)), max_bytes_(max_bytes) {}

  // Opens `file`, with flags of sqlite3_open_v2 besides our own.
  absl::Status Open(const std::string& file, int flags);

  sqlite3* get() const { return db_.get(); }
  const std::string& path() const { return path_; }

  absl::StatusOr<Statement> Prepare(absl::string_view sql);
  absl::Status Run(const std::string& sql);
  // The first column of the first row.
  absl::StatusOr<std::string> Ask(absl::string_view sql);
  // Calls `entry` with every key and its value, in order of the keys, until there is an error.
  absl::Status ReadEntries(absl::FunctionRef<void(std::string key, std::string value)> entry);

  // The error that SQLite reports now.
  absl::Status Error(absl::string_view doing) const;

 private:
  struct Closer {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  };

  std::string path_;
  int64_t max_bytes_;
  std::unique_ptr<sqlite3, Closer> db_;
};

}  // namespace outpost::store

#endif  // OUTPOST_SERVER_STORE_SQLITE_CONNECTION_H_
