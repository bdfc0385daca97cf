// CallRouter takes commands and calls to modules, and their answers back.
//
// Each request gets a call id. A module that makes calls on behalf of a request
// says so by that id; thus the router knows the chain, refuses a call that would
// come back to a method that is waiting, or wait for a module that waits for it
// with all that it can do at once, and passes the deadline on.
//
// **Thread safety.** All methods may be called from any thread. Callbacks run
// once, on any thread, without a lock held, and must not block.
#ifndef OUTPOST_SERVER_MODULE_CALL_ROUTER_H_
#define OUTPOST_SERVER_MODULE_CALL_ROUTER_H_

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "outpost/v1/remote.pb.h"
#include "server/command/command.h"
#include "server/module/supervisor.h"

namespace outpost::module {

// A request that may be cancelled. Thread-safe.
class Ticket {
 public:
  // The callback runs with "cancelled" unless it has run or is about to: at once
  // where the module has the request, else when the module is there or will not be.
  void Cancel();

 private:
  friend class CallRouter;
  // The request is now `id` of `session`. False: it was cancelled before that.
  bool Started(std::shared_ptr<Session> session, RequestId id);
  bool cancelled() const;

  mutable absl::Mutex mu_;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  std::shared_ptr<Session> session_ ABSL_GUARDED_BY(mu_);
  RequestId id_ ABSL_GUARDED_BY(mu_) = 0;
};

// A method of a module, to be called.
struct RemoteCall {
  std::string module;
  std::string method;
  std::string args_json;
  std::string kwargs_json;
  std::string parent_call;                       // empty: none
  std::string caller;                            // "client", "module/<name>"
  absl::Time deadline = absl::InfiniteFuture();  // by internal::SteadyNow
};

// What came of it: the module's answer, or why there is none, with the reason
// for ErrorInfo (see remote.proto).
struct RemoteOutcome {
  absl::Status status;
  std::string reason;
  v1::RemoteCallResponse response;
};

class CallRouter {
 public:
  explicit CallRouter(Supervisor* supervisor) : supervisor_(supervisor) {}

  // Runs a command of `module`. A module that can't answer is a Result too:
  // -EOPNOTSUPP (not enabled), -EAGAIN (starting again; queue full), -EIO (has
  // failed; went away), -ETIMEDOUT, -ECANCELED, -EDEADLK (a cycle).
  std::shared_ptr<Ticket> RunCommand(const std::string& module, command::Invocation invocation,
                                     command::ResultCallback callback);

  // Calls a method of a module.
  std::shared_ptr<Ticket> Call(RemoteCall call, absl::AnyInvocable<void(RemoteOutcome)> callback);

 private:
  struct Link {
    std::string module;
    std::string what;  // "osd status", "method()"
    std::string parent;
    absl::Time deadline;
  };

  // Notes a request under a new call id. FAILED_PRECONDITION: it would wait for itself; the
  // message shows the chain. Shortens `deadline` to that of the parent.
  absl::StatusOr<std::string> Enter(const std::string& module, const std::string& what,
                                    const std::string& parent, absl::Time* deadline);
  void Leave(const std::string& call_id);
  void Start(const std::string& module, std::string who, std::string only_instance,
             absl::Time deadline, v1::AttachResponse request, std::shared_ptr<Ticket> ticket,
             Session::AnswerCallback callback);

  Supervisor* const supervisor_;
  absl::Mutex mu_;
  uint64_t next_id_ ABSL_GUARDED_BY(mu_) = 1;
  absl::flat_hash_map<std::string, Link> active_ ABSL_GUARDED_BY(mu_);
};

}  // namespace outpost::module

#endif  // OUTPOST_SERVER_MODULE_CALL_ROUTER_H_
