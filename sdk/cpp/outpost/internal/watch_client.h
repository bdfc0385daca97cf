// WatchClient makes a module's watches, and ends them with the session.
//
// **Thread safety.** All methods may be called from any thread; Close blocks until nothing is
// read any more.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_WATCH_CLIENT_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_WATCH_CLIENT_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "outpost/internal/manager_connection.h"
#include "outpost/internal/watcher.h"
#include "outpost/watch.h"

namespace outpost::internal {

class WatchClient {
 public:
  // `connection` outlives this.
  explicit WatchClient(const ManagerConnection& connection) : connection_(connection) {}
  ~WatchClient() { Close(); }

  // `event_thread` runs callbacks, `warn` writes to the log; both until Close.
  void Connect(Watcher::EventThread event_thread, std::function<void(const std::string&)> warn);
  // The module is attached (again).
  void Attached();
  // Ends all watches; new ones are refused.
  void Close();

  // FAILED_PRECONDITION: the module is not attached yet, or ends.
  absl::StatusOr<Watch> Options(absl::string_view module,
                                std::function<void(const OptionChange&)> callback);
  absl::StatusOr<Watch> Store(absl::string_view prefix,
                              std::function<void(const StoreChange&)> callback);

 private:
  absl::StatusOr<Watch> Start(WatchCalls calls, Watcher::Callback callback);
  // Those that are not gone.
  std::vector<std::shared_ptr<Watcher>> Watchers();

  const ManagerConnection& connection_;

  absl::Mutex mu_;
  Watcher::EventThread event_thread_ ABSL_GUARDED_BY(mu_);  // null: not connected, or closed
  std::function<void(const std::string&)> warn_ ABSL_GUARDED_BY(mu_);
  std::vector<std::weak_ptr<Watcher>> watchers_ ABSL_GUARDED_BY(mu_);
};

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_WATCH_CLIENT_H_
