// ManagerConnection is who the module is to which manager, and over which channel
// its calls outside the session go.
//
// **Thread safety.** All methods may be called from any thread; none blocks on the
// network.
//
// **Invariants.**
// 1. Before Connect, and after Disconnect, stubs() gives FAILED_PRECONDITION.
// 2. A call prepared in a handler (see ScopedCall) ends with its caller's deadline.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_MANAGER_CONNECTION_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_MANAGER_CONNECTION_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace outpost::internal {

struct ManagerStubs;

// Who the module is to which manager, as Configure tells.
struct Identity {
  std::string module = {};
  std::string session_key = {};
  std::string manager_id = {};
  std::string manager_instance = {};
  std::string manager_version = {};
  std::string manager_ip = {};       // may be empty
  std::string cluster_id = {};       // may be empty
  std::string cluster_release = {};  // may be empty
  std::string log_file = {};         // the manager's; may be empty
};

class ManagerConnection {
 public:
  // `call_timeout`: for calls that the manager answers by itself.
  explicit ManagerConnection(absl::Duration call_timeout) : call_timeout_(call_timeout) {}

  void Connect(const std::shared_ptr<grpc::Channel>& channel);
  void Disconnect();

  // The module was configured: calls are made as `identity` from here on.
  void SetIdentity(Identity identity);
  Identity identity() const;

  absl::StatusOr<std::shared_ptr<ManagerStubs>> stubs() const;
  // Puts into a call who makes it, and until when.
  void Prepare(grpc::ClientContext& context, absl::Duration timeout) const;

  absl::Duration call_timeout() const { return call_timeout_; }

 private:
  const absl::Duration call_timeout_;

  mutable absl::Mutex mu_;
  std::shared_ptr<ManagerStubs> stubs_ ABSL_GUARDED_BY(mu_);
  Identity identity_ ABSL_GUARDED_BY(mu_);
};

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_MANAGER_CONNECTION_H_
