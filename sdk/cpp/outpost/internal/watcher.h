// Watcher keeps one watch alive: it opens the manager's stream, reads what there is, tells of
// what is another than was told before, and goes on with the stream; again whenever that ends.
//
// **Thread safety.** All methods may be called from any thread. It reads on a thread of its
// own; the module's callback runs on the event thread.
//
// **Invariants.**
// 1. The next change is read when the module's callback has heard the last one: nothing waits
//    here, and a manager whose reader is too slow cuts it off, which ends in reading anew.
// 2. The callback is told of a value only if it is another than what it was told last.
// 3. After Stop the callback is not begun; after AwaitCallback, too, it does not run.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_WATCHER_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_WATCHER_H_

#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "outpost/internal/backoff.h"
#include "outpost/internal/manager_connection.h"
#include "outpost/internal/steady_wait.h"

namespace outpost::internal {

// A value that something watched has now; nullopt: it is gone.
struct Watched {
  std::string key;
  std::optional<std::string> value;
  uint64_t revision = 0;  // as in OptionValue; 0: there are none
};

// The manager's stream of changes. Its calls block, and end when the call is cancelled.
class ChangeStream {
 public:
  virtual ~ChangeStream() = default;
  // The manager watches from here on, or has refused.
  virtual void AwaitBegin() = 0;
  // False: it is over.
  virtual bool Next(Watched* change) = 0;
  virtual grpc::Status Finish() = 0;
};

// What is watched, and how it is asked for.
struct WatchCalls {
  std::string what;  // "keys \"job/\"", for messages
  std::function<std::unique_ptr<ChangeStream>(ManagerStubs&, grpc::ClientContext*)> open;
  std::function<absl::StatusOr<std::vector<Watched>>(ManagerStubs&, grpc::ClientContext*)> list;
};

class Watcher : public std::enable_shared_from_this<Watcher> {
 public:
  using Callback = std::function<void(const Watched&)>;
  using EventThread = std::function<void(absl::AnyInvocable<void()>)>;

  // `connection`, `event_thread` and `warn` are used until Stop has returned.
  static std::shared_ptr<Watcher> Start(const ManagerConnection& connection, WatchCalls calls,
                                        Callback callback, EventThread event_thread,
                                        std::function<void(const std::string&)> warn);
  ~Watcher();

  absl::Status status() const;
  absl::Status AwaitPresent(absl::Duration timeout) const;

  // The module is attached again: worth a try at once.
  void Wake();
  // Ends it, and waits until nothing is read any more.
  void Stop();
  // Waits for a callback that runs, unless it is on this thread.
  void AwaitCallback();

 private:
  Watcher(const ManagerConnection& connection, WatchCalls calls, Callback callback,
          EventThread event_thread, std::function<void(const std::string&)> warn);

  void Run();
  // Reads until the stream ends, or it is stopped; says why it ended. `read`: there was
  // something to read.
  absl::Status ReadOnce(bool* read);
  // Makes the context of the call that is made now; null: it is stopped.
  std::unique_ptr<grpc::ClientContext> BeginCall();
  void EndCall();
  // Tells the callback of those of `values` that are news to it. `all`: what is not among
  // them is gone. False: it is stopped.
  bool Tell(std::vector<Watched> values, bool all);
  void RunCallback(const std::vector<Watched>& news);

  const ManagerConnection& connection_;
  const WatchCalls calls_;
  const Callback callback_;
  const EventThread event_thread_;
  const std::function<void(const std::string&)> warn_;

  // The reading thread's own.
  std::map<std::string, Watched> told_;  // by key
  Backoff backoff_;

  mutable absl::Mutex mu_;
  mutable SteadyCondVar changed_;  // stopped_, present_, woken_, end_
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  bool present_ ABSL_GUARDED_BY(mu_) = false;
  bool woken_ ABSL_GUARDED_BY(mu_) = false;
  bool heard_ ABSL_GUARDED_BY(mu_) = false;  // the callback, what it was told last
  absl::Status end_ ABSL_GUARDED_BY(mu_);    // why it has ended for good
  grpc::ClientContext* call_ ABSL_GUARDED_BY(mu_) = nullptr;
  bool calling_ ABSL_GUARDED_BY(mu_) = false;  // the callback runs
  std::thread::id caller_ ABSL_GUARDED_BY(mu_);

  absl::Mutex join_mu_;
  std::thread thread_ ABSL_GUARDED_BY(join_mu_);
};

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_WATCHER_H_
