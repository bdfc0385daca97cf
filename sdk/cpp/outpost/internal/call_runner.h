// CallRunner runs the commands and methods that the manager asks for, on the
// threads of the module's loop, and answers on the stream that asked.
//
// **Thread safety.** All methods may be called from any thread; none blocks.
//
// **Invariants.**
// 1. Every RunCommand and Call is answered once on its stream, also a cancelled
//    one: the manager counts on it for its own bookkeeping.
// 2. Drained follows the answers of all that was in hand.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_CALL_RUNNER_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_CALL_RUNNER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "outpost/call_context.h"
#include "outpost/command.h"
#include "outpost/internal/attach_stream.h"
#include "outpost/internal/completion_loop.h"
#include "outpost/internal/keyed_results.h"
#include "outpost/log.h"
#include "outpost/methods.h"

namespace outpost::internal {

class CallRunner {
 public:
  // All outlive the runner.
  CallRunner(const CommandSet& commands, const MethodSet& methods, Logger log,
             CompletionLoop& loop);

  // Takes a RunCommand or Call. A command with an idempotency key goes on when its stream is
  // lost, and is answered on each that asks for it.
  void Run(const std::shared_ptr<AttachStream>& stream, v1::AttachResponse message);
  // The caller of a request is gone.
  void Cancel(uint64_t id);
  // Answers Drained when nothing is in hand.
  void Drain(const std::shared_ptr<AttachStream>& stream);
  // The stream is gone: nobody waits for anything any more.
  void StreamLost();
  // What waits is answered with -EAGAIN instead of being run, and so is what comes.
  void Close();

 private:
  // The stream's number, and the id in it.
  using Key = std::pair<uint64_t, uint64_t>;

  void RunKeyed(const std::shared_ptr<AttachStream>& stream, v1::AttachResponse message);
  v1::AttachRequest Answer(const v1::AttachResponse& message,
                           const std::shared_ptr<const CallState>& state);
  CommandResult RunCommand(const v1::RunCommand& request,
                           const std::shared_ptr<const CallState>& state);
  void CallMethod(const v1::Call& request, const std::shared_ptr<const CallState>& state,
                  v1::CallResult* result);
  // Why a request is not to be run any more.
  std::optional<CommandResult> Refusal(const CallState& state);
  void SendDrainedIfIdle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const CommandSet& commands_;
  const MethodSet& methods_;
  const Logger log_;
  CompletionLoop& loop_;

  KeyedResults keyed_results_;

  absl::Mutex mu_;
  uint64_t stream_number_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<Key, std::shared_ptr<CallState>> in_hand_ ABSL_GUARDED_BY(mu_);
  size_t keyed_in_hand_ ABSL_GUARDED_BY(mu_) = 0;
  std::shared_ptr<AttachStream> draining_ ABSL_GUARDED_BY(mu_);
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_CALL_RUNNER_H_
