#include "outpost/internal/signal_watcher.h"

#include <pthread.h>
#include <unistd.h>

#include <utility>

namespace outpost::internal {

SignalWatcher::SignalWatcher() {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGTERM);
  sigaddset(&signals_, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
}

SignalWatcher::~SignalWatcher() { Unwatch(); }

void SignalWatcher::Unwatch() {
  if (!thread_) return;
  ending_ = true;
  // The thread waits for it. NOLINTNEXTLINE(bugprone-bad-signal-to-kill-thread)
  pthread_kill(thread_->native_handle(), SIGTERM);
  thread_->join();
  thread_.reset();
}

void SignalWatcher::Watch(std::function<void(int)> on_signal) {
  thread_.emplace([this, on_signal = std::move(on_signal)] {
    int received = 0;
    for (int number = 0; sigwait(&signals_, &number) == 0 && !ending_;) {
      if (received++ > 0) _exit(128 + number);
      on_signal(number);
    }
  });
}

}  // namespace outpost::internal
