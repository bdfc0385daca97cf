// StartTurns decides which module's process starts next, and when.
//
// What starts takes a processor for itself, for as long as its program is loaded, and much of that
// in the kernel, which does not let others come between. A hundred modules that start at once, as
// an operator or a script may ask for, keep the commands of all others waiting for milliseconds. So
// a few start at a time, and so many in a second, and the rest wait for their turn.
// Those that have run before (they have failed, say) do not wait behind a hundred that are new: one
// of each kind starts in turn.
//
// Times are by a clock that does not step.
//
// **Thread safety.** None: its owner has a lock.
#ifndef OUTPOST_SERVER_MODULE_START_TURNS_H_
#define OUTPOST_SERVER_MODULE_START_TURNS_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <optional>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/time/time.h"
#include "server/log/rate_limit.h"

namespace outpost::module {

class StartTurns {
 public:
  struct Limits {
    size_t at_once = std::numeric_limits<size_t>::max();  // at least 1
    // After as many at once (but one, where it is less).
    double per_second = 1e6;
    // For how long one that starts keeps others from it: it may hang.
    absl::Duration turn = absl::Seconds(1);
  };
  enum class Kind { kNew, kAgain };

  explicit StartTurns(const Limits& limits)
      : limits_(limits), rate_(std::max(1.0, limits.per_second), limits.per_second) {}

  // Whether module `name` may start at once; else it waits, in the place that it may have already.
  bool Take(const std::string& name, Kind kind, absl::Duration now);
  // It does not want to any more, if it waits.
  void Leave(const std::string& name);
  // Whose turn it is; it waits no more. To be called until there is none.
  std::optional<std::string> Next(absl::Duration now);
  // The process with this number starts, in the turn that Take or Next has given.
  void Begin(uint64_t run, absl::Duration now);
  // It does not start any more: it runs, or has ended. One that is not known is none.
  void End(uint64_t run) { starting_.erase(run); }
  // How long it is from `now` until Next may have somebody, if nothing else happens;
  // infinite: nobody waits.
  absl::Duration Until(absl::Duration now) const;

 private:
  bool IsFree(absl::Duration now);

  const Limits limits_;
  std::map<uint64_t, absl::Duration> starting_;  // numbers of processes, and when each began
  log::RateLimit rate_;
  std::array<std::deque<std::string>, 2> queues_;  // by Kind
  size_t next_queue_ = 0;
  absl::flat_hash_set<std::string> waiting_;  // those in queues_
};

}  // namespace outpost::module

#endif  // OUTPOST_SERVER_MODULE_START_TURNS_H_
