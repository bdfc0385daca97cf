// TimerQueue runs short functions at given times, on one thread of its own.
//
// **Thread safety.** All methods may be called from any thread, also from inside
// a running function (but not Stop and the destructor).
//
// **Invariants.**
// 1. A function runs at most once, not before its time.
// 2. After Cancel returned true, the function does not run.
// 3. Functions must not block: they delay each other.
#ifndef OUTPOST_SERVER_EVENT_TIMER_QUEUE_H_
#define OUTPOST_SERVER_EVENT_TIMER_QUEUE_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace outpost::event {

class TimerQueue {
 public:
  using TimerId = uint64_t;  // 0 is never used

  TimerQueue();
  // Functions that have not run yet never do.
  ~TimerQueue();
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;

  // Runs `function` after `delay` (monotonic: a step of the wall clock does not
  // matter). A delay of absl::InfiniteDuration() never comes; the id is 0 then.
  TimerId After(absl::Duration delay, absl::AnyInvocable<void()> function);

  // True: it had not begun, and will not. 0 is allowed, and false.
  bool Cancel(TimerId id);

  // Waits for the function that runs; none runs from then on. For those whose
  // functions point to what is about to go.
  void Stop();

 private:
  using Clock = std::chrono::steady_clock;
  using Key = std::pair<Clock::time_point, TimerId>;

  void Run();
  // Lets the thread look at the queue again at `when`.
  void WakeAt(Clock::time_point when) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // A timerfd: absl::CondVar waits by the wall clock.
  const int clock_fd_;
  absl::Mutex mu_;
  std::map<Key, absl::AnyInvocable<void()>> queue_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<TimerId, Clock::time_point> times_ ABSL_GUARDED_BY(mu_);
  TimerId next_id_ ABSL_GUARDED_BY(mu_) = 1;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace outpost::event

#endif  // OUTPOST_SERVER_EVENT_TIMER_QUEUE_H_
