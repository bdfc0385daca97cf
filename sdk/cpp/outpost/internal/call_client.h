// CallClient makes the module's calls to other modules and to the cluster's daemons.
//
// **Thread safety.** All methods may be called from any thread; those that give a
// status block until there is an answer.
//
// **Invariants.** Every Send callback runs once; after Disconnect returned, none runs.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_CALL_CLIENT_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_CALL_CLIENT_H_

#include <functional>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "outpost/cluster.h"
#include "outpost/command_result.h"
#include "outpost/internal/command_sender.h"
#include "outpost/internal/manager_connection.h"
#include "outpost/json.h"

namespace outpost::internal {

class CallClient {
 public:
  // Runs a task on the module's event thread.
  using EventThread = std::function<void(absl::AnyInvocable<void()>)>;

  // `connection` outlives this. `work_timeout`: for Remote. `answered` is called before
  // whoever asked learns of an answer: what it comes of may have changed the cluster.
  CallClient(const ManagerConnection& connection, absl::Duration work_timeout,
             std::function<void()> answered)
      : connection_(connection), work_timeout_(work_timeout), answered_(std::move(answered)) {}
  ~CallClient() { Disconnect(); }

  void Connect(const std::shared_ptr<grpc::Channel>& channel, EventThread event_thread);
  // Cancels what Send started, and waits for it.
  void Disconnect();

  absl::StatusOr<Json> Remote(absl::string_view module, absl::string_view method, const Json& args,
                              const Json& kwargs);

  // Sends a command and waits.
  absl::StatusOr<CommandResult> Command(const ClusterCommand& command);
  // `callback` runs on a gRPC thread.
  void Send(const ClusterCommand& command, CommandSender::Callback callback);
  void RunOnEventThread(absl::AnyInvocable<void()> task);

 private:
  const ManagerConnection& connection_;
  const absl::Duration work_timeout_;
  const std::function<void()> answered_;

  absl::Mutex mu_;
  std::shared_ptr<CommandSender> sender_ ABSL_GUARDED_BY(mu_);
  EventThread event_thread_ ABSL_GUARDED_BY(mu_);
};

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_CALL_CLIENT_H_
