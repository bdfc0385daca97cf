#include "outpost/serve_context.h"

#include "absl/strings/str_cat.h"

namespace outpost {

bool ServeContext::WaitFor(absl::Duration timeout) {
  absl::MutexLock lock(&mu_);
  wake_.AwaitFor(&mu_, timeout, [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return woken_; });
  if (stopping()) return false;
  woken_ = false;
  return true;
}

void ServeContext::Wake() {
  absl::MutexLock lock(&mu_);
  woken_ = true;
  wake_.SignalAll();
}

void ServeContext::Watchdog(absl::Duration time) {
  absl::MutexLock lock(&watchdog_mu_);
  promised_ = time;
  said_ = Clock::now();
}

std::string ServeContext::Stuck() const {
  absl::MutexLock lock(&watchdog_mu_);
  if (stopping() || promised_ == absl::InfiniteDuration()) return "";
  const absl::Duration silent = absl::FromChrono(Clock::now() - said_);
  if (silent <= promised_) return "";
  return absl::StrCat("Serve promised to say within ", absl::FormatDuration(promised_),
                      " that it gets on, and has not for ",
                      absl::FormatDuration(absl::Trunc(silent, absl::Milliseconds(100))));
}

void ServeContext::Stop() {
  source_.request_stop();
  Wake();
}

}  // namespace outpost
