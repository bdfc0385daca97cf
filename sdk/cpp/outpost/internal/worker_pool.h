// WorkerPool runs tasks on threads of its own, in the order in which they came.
//
// **Thread safety.** All methods may be called from any thread; the destructor
// not from a task.
//
// **Invariants.**
// 1. At most as many tasks run at once as there are threads.
// 2. A task that was taken runs, unless DropWaiting takes it out before.
// 3. The destructor waits for running tasks: end them first (see AwaitIdle).
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_WORKER_POOL_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_WORKER_POOL_H_

#include <deque>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "outpost/internal/steady_wait.h"

namespace outpost::internal {

class WorkerPool {
 public:
  using Task = absl::AnyInvocable<void()>;

  explicit WorkerPool(size_t threads);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // False: the pool is closed.
  bool Post(Task task);

  // No more tasks are taken.
  void Close();

  // Takes out what waits; the tasks are destroyed without having run.
  void DropWaiting();

  // True: nothing runs or waits. False: `deadline`, by SteadyNow, came first.
  bool AwaitIdle(absl::Time deadline);

 private:
  void Work();
  bool Idle() const ABSL_SHARED_LOCKS_REQUIRED(mu_) { return running_ == 0 && tasks_.empty(); }

  absl::Mutex mu_;
  absl::CondVar work_;
  SteadyCondVar idle_;
  std::deque<Task> tasks_ ABSL_GUARDED_BY(mu_);
  size_t running_ ABSL_GUARDED_BY(mu_) = 0;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_WORKER_POOL_H_
