// CallPace bounds how much of the manager's time one caller takes: beyond its share, calls begin
// later, in the order in which they came, as if they had come later. The log tells of a caller
// that is held back, once a minute.
//
// A call counts as what it is said to cost, and as one more for each kWork that the manager works
// on it before it lets go of its thread.
//
// **Thread safety.** All methods may be called from any thread, but for the destructor.
//
// **Invariants.**
// 1. Each call is run once, also those that wait when it is stopped.
// 2. At most kMaxNames callers are known by name; those beyond share one pace.
#ifndef OUTPOST_SERVER_RPC_CALL_PACE_H_
#define OUTPOST_SERVER_RPC_CALL_PACE_H_

#include <cstddef>
#include <deque>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/event/timer_queue.h"

namespace outpost::rpc {

class CallPace {
 public:
  static constexpr size_t kMaxNames = 4096;
  static constexpr absl::Duration kBurst = absl::Milliseconds(100);  // of the rate, at once
  // Who waits does so at least for this long, and has then what that is worth at once: a few calls
  // in a row disturb the others less than one by one.
  static constexpr absl::Duration kTurn = absl::Milliseconds(5);
  static constexpr absl::Duration kWork = absl::Microseconds(100);
  // What a call costs that only reads; one that changes something, which is written to the disk;
  // and one that is refused.
  static constexpr double kRead = 1;
  static constexpr double kChange = 10;
  static constexpr double kRefused = 50;

  CallPace() = default;
  ~CallPace() { Stop(); }
  CallPace(const CallPace&) = delete;
  CallPace& operator=(const CallPace&) = delete;

  // Runs `call` of `caller`, who may make so many `per_second` (above 0), now or, on another
  // thread, when it is its turn. `cost`: how many calls it counts as.
  void Run(const std::string& caller, double per_second, double cost,
           absl::AnyInvocable<void()> call);
  // Runs all that waits; nobody is held back from then on.
  void Stop();

  // How many calls wait.
  size_t waiting() const;

 private:
  struct Waiting {
    double cost;
    absl::AnyInvocable<void()> call;
  };
  struct Caller {
    double per_second = 0;
    // When all that was let in would have come, had it come at the rate.
    absl::Duration until = -absl::InfiniteDuration();
    std::deque<Waiting> waiting;
    absl::Duration told = -absl::InfiniteDuration();  // when the log heard of it
  };

  // The name by which a caller is known here, and it.
  std::pair<const std::string, Caller>& Find(const std::string& name, double per_second,
                                             absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  static void Count(Caller& caller, double calls, absl::Duration now);
  // Lets the first that waits of `name` begin when it may.
  void Arm(const std::string& name, absl::Duration after) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Begins what may begin now of `name`.
  void RunDue(const std::string& name);
  // Runs what was let in, and counts the time that it takes.
  void RunNow(const std::string& caller, double per_second, absl::AnyInvocable<void()> call);

  mutable absl::Mutex mu_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  absl::flat_hash_map<std::string, Caller> callers_ ABSL_GUARDED_BY(mu_);
  event::TimerQueue timers_;  // of its own: what it runs takes its time
};

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_CALL_PACE_H_
