// SignalWatcher waits for SIGTERM and SIGINT on a thread of its own.
//
// **Thread safety.** Made and destroyed by one thread, before other threads are
// started: these inherit the blocked signals. `on_signal` runs on the watcher's
// thread.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_SIGNAL_WATCHER_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_SIGNAL_WATCHER_H_

#include <signal.h>

#include <atomic>
#include <functional>
#include <optional>
#include <thread>

namespace outpost::internal {

class SignalWatcher {
 public:
  // Blocks the signals from here on; they wait until Watch.
  SignalWatcher();
  ~SignalWatcher();
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

  // The first signal calls `on_signal` with its number; a second one ends the
  // process at once.
  void Watch(std::function<void(int)> on_signal);
  // `on_signal` neither runs nor will.
  void Unwatch();

 private:
  sigset_t signals_;
  std::atomic<bool> ending_{false};
  std::optional<std::thread> thread_;
};

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_SIGNAL_WATCHER_H_
