// LogBuffer holds a module's log lines until its session has shipped them, or puts
// them into the module's own file.
//
// **Thread safety.** All methods may be called from any thread; none blocks, but for
// a write to the module's own file. The listener runs on the thread that appended,
// without the buffer's lock.
//
// **Invariants.**
// 1. At most kMaxLines lines and kMaxBytes bytes wait; over that the oldest are
//    dropped and counted, and the count goes with the next batch.
// 2. Lines leave in the order in which they came.
// 3. A line goes to the file, where there is one, else to the manager; and to the
//    manager in any case where it is for the cluster's log.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_LOG_BUFFER_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_LOG_BUFFER_H_

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "outpost/internal/log_file.h"
#include "outpost/internal/log_routing.h"
#include "outpost/log.h"

namespace outpost::v1 {
class LogBatch;
}  // namespace outpost::v1

namespace outpost::internal {

class LogBuffer {
 public:
  static constexpr size_t kMaxLines = 4096;
  static constexpr size_t kMaxBytes = size_t{4} << 20;
  static constexpr size_t kMaxLineBytes = size_t{64} << 10;
  static constexpr size_t kBatchLines = 256;
  static constexpr size_t kBatchBytes = size_t{1} << 20;

  LogLevel level() const { return level_.load(std::memory_order_relaxed); }

  // From here on, lines go where `routing` says. What it can't do is a line in the
  // log. Has one caller at a time.
  void Route(const LogRouting& routing);

  // Every line also goes to standard error: for a module that a person runs.
  void set_echo(bool echo) { echo_.store(echo, std::memory_order_relaxed); }

  // Whatever level() is: that is for callers to look at before.
  void Append(LogLevel level, absl::string_view logger, absl::string_view text);

  // A line for a channel of the cluster's log.
  void AppendToChannel(absl::string_view channel, LogLevel level, absl::string_view text);

  // Append without the listener: for callers that hold locks.
  void AppendQuietly(LogLevel level, absl::string_view logger, absl::string_view text);

  // The oldest lines, at most kBatchLines or about kBatchBytes; false: there are none.
  bool TakeBatch(v1::LogBatch* batch);

  // Is called after each Append, from then on; null: no more.
  void SetListener(std::function<void()> listener);

  // Writes what was never shipped to standard error.
  void DumpToStderr();

 private:
  struct Line {
    absl::Time time;
    LogLevel level;
    std::string logger;
    std::string text;
    std::string channel;  // of the cluster's log; empty: it is not for that
  };

  void Take(Line line);
  void TellListener();

  std::atomic<LogLevel> level_{LogLevel::kInfo};
  std::atomic<bool> echo_{false};
  absl::Mutex mu_;
  LogRouting routing_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<LogFile> file_ ABSL_GUARDED_BY(mu_);
  std::deque<Line> lines_ ABSL_GUARDED_BY(mu_);
  size_t bytes_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t dropped_ ABSL_GUARDED_BY(mu_) = 0;
  std::shared_ptr<const std::function<void()>> listener_ ABSL_GUARDED_BY(mu_);
};

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_LOG_BUFFER_H_
