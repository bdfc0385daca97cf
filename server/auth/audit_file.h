// AuditFile appends lines to a file, and to a new one when that has grown enough: audit.log
// is renamed to audit.log.1, that to audit.log.2, and the last one goes.
//
// **Thread safety.** None: its owner has one thread for it.
//
// **Invariants.** Each line of the file is whole, whatever became of a write.
#ifndef OUTPOST_SERVER_AUTH_AUDIT_FILE_H_
#define OUTPOST_SERVER_AUTH_AUDIT_FILE_H_

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace outpost::auth {

class AuditFile {
 public:
  struct Limits {
    off_t bytes = off_t{32} << 20;  // of a file; it is over by what is appended at once
    int kept = 8;                   // files besides the one that is written
  };

  AuditFile(std::string path, Limits limits) : path_(std::move(path)), limits_(limits) {}
  ~AuditFile();
  AuditFile(const AuditFile&) = delete;
  AuditFile& operator=(const AuditFile&) = delete;

  // Opens the file under its name (made with mode 0600), in place of the one that is open.
  // UNAVAILABLE says why it can't.
  absl::Status Open();
  // Appends whole lines, all of them or none. UNAVAILABLE says why it can't.
  absl::Status Append(const std::string& lines);

  // The last whole lines of this file and the one before it, the oldest first; at most
  // `count`, and of 1 MiB of each file. For a file that is open.
  std::vector<std::string> Last(size_t count) const;

 private:
  absl::Status Rotate();

  const std::string path_;
  const Limits limits_;
  int fd_ = -1;
};

}  // namespace outpost::auth

#endif  // OUTPOST_SERVER_AUTH_AUDIT_FILE_H_
