#include "server/event/timer_queue.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "server/event/thread_role.h"

namespace outpost::event {
namespace {

int OpenClock() {
  const int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);  // as std::chrono::steady_clock
  if (fd < 0) std::abort();  // no descriptors or memory at the very start
  return fd;
}

}  // namespace

TimerQueue::TimerQueue() : clock_fd_(OpenClock()), thread_([this] { Run(); }) {}

TimerQueue::~TimerQueue() {
  Stop();
  close(clock_fd_);
}

void TimerQueue::Stop() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
    WakeAt(Clock::now());
  }
  if (thread_.joinable()) thread_.join();
}

TimerQueue::TimerId TimerQueue::After(absl::Duration delay, absl::AnyInvocable<void()> function) {
  // Far beyond any deadline, and no overflow of the clock's 64-bit nanoseconds.
  if (delay > absl::Hours(24 * 365 * 50)) return 0;
  const auto when = Clock::now() + absl::ToChronoNanoseconds(std::max(delay, absl::ZeroDuration()));
  absl::MutexLock lock(&mu_);
  const TimerId id = next_id_++;
  const bool first = queue_.empty() || when < queue_.begin()->first.first;
  queue_.emplace(Key(when, id), std::move(function));
  times_.emplace(id, when);
  if (first) WakeAt(when);
  return id;
}

bool TimerQueue::Cancel(TimerId id) {
  absl::AnyInvocable<void()> doomed;  // destroyed without the lock
  absl::MutexLock lock(&mu_);
  auto it = times_.find(id);
  if (it == times_.end()) return false;
  auto entry = queue_.find(Key(it->second, id));
  doomed = std::move(entry->second);
  queue_.erase(entry);
  times_.erase(it);
  return true;
}

void TimerQueue::WakeAt(Clock::time_point when) {
  const auto since_boot = when.time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_boot);
  itimerspec at = {};
  at.it_value.tv_sec = seconds.count();
  at.it_value.tv_nsec = std::chrono::nanoseconds(since_boot - seconds).count();
  timerfd_settime(clock_fd_, TFD_TIMER_ABSTIME, &at, nullptr);
}

void TimerQueue::Run() {
  BeginBackground("timers");
  mu_.Lock();
  while (!stopping_) {
    auto first = queue_.begin();
    if (first == queue_.end() || first->first.first > Clock::now()) {
      if (first != queue_.end()) WakeAt(first->first.first);
      mu_.Unlock();
      uint64_t expirations = 0;
      // Interrupted or not: the queue is looked at again.
      [[maybe_unused]] const ssize_t n = read(clock_fd_, &expirations, sizeof expirations);
      mu_.Lock();
      continue;
    }
    absl::AnyInvocable<void()> function = std::move(first->second);
    times_.erase(first->first.second);
    queue_.erase(first);
    mu_.Unlock();
    function();
    function = nullptr;
    mu_.Lock();
  }
  mu_.Unlock();
}

}  // namespace outpost::event
