// ServeContext tells Module::Serve when to end.
//
// **Thread safety.** All methods may be called from any thread.
#ifndef OUTPOST_SDK_CPP_OUTPOST_SERVE_CONTEXT_H_
#define OUTPOST_SDK_CPP_OUTPOST_SERVE_CONTEXT_H_

#include <stop_token>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

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

  // For std::condition_variable_any, std::stop_callback and their like.
  std::stop_token stop_token() const { return source_.get_token(); }

  // Ends Serve; the SDK calls it.
  void Stop();

 private:
  std::stop_source source_;
  absl::Mutex mu_;
  bool woken_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_SERVE_CONTEXT_H_
