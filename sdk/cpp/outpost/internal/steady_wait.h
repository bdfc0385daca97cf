// Time and waiting by the steady clock, for the SDK and the manager. absl::CondVar, and
// absl::Mutex::AwaitWithTimeout, end at a time of the wall clock: one that is set back by an hour
// makes a wait of a second one of an hour.
//
// **Thread safety.** All functions and methods may be called from any thread.
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
  // Waits for a signal, until it is `when` by SteadyNow at most, or without a reason; the caller
  // looks again at what it waits for. Gives `mu` back meanwhile.
  void WaitUntil(absl::Mutex* mu, absl::Time when) ABSL_SHARED_LOCKS_REQUIRED(mu) {
    // Within what the clock can tell.
    const absl::Time bounded = std::min(when, SteadyNow() + absl::Hours(24));
    Lockable lockable{mu};
    signaled_.wait_until(lockable, std::chrono::steady_clock::time_point(
                                       absl::ToChronoNanoseconds(bounded - absl::UnixEpoch())));
  }
  void Wait(absl::Mutex* mu, absl::Duration timeout) ABSL_SHARED_LOCKS_REQUIRED(mu) {
    WaitUntil(mu, SteadyNow() + timeout);
  }

  // Waits until `is`, which is asked with `mu` held, and whenever there is a signal. False: it was
  // `when` by SteadyNow first.
  template <typename Predicate>
  bool AwaitUntil(absl::Mutex* mu, absl::Time when, const Predicate& is)
      ABSL_SHARED_LOCKS_REQUIRED(mu) {
    while (!is()) {
      if (SteadyNow() >= when) return false;
      WaitUntil(mu, when);
    }
    return true;
  }
  template <typename Predicate>
  bool AwaitFor(absl::Mutex* mu, absl::Duration timeout, const Predicate& is)
      ABSL_SHARED_LOCKS_REQUIRED(mu) {
    return AwaitUntil(mu, SteadyNow() + timeout, is);
  }

  void Signal() { signaled_.notify_one(); }
  void SignalAll() { signaled_.notify_all(); }

 private:
  // By the names that the standard library calls them.
  struct Lockable {
    absl::Mutex* mu;
    void lock() ABSL_NO_THREAD_SAFETY_ANALYSIS { mu->Lock(); }
    void unlock() ABSL_NO_THREAD_SAFETY_ANALYSIS { mu->Unlock(); }
  };

  std::condition_variable_any signaled_;
};

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_STEADY_WAIT_H_
