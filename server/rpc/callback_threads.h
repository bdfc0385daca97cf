// CallbackThreads are the threads on which gRPC's callback API runs its callbacks:
// one takes an event from gRPC's queue, runs its callback, and takes the next.
//
// gRPC would do this on two threads or more that all wait for events. Each event
// then wakes a second thread, to wait in place of the one that has work, and the
// next event wakes the first again: about four context switches a call, twice
// that for a command, which is two events. And each of them sleeps for 100 ms whenever
// it got nothing for a second; what comes while all do so waits. Here one thread waits
// (on machines with many cores: some), does what came itself, and nobody else
// wakes. A callback must not block, but one that takes its time, or does block,
// is noticed within a few milliseconds, and another thread waits in its place: at once, if it
// says so (server/event/lent_thread.h).
//
// The manager has them as gRPC's: grpc::CompletionQueue::CallbackAlternativeCQ(), which
// is where gRPC's C++ library makes its own threads, is defined in callback_queue.cc
// and so comes before the library's.
//
// **Thread safety.** The constructor and the destructor may be called from any thread that
// is not one of these.
//
// **Invariants.**
// 1. While fewer than `threads` callbacks run, some thread waits for events, or
//    will when its watch has noticed (outpost/internal/stall_watch.h).
// 2. Nothing wakes up while no event comes.
#ifndef OUTPOST_SERVER_RPC_CALLBACK_THREADS_H_
#define OUTPOST_SERVER_RPC_CALLBACK_THREADS_H_

#include <grpc/grpc.h>

#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "outpost/internal/stall_watch.h"

namespace outpost::rpc {

class CallbackThreads {
 public:
  struct Limits {
    size_t pollers = 1;  // threads that wait for events, or run a short callback; at least 1
    size_t threads = 4;  // all of them; more callbacks than these don't run at once
  };

  // What fits a machine with so many cores.
  static Limits LimitsFor(size_t cores);

  // `queue`: of type GRPC_CQ_NEXT, whose tags are grpc_completion_queue_functor.
  // Outlives the object.
  CallbackThreads(grpc_completion_queue* queue, Limits limits);
  // Waits for the last event: `queue` must be shut down.
  ~CallbackThreads();
  CallbackThreads(const CallbackThreads&) = delete;
  CallbackThreads& operator=(const CallbackThreads&) = delete;

 private:
  class Lender;
  struct Worker {
    // Another thread has its place.
    std::atomic<bool> relieved = false;
    bool polls = false;  // it has a place; under mu_
  };

  void Work(size_t self);
  // Takes events and runs their callbacks until relieved. False: there are no more events.
  bool Poll(size_t self);
  // Gives the place of a thread, whose callback takes its time, to another.
  void Relieve(size_t slow);

  grpc_completion_queue* const queue_;
  const Limits limits_;

  absl::Mutex mu_;
  absl::CondVar reserve_;  // those who have no place
  size_t polling_ ABSL_GUARDED_BY(mu_) = 0;
  bool over_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<Worker> workers_;
  internal::StallWatch watch_;
  std::vector<std::thread> threads_;
};

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_CALLBACK_THREADS_H_
