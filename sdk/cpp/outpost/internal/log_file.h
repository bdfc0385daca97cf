// LogFile is the file of a module whose option log_to_file is on: a line a write,
// as Python's logging writes it.
//
//     2026-11-21 19:18:23,595 [4711] [INFO] [root] text
//
// **Thread safety.** Write may be called from any thread; it blocks as a write to a
// file does.
//
// **Invariants.** A file that was moved away (logrotate) is made again at the next
// line.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_LOG_FILE_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_LOG_FILE_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "outpost/log.h"

namespace outpost::internal {

class LogFile {
 public:
  // Opens the file for appending. The error names it.
  static absl::StatusOr<std::shared_ptr<LogFile>> Open(std::string path);
  ~LogFile();
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  // What can't be written is lost.
  void Write(absl::Time time, LogLevel level, absl::string_view logger, absl::string_view text);

 private:
  explicit LogFile(std::string path) : path_(std::move(path)) {}

  absl::Status Reopen() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Whether path_ is no more what fd_ is.
  bool MovedAway() const ABSL_SHARED_LOCKS_REQUIRED(mu_);

  const std::string path_;
  absl::Mutex mu_;
  int fd_ ABSL_GUARDED_BY(mu_) = -1;
};

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_LOG_FILE_H_
