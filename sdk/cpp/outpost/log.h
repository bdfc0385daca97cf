// Logger writes lines to the manager's log, under the module's name.
//
// **Thread safety.** May be used from any thread, also before the module is
// attached and while the manager is away: lines wait in a bounded buffer, from
// which the oldest are dropped (and counted) when it is full. Never blocks on
// the network or a disk.
#ifndef OUTPOST_SDK_CPP_OUTPOST_LOG_H_
#define OUTPOST_SDK_CPP_OUTPOST_LOG_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"

namespace outpost {

enum class LogLevel { kDebug = 1, kInfo, kWarning, kError, kCritical };

namespace internal {
class LogBuffer;
}  // namespace internal

// Each level takes a text as it is, or a format of absl::StrFormat and its
// arguments, which are not formatted where the level is off:
//
//     log().Warning("osd.%d is slow: %s", id, reason);
class Logger {
 public:
  Logger(std::shared_ptr<internal::LogBuffer> buffer, std::string name)
      : buffer_(std::move(buffer)), name_(std::move(name)) {}

  // A logger for a part of the module.
  Logger Named(std::string name) const { return Logger(buffer_, std::move(name)); }

  // Whether lines of `level` are kept; follows the option log_level.
  bool Enabled(LogLevel level) const;

  // Lines over 64 KiB are cut; bytes that are not UTF-8 become '?'.
  void Write(LogLevel level, absl::string_view text) const;

  void Debug(absl::string_view text) const { Write(LogLevel::kDebug, text); }
  void Info(absl::string_view text) const { Write(LogLevel::kInfo, text); }
  void Warning(absl::string_view text) const { Write(LogLevel::kWarning, text); }
  void Error(absl::string_view text) const { Write(LogLevel::kError, text); }
  void Critical(absl::string_view text) const { Write(LogLevel::kCritical, text); }

  template <typename A, typename... B>
  void Debug(const absl::FormatSpec<A, B...>& format, const A& a, const B&... b) const {
    Format(LogLevel::kDebug, format, a, b...);
  }
  template <typename A, typename... B>
  void Info(const absl::FormatSpec<A, B...>& format, const A& a, const B&... b) const {
    Format(LogLevel::kInfo, format, a, b...);
  }
  template <typename A, typename... B>
  void Warning(const absl::FormatSpec<A, B...>& format, const A& a, const B&... b) const {
    Format(LogLevel::kWarning, format, a, b...);
  }
  template <typename A, typename... B>
  void Error(const absl::FormatSpec<A, B...>& format, const A& a, const B&... b) const {
    Format(LogLevel::kError, format, a, b...);
  }
  template <typename A, typename... B>
  void Critical(const absl::FormatSpec<A, B...>& format, const A& a, const B&... b) const {
    Format(LogLevel::kCritical, format, a, b...);
  }

 private:
  template <typename... A>
  void Format(LogLevel level, const absl::FormatSpec<A...>& format, const A&... a) const {
    if (Enabled(level)) Write(level, absl::StrFormat(format, a...));
  }

  std::shared_ptr<internal::LogBuffer> buffer_;
  std::string name_;
};

}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_LOG_H_
