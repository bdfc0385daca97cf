// SteadyCondVar is absl::CondVar with a timeout by the steady clock. absl's (and that of
// absl::Mutex::Await) ends at a time of the wall clock: one that is set back by an hour makes a
// wait of a second one of an hour.
//
// **Thread safety.** All methods may be called from any thread.
#ifndef OUTPOST_SERVER_EVENT_STEADY_WAIT_H_
#define OUTPOST_SERVER_EVENT_STEADY_WAIT_H_

#include <chrono>
#include <condition_variable>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace outpost::event {

class SteadyCondVar {
 public:
  // Waits for a signal, `timeout` at most, or without a reason; the caller looks again at what it
  // waits for. Gives `mu` back meanwhile.
  void Wait(absl::Mutex* mu, absl::Duration timeout) ABSL_SHARED_LOCKS_REQUIRED(mu) {
    Lockable lockable{mu};
    if (timeout == absl::InfiniteDuration()) {
      signaled_.wait(lockable);
    } else {
      signaled_.wait_for(lockable, absl::ToChronoNanoseconds(timeout));
    }
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

}  // namespace outpost::event

#endif  // OUTPOST_SERVER_EVENT_STEADY_WAIT_H_
