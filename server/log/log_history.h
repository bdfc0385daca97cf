// LogHistory keeps the last lines of the log, the manager's own and the modules',
// for those who read and follow it.
//
// **Thread safety.** All methods may be called from any thread. Listeners run on
// the thread that writes the line; they must not block, write to the log, or come
// and go.
//
// **Invariants.** Lines have numbers without gaps, in the order in which they came.
// A reader holds none of them back: who is too slow is told how many are gone.
#ifndef OUTPOST_SERVER_LOG_LOG_HISTORY_H_
#define OUTPOST_SERVER_LOG_LOG_HISTORY_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "outpost/v1/types.pb.h"

namespace outpost::log {

// A line of the log.
struct Line {
  std::string source;  // a module, or a component of the manager
  v1::LogRecord record;
};
using LinePtr = std::shared_ptr<const Line>;

// Which lines a reader wants.
struct LineFilter {
  std::string module;   // only of this source; empty: any
  std::string channel;  // only of this channel of the cluster log; "*": of any; empty: all lines
  v1::LogLevel min_level = v1::LOG_LEVEL_UNSPECIFIED;

  bool Matches(const Line& line) const;
};

class LogHistory {
 public:
  static constexpr size_t kMaxLines = 20000;
  static constexpr size_t kMaxBytes = size_t{16} << 20;  // of their text

  // Lines are removed in the order in which they came when there are too many.
  void Append(std::string source, v1::LogRecord record);

  // The last `limit` lines that match, the oldest first; `next`, if not null, gets
  // the number from which to Read on.
  std::vector<LinePtr> Last(size_t limit, const LineFilter& filter, uint64_t* next) const;

  // The next line from number *next on that matches; null: there is none yet. Sets
  // *next behind it, and adds to *missed how many are gone that were not looked at.
  LinePtr Read(uint64_t* next, const LineFilter& filter, uint64_t* missed) const;

  // Who wrote the lines that there are.
  std::set<std::string> Sources() const;

  // Calls `listener` after each new line.
  uint64_t Listen(std::function<void(const LinePtr&)> listener);
  // After this it neither runs nor will.
  void Unlisten(uint64_t id);

 private:
  mutable absl::Mutex mu_;
  std::deque<LinePtr> lines_ ABSL_GUARDED_BY(mu_);
  uint64_t first_ ABSL_GUARDED_BY(mu_) = 1;  // the number of lines_.front()
  size_t bytes_ ABSL_GUARDED_BY(mu_) = 0;

  absl::Mutex listeners_mu_;
  uint64_t next_listener_ ABSL_GUARDED_BY(listeners_mu_) = 1;
  std::map<uint64_t, std::function<void(const LinePtr&)>> listeners_ ABSL_GUARDED_BY(listeners_mu_);
};

// "DBG", "INF", "WRN", "ERR": as Ceph shortens them in its cluster log.
absl::string_view ShortLevel(v1::LogLevel level);

}  // namespace outpost::log

#endif  // OUTPOST_SERVER_LOG_LOG_HISTORY_H_
