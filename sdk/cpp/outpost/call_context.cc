#include "outpost/call_context.h"

#include "absl/time/clock.h"
#include "outpost/internal/steady_wait.h"

namespace outpost {
namespace {

thread_local const internal::CallState* current_call = nullptr;

}  // namespace

absl::Time CallContext::deadline() const {
  return absl::Now() + (state_->deadline - internal::SteadyNow());
}

bool CallContext::cancelled() const {
  return state_->stop.stop_requested() || internal::SteadyNow() >= state_->deadline;
}

ScopedCall::ScopedCall(const CallContext& call) : state_(call.state_), previous_(current_call) {
  current_call = state_.get();
}

ScopedCall::~ScopedCall() { current_call = previous_; }

const internal::CallState* ScopedCall::Current() { return current_call; }

}  // namespace outpost
