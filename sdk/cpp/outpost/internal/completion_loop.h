// CompletionLoop runs what a gRPC completion queue brings, and tasks, on threads
// of its own, leader and followers: one thread waits for the queue, and runs
// itself what came, while another takes its place. So a request is read and
// answered on one thread: gRPC's callback API would change threads twice for it.
// While tasks are brief, nobody is woken to take the place: the thread is back
// sooner than another would be there. A task that then takes its time is noticed
// (stall_watch.h), and the place is taken late, by a few milliseconds.
//
// **Thread safety.** All methods may be called from any thread; the destructor
// not from one of the loop's.
//
// **Invariants.**
// 1. At most `workers` tasks run at once; there is one thread more, so that
//    completions are heard while all tasks block.
// 2. A task that was taken runs. Tasks start in the order in which they came.
// 3. The destructor waits for pending operations and running tasks: end them first.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_COMPLETION_LOOP_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_COMPLETION_LOOP_H_

#include <grpcpp/completion_queue.h>

#include <cstddef>
#include <deque>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "outpost/internal/stall_watch.h"
#include "outpost/internal/steady_wait.h"

namespace outpost::internal {

class CompletionLoop {
 public:
  using Task = absl::AnyInvocable<void()>;

  // The tag of an operation on queue().
  class Operation {
   public:
    virtual ~Operation() = default;
    // `ok`: as CompletionQueue::Next says it. Must not block.
    virtual void Done(bool ok) = 0;
  };

  // `workers`: how many tasks may run at once, at least 1.
  explicit CompletionLoop(size_t workers);
  ~CompletionLoop();
  CompletionLoop(const CompletionLoop&) = delete;
  CompletionLoop& operator=(const CompletionLoop&) = delete;

  // For operations whose tag is an Operation.
  grpc::CompletionQueue* queue() { return &queue_; }

  // Runs `start`, which starts `operation`. True: the operation is done already,
  // with `ok`; its Done is not called, and no thread was woken for it.
  template <typename Start>
  bool StartAndTry(Start start, Operation* operation, bool* ok);

  void Post(Task task);

  // True: no task runs or waits. False: `deadline`, by SteadyNow, came first.
  bool AwaitIdle(absl::Time deadline);

 private:
  struct Event {
    Operation* operation;
    bool ok;
  };

  void Work(size_t self);
  // Waits for the queue, and does what came.
  void Lead() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RunTask(size_t self) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // A task takes its time, and nobody may be leading.
  void FindLeader();
  // An event that another thread came by.
  void Adopt(Event event);
  bool Idle() const ABSL_SHARED_LOCKS_REQUIRED(mu_) { return running_ == 0 && tasks_.empty(); }

  const size_t workers_;
  grpc::CompletionQueue queue_;

  absl::Mutex mu_;
  absl::CondVar follower_;
  SteadyCondVar idle_;
  std::deque<Event> adopted_ ABSL_GUARDED_BY(mu_);
  std::deque<Task> tasks_ ABSL_GUARDED_BY(mu_);
  size_t running_ ABSL_GUARDED_BY(mu_) = 0;
  // What a task takes lately.
  absl::Duration task_time_ ABSL_GUARDED_BY(mu_) = absl::Seconds(1);
  bool led_ ABSL_GUARDED_BY(mu_) = false;
  bool shut_down_ ABSL_GUARDED_BY(mu_) = false;  // the queue has no more
  StallWatch watch_;
  std::vector<std::thread> threads_;
};

template <typename Start>
bool CompletionLoop::StartAndTry(Start start, Operation* operation, bool* ok) {
  void* tag = nullptr;
  const auto status =
      queue_.DoThenAsyncNext(std::move(start), &tag, ok, gpr_time_0(GPR_CLOCK_MONOTONIC));
  if (status != grpc::CompletionQueue::GOT_EVENT) return false;
  if (tag == operation) return true;
  Adopt({static_cast<Operation*>(tag), *ok});
  return false;
}

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_COMPLETION_LOOP_H_
