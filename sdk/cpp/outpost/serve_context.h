// ServeContext tells Module::Serve when to end.
//
// **Thread safety.** All methods may be called from any thread.
#ifndef OUTPOST_SDK_CPP_OUTPOST_SERVE_CONTEXT_H_
#define OUTPOST_SDK_CPP_OUTPOST_SERVE_CONTEXT_H_

#include <chrono>
#include <stop_token>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "outpost/internal/steady_wait.h"

namespace outpost {

class ServeContext {
 public:
  ServeContext() = default;
  ServeContext(const ServeContext&) = delete;
  ServeContext& operator=(const ServeContext&) = delete;

  // True: Serve is to return, soon.
  bool stopping() const { return source_.stop_requested(); }

  // Waits until Serve is to return.
  void Wait() { WaitFor(absl::InfiniteDuration()); }

  // Waits until Serve is to return, or Wake was called, or `timeout` is over.
  // True: go on serving.
  bool WaitFor(absl::Duration timeout);

  // Ends a WaitFor now, or the next one at once: there is something to do.
  void Wake();

  // Says that Serve gets on, and will say so again within `time`. A promise that is not
  // kept has the manager end the module, and start it again, within two heartbeats.
  // InfiniteDuration takes it back: before waiting for what may not come. Who promises
  // nothing is never stuck.
  void Watchdog(absl::Duration time);

  // What is stuck, in a sentence; empty: nothing. For the SDK.
  std::string Stuck() const;

  // For std::condition_variable_any, std::stop_callback and their like.
  std::stop_token stop_token() const { return source_.get_token(); }

  // Ends Serve; the SDK calls it.
  void Stop();

 private:
  std::stop_source source_;
  absl::Mutex mu_;
  bool woken_ ABSL_GUARDED_BY(mu_) = false;
  internal::SteadyCondVar wake_;

  using Clock = std::chrono::steady_clock;
  mutable absl::Mutex watchdog_mu_;
  absl::Duration promised_ ABSL_GUARDED_BY(watchdog_mu_) = absl::InfiniteDuration();
  Clock::time_point said_ ABSL_GUARDED_BY(watchdog_mu_);
};

}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_SERVE_CONTEXT_H_
