// SIGINT and SIGTERM as something that calls and waits can be ended by.
//
// **Thread safety.** All methods may be called from any thread, but Watch() first
// before any other thread of the program starts: it blocks both signals, and
// threads started later inherit that.
//
// **Invariants.**
// 1. Before Watch() signals do what they do by themselves: they end the program.
// 2. After a signal, and until Forget(), every call that is or comes under a
//    Cancelling is cancelled.
// 3. A second signal ends the program at once: what a signal can't end, such as a
//    write into a pipe that nobody reads, does not hold it.
#ifndef OUTPOST_CLI_INTERRUPT_H_
#define OUTPOST_CLI_INTERRUPT_H_

#include <grpcpp/client_context.h>

#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "outpost/internal/steady_wait.h"

namespace outpost::cli {

class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  // Takes the signals from now on. Again: has no effect.
  void Watch();

  // The first signal that came, or 0.
  int signal() const ABSL_LOCKS_EXCLUDED(mutex_);

  // As if no signal had come: what comes next is not ended by it.
  void Forget() ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits until `fd` can be read, or a signal has come; false for a signal.
  bool WaitToRead(int fd) const;

  // Waits for `duration` or a signal, whichever is first.
  void WaitFor(absl::Duration duration) const ABSL_LOCKS_EXCLUDED(mutex_);

  // While it exists, a signal cancels `context`. One at a time.
  class Cancelling {
   public:
    Cancelling(Interrupt* interrupt, grpc::ClientContext* context);
    ~Cancelling();
    Cancelling(const Cancelling&) = delete;
    Cancelling& operator=(const Cancelling&) = delete;

   private:
    Interrupt* const interrupt_;
  };

 private:
  void Take();

  const int event_;  // an eventfd: can be read while signal_ is not 0
  mutable absl::Mutex mutex_;
  mutable internal::SteadyCondVar came_;  // a signal
  int signal_ ABSL_GUARDED_BY(mutex_) = 0;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::ClientContext* context_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::thread watcher_;
};

}  // namespace outpost::cli

#endif  // OUTPOST_CLI_INTERRUPT_H_
