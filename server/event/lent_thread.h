// LentThread: how work that is done on somebody else's thread says that it takes its time.
//
// gRPC's callbacks run on threads that answer everybody's calls (server/rpc/callback_threads.h).
// One that looks at files, or waits for a lock that others hold for long, would keep all others
// from being answered until that is noticed. It says so, and the pool has another thread take its
// thread's place at once. On a thread that nobody lends, saying it does nothing: what does the work
// need not know where it runs.
//
// **Thread safety.** Everything here is of the calling thread.
#ifndef OUTPOST_SERVER_EVENT_LENT_THREAD_H_
#define OUTPOST_SERVER_EVENT_LENT_THREAD_H_

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace outpost::event {

// Who lends its threads.
class ThreadLender {
 public:
  virtual ~ThreadLender() = default;
  // What runs on the calling thread, which it has lent, is not over soon. Called any number of
  // times for the same work; must not block.
  virtual void TakesItsTime() = 0;
};

// Of the calling thread, from now on. `lender` (null: nobody) outlives what runs on it.
void SetLender(ThreadLender* lender);

// What the calling thread is about to do takes longer than the answer to a command: more than
// about 0.1 ms, or until something else has happened.
void TakesItsTime();

// absl::MutexLock, for a lock that others may hold for long: where it is not free at once, waiting
// for it takes its time.
class ABSL_SCOPED_LOCKABLE LentMutexLock {
 public:
  explicit LentMutexLock(absl::Mutex* mu) ABSL_EXCLUSIVE_LOCK_FUNCTION(mu);
  ~LentMutexLock() ABSL_UNLOCK_FUNCTION() { mu_->Unlock(); }
  LentMutexLock(const LentMutexLock&) = delete;
  LentMutexLock& operator=(const LentMutexLock&) = delete;

 private:
  absl::Mutex* const mu_;
};

}  // namespace outpost::event

#endif  // OUTPOST_SERVER_EVENT_LENT_THREAD_H_
