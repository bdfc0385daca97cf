#include "outpost/call_context.h"

namespace outpost {
namespace {

thread_local const internal::CallState* current_call = nullptr;

}  // namespace

ScopedCall::ScopedCall(const CallContext& call) : state_(call.state_), previous_(current_call) {
  current_call = state_.get();
}

ScopedCall::~ScopedCall() { current_call = previous_; }

const internal::CallState* ScopedCall::Current() { return current_call; }

}  // namespace outpost
