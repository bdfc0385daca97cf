#include "outpost/serve_context.h"

namespace outpost {

bool ServeContext::WaitFor(absl::Duration timeout) {
  absl::MutexLock lock(&mu_);
  mu_.AwaitWithTimeout(absl::Condition(&woken_), timeout);
  if (stopping()) return false;
  woken_ = false;
  return true;
}

void ServeContext::Wake() {
  absl::MutexLock lock(&mu_);
  woken_ = true;
}

void ServeContext::Stop() {
  source_.request_stop();
  Wake();
}

}  // namespace outpost
