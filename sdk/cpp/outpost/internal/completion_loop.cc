#include "outpost/internal/completion_loop.h"

#include <chrono>

namespace outpost::internal {
namespace {

// The loop that this thread leads.
thread_local const CompletionLoop* leading = nullptr;

// Tasks that take less are brief: some times what it costs to wake a thread.
constexpr absl::Duration kBrief = absl::Microseconds(100);

}  // namespace

CompletionLoop::CompletionLoop(size_t workers)
    : workers_(workers), watch_(workers + 1, [this](size_t) { FindLeader(); }) {
  threads_.reserve(workers + 1);
  for (size_t i = 0; i < workers + 1; ++i) threads_.emplace_back([this, i] { Work(i); });
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
  return idle_.AwaitUntil(&mu_, deadline,
                          [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return Idle(); });
}

void CompletionLoop::Work(size_t self) {
  absl::MutexLock lock(&mu_);
  while (true) {
    if (!adopted_.empty()) {
      const Event event = adopted_.front();
      adopted_.pop_front();
      mu_.Unlock();
      event.operation->Done(event.ok);
      mu_.Lock();
    } else if (!tasks_.empty() && running_ < workers_) {
      RunTask(self);
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

void CompletionLoop::RunTask(size_t self) {
  Task task = std::move(tasks_.front());
  tasks_.pop_front();
  ++running_;
  const bool unled = !led_ && task_time_ < kBrief;
  // Somebody leads, or takes the next task, meanwhile.
  if (!tasks_.empty() || !(led_ || unled)) follower_.Signal();
  mu_.Unlock();
  if (unled) watch_.Begin(self);
  const auto begin = std::chrono::steady_clock::now();
  task();
  task = nullptr;
  const absl::Duration time = absl::FromChrono(std::chrono::steady_clock::now() - begin);
  if (unled) watch_.End(self);
  mu_.Lock();
  task_time_ += (time - task_time_) / 8;
  --running_;
  if (Idle()) idle_.SignalAll();
}

void CompletionLoop::FindLeader() {
  absl::MutexLock lock(&mu_);
  if (!led_) follower_.Signal();
}

}  // namespace outpost::internal
