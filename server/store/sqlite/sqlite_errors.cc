#include "server/store/sqlite/sqlite_errors.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace outpost::store {
namespace {

// Whether nothing can be written to where `path` is. A file without a name tells: one of
// the store's own must not be opened, as closing it would give up SQLite's locks.
bool IsReadOnly(const std::string& path) {
  const std::string directory = std::filesystem::path(path).parent_path().string();
  const int fd = open(directory.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
  if (fd >= 0) close(fd);
  return fd < 0 && errno == EROFS;
}

}  // namespace

const char kRepair[] =
    "`outpostd store check` tells what is wrong; `outpostd store recover` saves what can be "
    "read, `outpostd store recover --from FILE` takes a backup";

absl::Status StoreError(absl::StatusCode code, absl::string_view path, absl::string_view what) {
  return absl::Status(code, absl::StrCat("state store ", path, ": ", what));
}

absl::Status SystemError(absl::string_view path, absl::string_view what) {
  const int error = errno;
  const auto code = error == ENOSPC || error == EDQUOT ? absl::StatusCode::kResourceExhausted
                                                       : absl::StatusCode::kUnavailable;
  return StoreError(code, path, absl::StrCat(what, ": ", std::strerror(error)));
}

absl::Status ErrorOf(sqlite3* db, const std::string& path, int64_t max_bytes,
                     absl::string_view doing) {
  // SQLite does not keep the errno of a COMMIT that fails; it is then still our thread's.
  const int last_errno = errno;
  const int extended = sqlite3_extended_errcode(db);
  const int kept_errno = sqlite3_system_errno(db);
  const int system = kept_errno != 0 ? kept_errno : last_errno;
  const std::string message = sqlite3_errmsg(db);
  const bool is_io = (extended & 0xff) == SQLITE_IOERR || (extended & 0xff) == SQLITE_CANTOPEN;
  const bool no_space = is_io && (system == ENOSPC || system == EDQUOT);

  if ((extended & 0xff) == SQLITE_FULL || no_space) {
    const std::string limit =
        max_bytes > 0 ? absl::StrCat(", or its limit of ", max_bytes, " bytes is reached") : "";
    return StoreError(absl::StatusCode::kResourceExhausted, path,
                      absl::StrCat("the disk is full", limit, " (", message,
                                   "); make space there, and writes work again"));
  }
  switch (extended & 0xff) {
    case SQLITE_NOMEM:
      return StoreError(absl::StatusCode::kResourceExhausted, path, "out of memory");
    case SQLITE_NOTADB:
      return StoreError(
          absl::StatusCode::kDataLoss, path,
          absl::StrCat("is not an SQLite database (", message,
                       "); name another file, or, if it was the state store: ", kRepair));
    case SQLITE_CORRUPT:
    case SQLITE_ERROR:  // our statements are right, so the schema is not: "no such table"
      return StoreError(absl::StatusCode::kDataLoss, path,
                        absl::StrCat("is damaged (", message, "); ", kRepair));
    case SQLITE_BUSY:
      return StoreError(absl::StatusCode::kUnavailable, path,
                        absl::StrCat("is in use by another process (", message,
                                     "); stop the other outpostd, or name another file"));
    default:
      break;
  }
  if (((extended & 0xff) == SQLITE_READONLY || is_io) && IsReadOnly(path)) {
    return StoreError(
        absl::StatusCode::kUnavailable, path,
        absl::StrCat(doing, ": its disk is read-only, as a failing disk becomes (", message,
                     "); look at the kernel's log, mend it and mount it "
                     "for writing"));
  }
  return StoreError(absl::StatusCode::kUnavailable, path,
                    absl::StrFormat("%s: %s (SQLite error %d%s%s)", doing, message, extended,
                                    is_io && system != 0 ? ": " : "",
                                    is_io && system != 0 ? std::strerror(system) : ""));
}

}  // namespace outpost::store
