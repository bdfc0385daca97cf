// HookRunner runs what a module overrides, each on the thread that module.h
// promises, and keeps exceptions of the module's code from going further.
//
// **Thread safety.** All methods may be called from any thread; none but End
// blocks.
//
// **Invariants.**
// 1. Start runs once, before Serve; Serve never twice at once.
// 2. Notify, ConfigChanged and posted events run one at a time, in order.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_HOOK_RUNNER_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_HOOK_RUNNER_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "outpost/internal/worker_pool.h"
#include "outpost/log.h"
#include "outpost/module.h"

namespace outpost::internal {

class HookRunner {
 public:
  // `module` outlives this.
  HookRunner(Module& module, bool has_serve, Logger log);

  // Runs Start, then `done` on the same thread.
  void Start(std::function<void(absl::Status)> done);

  // Runs Serve, unless it runs already or the module has none: then false.
  // `running` is called before it, and `ended`, with how it ended, after it; not
  // after End was called. Both on Serve's thread.
  bool Serve(std::function<void()> running, std::function<void(absl::Status)> ended);

  // See ServeContext.
  std::string Stuck() const { return serve_context_.Stuck(); }

  // Runs Notify, then `done`.
  void Notify(Notification notification, absl::AnyInvocable<void()> done);
  void ConfigChanged(std::vector<std::string> names);
  // Runs a task on the thread of Notify and ConfigChanged.
  void PostEvent(absl::AnyInvocable<void()> task);

  // Runs Shutdown, and waits for all of the above. Empty: all have ended. Else
  // the names of those that have not by `deadline`, by SteadyNow: the process can't be
  // left in order then.
  std::vector<std::string> End(absl::Time deadline);

 private:
  // Runs `hook`; an exception becomes a status, and a line in the log.
  absl::Status Guard(absl::string_view name, const std::function<absl::Status()>& hook) const;

  Module& module_;
  const bool has_serve_;
  const Logger log_;
  ServeContext serve_context_;

  absl::Mutex mu_;
  bool serving_ ABSL_GUARDED_BY(mu_) = false;

  WorkerPool events_;
  WorkerPool serve_;  // Start, then Serve
};

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_HOOK_RUNNER_H_
