#include "outpost/internal/completion_loop.h"

namespace outpost::internal {
namespace {

// The loop that this thread leads.
thread_local const CompletionLoop* leading = nullptr;

}  // namespace

CompletionLoop::CompletionLoop(size_t workers) : workers_(workers) {
  threads_.reserve(workers + 1);
  for (size_t i = 0; i < workers + 1; ++i) threads_.emplace_back([this] { Work(); });
}

CompletionLoop::~CompletionLoop() {
  queue_.Shutdown();
  for (std::thread& thread : threads_) thread.join();
}

void CompletionLoop::Post(Task task) {
  {
    absl::MutexLock lock(&mu_);
    tasks_.push_back(std::move(task));
  }
  // A leader looks after its tasks itself, when it has done what came.
  if (leading != this) follower_.Signal();
}

void CompletionLoop::Adopt(Event event) {
  {
    absl::MutexLock lock(&mu_);
    adopted_.push_back(event);
  }
  follower_.Signal();
}

bool CompletionLoop::AwaitIdle(absl::Time deadline) {
  absl::MutexLock lock(&mu_);
  return mu_.AwaitWithDeadline(absl::Condition(this, &CompletionLoop::Idle), deadline);
}

void CompletionLoop::Work() {
  absl::MutexLock lock(&mu_);
  while (true) {
    if (!adopted_.empty()) {
      const Event event = adopted_.front();
      adopted_.pop_front();
      mu_.Unlock();
      event.operation->Done(event.ok);
      mu_.Lock();
    } else if (!tasks_.empty() && running_ < workers_) {
      RunTask();
    } else if (!led_ && !shut_down_) {
      Lead();
    } else if (shut_down_ && tasks_.empty()) {
      return;
    } else {
      follower_.Wait(&mu_);
    }
  }
}

void CompletionLoop::Lead() {
  led_ = true;
  mu_.Unlock();
  void* tag = nullptr;
  bool ok = false;
  const bool more = queue_.Next(&tag, &ok);
  if (more) {
    leading = this;
    static_cast<Operation*>(tag)->Done(ok);
    leading = nullptr;
  }
  mu_.Lock();
  led_ = false;
  shut_down_ = !more;
  if (shut_down_) follower_.SignalAll();
}

void CompletionLoop::RunTask() {
  Task task = std::move(tasks_.front());
  tasks_.pop_front();
  ++running_;
  // Somebody leads, or takes the next task, meanwhile.
  if (!led_ || !tasks_.empty()) follower_.Signal();
  mu_.Unlock();
  task();
  task = nullptr;
  mu_.Lock();
  --running_;
}

}  // namespace outpost::internal
