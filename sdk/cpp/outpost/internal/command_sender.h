// CommandSender sends commands to daemons of the cluster, without waiting.
//
// **Thread safety.** All methods may be called from any thread; Close blocks.
//
// **Invariants.**
// 1. Every callback runs once, on one of gRPC's threads; after Close none runs.
// 2. What holds the channel is let go of on the module's threads: the last
//    reference to a channel must not go on one of gRPC's.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_COMMAND_SENDER_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_COMMAND_SENDER_H_

#include <grpcpp/client_context.h>

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "outpost/cluster.h"
#include "outpost/command_result.h"
#include "outpost/v1/commands.grpc.pb.h"

namespace outpost::internal {

class CommandSender {
 public:
  using Callback = std::function<void(absl::StatusOr<CommandResult>)>;

  explicit CommandSender(std::unique_ptr<v1::Commands::Stub> stub) : stub_(std::move(stub)) {}
  ~CommandSender() { Close(); }
  CommandSender(const CommandSender&) = delete;
  CommandSender& operator=(const CommandSender&) = delete;

  // `prepare` sets the call's metadata and deadline.
  void Send(const ClusterCommand& command, const std::function<void(grpc::ClientContext&)>& prepare,
            Callback callback);

  // Cancels what was sent, and waits for the callbacks.
  void Close();

 private:
  struct Sent {
    grpc::ClientContext context;
    v1::SendClusterCommandRequest request;
    v1::SendClusterCommandResponse response;
  };

  const std::unique_ptr<v1::Commands::Stub> stub_;

  absl::Mutex mu_;
  std::map<Sent*, std::unique_ptr<Sent>> sent_ ABSL_GUARDED_BY(mu_);
  std::vector<std::unique_ptr<Sent>> answered_ ABSL_GUARDED_BY(mu_);
};

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_COMMAND_SENDER_H_
