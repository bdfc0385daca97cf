#include "outpost/internal/worker_pool.h"

#include <utility>

namespace outpost::internal {

WorkerPool::WorkerPool(size_t threads) {
  threads_.reserve(threads);
  for (size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { Work(); });
}

WorkerPool::~WorkerPool() {
  Close();
  for (std::thread& thread : threads_) thread.join();
}

bool WorkerPool::Post(Task task) {
  {
    absl::MutexLock lock(&mu_);
    if (closed_) return false;
    tasks_.push_back(std::move(task));
  }
  work_.Signal();
  return true;
}

void WorkerPool::Close() {
  {
    absl::MutexLock lock(&mu_);
    closed_ = true;
  }
  work_.SignalAll();
}

void WorkerPool::DropWaiting() {
  std::deque<Task> dropped;  // destroyed without the lock
  absl::MutexLock lock(&mu_);
  dropped.swap(tasks_);
  if (Idle()) idle_.SignalAll();
}

bool WorkerPool::AwaitIdle(absl::Time deadline) {
  absl::MutexLock lock(&mu_);
  return idle_.AwaitUntil(&mu_, deadline,
                          [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return Idle(); });
}

void WorkerPool::Work() {
  mu_.Lock();
  while (true) {
    while (tasks_.empty() && !closed_) work_.Wait(&mu_);
    if (tasks_.empty()) break;
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    ++running_;
    mu_.Unlock();
    task();
    task = nullptr;
    mu_.Lock();
    --running_;
    if (Idle()) idle_.SignalAll();
  }
  mu_.Unlock();
}

}  // namespace outpost::internal
