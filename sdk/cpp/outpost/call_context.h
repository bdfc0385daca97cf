// CallContext tells a handler who called and how long the caller waits.
//
// While a handler runs, calls that it makes through the module (Get, Remote,
// SetStore, …) on the same thread belong to the call: they end when the caller
// goes away or its time is over, and Remote passes the chain of calls on, so that
// a cycle is an error instead of a deadlock. For work on another thread, carry
// the context there with a ScopedCall.
//
// **Thread safety.** May be read from any thread; copies refer to the same call.
#ifndef OUTPOST_SDK_CPP_OUTPOST_CALL_CONTEXT_H_
#define OUTPOST_SDK_CPP_OUTPOST_CALL_CONTEXT_H_

#include <memory>
#include <stop_token>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace outpost {

namespace internal {

struct CallState {
  std::string caller;
  std::string call_id;
  std::string permissions = "rw";                // that the command declares; of a method: these
  absl::Time deadline = absl::InfiniteFuture();  // by SteadyNow
  std::stop_source stop;
};

}  // namespace internal

class CallContext {
 public:
  explicit CallContext(std::shared_ptr<const internal::CallState> state)
      : state_(std::move(state)) {}

  // Who asked: "user/<name>", "module/<name>".
  absl::string_view caller() const { return state_->caller; }
  // Names this call in the chain of calls.
  absl::string_view call_id() const { return state_->call_id; }
  // When the caller stops waiting, by the wall clock as it is set now.
  absl::Time deadline() const;
  // True: nobody waits for the outcome any more. Long work should look here.
  bool cancelled() const;
  // Is stopped when the caller goes away (not when the deadline passes).
  std::stop_token stop_token() const { return state_->stop.get_token(); }

 private:
  friend class ScopedCall;
  std::shared_ptr<const internal::CallState> state_;
};

// Makes a call the current one of this thread, while it lives.
class ScopedCall {
 public:
  explicit ScopedCall(const CallContext& call);
  ~ScopedCall();
  ScopedCall(const ScopedCall&) = delete;
  ScopedCall& operator=(const ScopedCall&) = delete;

  // The current call of this thread; null: none.
  static const internal::CallState* Current();

 private:
  const std::shared_ptr<const internal::CallState> state_;
  const internal::CallState* const previous_;
};

}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_CALL_CONTEXT_H_
