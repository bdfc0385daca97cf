// Time and waiting by the steady clock: absl::CondVar waits by the wall clock, and one that
// is set back an hour would hold up for an hour who waits for a second.
//
// **Thread safety.** SteadyNow: any thread. SteadyCondVar: as absl::CondVar.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_STEADY_WAIT_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_STEADY_WAIT_H_

#include <algorithm>
#include <chrono>
#include <condition_variable>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace outpost::internal {

// A time to compare with others of this function, and nothing else.
inline absl::Time SteadyNow() {
  return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

class SteadyCondVar {
 public:
  void SignalAll() { condition_.notify_all(); }

  // Waits until it is signalled, or without reason, or until it is `when` by SteadyNow.
  void WaitUntil(absl::Mutex* mu, absl::Time when) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    // Within what the clock can tell.
    const absl::Time bounded = std::min(when, SteadyNow() + absl::Hours(24));
    Lockable lockable{mu};
    condition_.wait_until(lockable, std::chrono::steady_clock::time_point(
                                        absl::ToChronoNanoseconds(bounded - absl::UnixEpoch())));
  }

 private:
  struct Lockable {
    void lock() ABSL_NO_THREAD_SAFETY_ANALYSIS { mu->Lock(); }
    void unlock() ABSL_NO_THREAD_SAFETY_ANALYSIS { mu->Unlock(); }
    absl::Mutex* mu;
  };

  std::condition_variable_any condition_;
};

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_STEADY_WAIT_H_
