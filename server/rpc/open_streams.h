// OpenStreams knows the streams that are open: it bounds how many there may be, in all and
// of one caller, and ends those whose client takes nothing, never says a word, or has lost the
// right to have it.
//
// It sees each stream of the server through an interceptor of gRPC's, whatever service it is
// of; calls with one answer are not its concern.
//
// **Thread safety.** All methods may be called from any thread, but Start once, before the
// server starts.
//
// **Invariants.**
// 1. A stream is known from before its handler is called until it is over.
// 2. A stream whose client has not taken a message for Limits::slow_reader is cancelled: a
//    status would wait behind what it does not take.
// 3. A client that is to speak first has Limits::first_message for it.
// 4. Once a handler has asked for a stream, it lasts as long as its caller's rights, and at
//    most a second longer (CallContext::still).
#ifndef OUTPOST_SERVER_RPC_OPEN_STREAMS_H_
#define OUTPOST_SERVER_RPC_OPEN_STREAMS_H_

#include <grpcpp/support/server_callback.h>
#include <grpcpp/support/server_interceptor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/event/timer_queue.h"

namespace outpost::rpc {

class OpenStreams {
 public:
  struct Limits {
    size_t sessions = 4096;          // of modules
    size_t streams = 16384;          // of any kind, but sessions and daemons that report
    size_t streams_per_peer = 1024;  // of those: of one module or user
    absl::Duration slow_reader = absl::Seconds(60);
    absl::Duration first_message = absl::Seconds(10);
  };

  explicit OpenStreams(const Limits& limits);
  ~OpenStreams();

  // For the server, which takes it.
  std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> Interceptor() const;

  // Looks at the streams again and again. `timers` is stopped before this goes.
  void Start(event::TimerQueue* timers);

  // For a handler of a stream: whether it may be. RESOURCE_EXHAUSTED names the limit.
  absl::Status Admit(const grpc::CallbackServerContext& context) const;

  // What ends a stream, on another thread: with what to say to the client, and the reason for
  // ErrorInfo. Must not block.
  using End = std::function<void(const absl::Status&, absl::string_view reason)>;
  // For a handler: `end` is called when the client has not spoken in time, or has lost its
  // rights; else the stream is cancelled then.
  void OnEnd(const grpc::CallbackServerContext& context, End end) const;

  // Ends what is overdue.
  void Sweep();

  // How many are open.
  size_t open() const;

 private:
  class State;
  class Stream;
  class Factory;

  void Schedule();

  const std::shared_ptr<State> state_;
  event::TimerQueue* timers_ = nullptr;
};

// A service with streams.
class WithLimitedStreams {
 public:
  // Before the server starts; `streams` outlives the service.
  void LimitStreams(const OpenStreams* streams) { streams_ = streams; }

 protected:
  ~WithLimitedStreams() = default;

  // As OpenStreams has them; without limits, all may be.
  absl::Status Admit(const grpc::CallbackServerContext& context) const {
    return streams_ == nullptr ? absl::OkStatus() : streams_->Admit(context);
  }
  void OnEnd(const grpc::CallbackServerContext& context, OpenStreams::End end) const {
    if (streams_ != nullptr) streams_->OnEnd(context, std::move(end));
  }

 private:
  const OpenStreams* streams_ = nullptr;
};

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_OPEN_STREAMS_H_
