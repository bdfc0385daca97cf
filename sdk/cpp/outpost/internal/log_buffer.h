// LogBuffer holds a module's log lines until its session has shipped them.
//
// **Thread safety.** All methods may be called from any thread; none blocks. The
// listener runs on the thread that appended, without the buffer's lock.
//
// **Invariants.**
// 1. At most kMaxLines lines and kMaxBytes bytes wait; over that the oldest are
//    dropped and counted, and the count goes with the next batch.
// 2. Lines leave in the order in which they came.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_LOG_BUFFER_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_LOG_BUFFER_H_

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
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
  void set_level(LogLevel level) { level_.store(level, std::memory_order_relaxed); }

  // Every line also goes to standard error: for a module that a person runs.
  void set_echo(bool echo) { echo_.store(echo, std::memory_order_relaxed); }

  // Whatever level() is: that is for callers to look at before.
  void Append(LogLevel level, absl::string_view logger, absl::string_view text);

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
  };

  std::atomic<LogLevel> level_{LogLevel::kInfo};
  std::atomic<bool> echo_{false};
  absl::Mutex mu_;
  std::deque<Line> lines_ ABSL_GUARDED_BY(mu_);
  size_t bytes_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t dropped_ ABSL_GUARDED_BY(mu_) = 0;
  std::shared_ptr<const std::function<void()>> listener_ ABSL_GUARDED_BY(mu_);
};

// "debug", …; nullopt for other words.
std::optional<LogLevel> ParseLogLevel(absl::string_view name);

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_LOG_BUFFER_H_
