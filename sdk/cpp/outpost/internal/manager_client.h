// ManagerClient makes a module's calls to the manager outside the session.
//
// **Thread safety.** All methods may be called from any thread; those that give a
// status block until the manager answers.
//
// **Invariants.**
// 1. Before Connect every call gives FAILED_PRECONDITION.
// 2. A call made in a handler (see ScopedCall) ends with its caller's deadline or
//    cancellation, and names its call as parent.
// 3. Every SendCommand callback runs once; after Disconnect returned, none runs.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_MANAGER_CLIENT_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_MANAGER_CLIENT_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "outpost/cluster.h"
#include "outpost/command_result.h"
#include "outpost/health.h"
#include "outpost/json.h"
#include "outpost/options.h"
#include "outpost/store.h"
#include "outpost/structure.h"

namespace outpost::internal {

class ManagerClient {
 public:
  // Who the module is to which manager.
  struct Identity {
    std::string module;
    std::string session_key;
    std::string manager_id;
    std::string manager_instance;
  };
  // Runs a task on the module's event thread.
  using EventThread = std::function<void(absl::AnyInvocable<void()>)>;

  ManagerClient(absl::Duration call_timeout, absl::Duration work_timeout);
  ~ManagerClient();

  void Connect(const std::shared_ptr<grpc::Channel>& channel, EventThread event_thread);
  // Cancels what SendCommand started, and waits for it.
  void Disconnect();

  // The module was configured: calls are made as `identity` from here on. True:
  // this is another manager process than before.
  bool SetIdentity(Identity identity);
  Identity identity() const;

  // A structure has a newer version: what is kept of an older one is dropped.
  void ForgetOlder(absl::string_view name, uint64_t version);

  absl::StatusOr<StructureRef> Get(absl::string_view name);
  absl::StatusOr<StructureRef> GetPart(absl::string_view name, absl::string_view pointer);
  absl::StatusOr<bool> HaveMonConnection();
  absl::StatusOr<Server> GetServer(absl::string_view hostname);
  absl::StatusOr<std::vector<Server>> ListServers();
  absl::StatusOr<std::map<std::string, std::string>> GetMetadata(const Daemon& daemon);
  absl::StatusOr<std::map<std::string, std::string>> GetDaemonStatus(const Daemon& daemon);
  absl::StatusOr<std::vector<CounterSchema>> GetPerfSchema(const Daemon& daemon);
  absl::StatusOr<std::vector<CounterSeries>> GetCounters(const CounterQuery& query);
  absl::StatusOr<std::vector<DaemonHealth>> GetDaemonHealthMetrics(const Daemon& daemon);

  absl::StatusOr<std::optional<std::string>> GetOption(std::string key);
  // nullopt removes it. What the manager answers is put into `values`.
  absl::Status SetOption(OptionValues& values, absl::string_view name,
                         std::optional<std::string> value, bool localized);
  absl::StatusOr<std::optional<std::string>> GetClusterOption(absl::string_view entity,
                                                              absl::string_view name);

  absl::StatusOr<std::optional<std::string>> GetStore(absl::string_view key);
  absl::Status SetStore(absl::string_view key, const std::optional<std::string>& value);
  absl::StatusOr<std::map<std::string, std::string>> GetStorePrefix(absl::string_view prefix);
  absl::Status Apply(const StoreBatch& batch);

  absl::StatusOr<Json> Remote(absl::string_view module, absl::string_view method, const Json& args,
                              const Json& kwargs);

  // `callback` runs on a gRPC thread.
  void SendCommand(const ClusterCommand& command,
                   std::function<void(absl::StatusOr<CommandResult>)> callback);
  void RunOnEventThread(absl::AnyInvocable<void()> task);

  absl::Status SetHealthChecks(const std::vector<HealthCheck>& checks);
  // Sets the checks last set again, where there are any.
  absl::Status ResendHealthChecks();

 private:
  struct Stubs;

  absl::StatusOr<std::shared_ptr<Stubs>> stubs() const;
  // Who calls, until when.
  void Prepare(grpc::ClientContext& context, absl::Duration timeout) const;
  // One blocking call; errors say what was asked for.
  template <typename Stub, typename Request, typename Response>
  absl::Status Call(std::unique_ptr<Stub> Stubs::*service,
                    grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response* response,
                    std::optional<absl::Duration> timeout = std::nullopt) const;
  absl::Status SendHealthChecks(const std::vector<HealthCheck>& checks) const;

  const absl::Duration call_timeout_;
  const absl::Duration work_timeout_;

  mutable absl::Mutex mu_;
  std::shared_ptr<Stubs> stubs_ ABSL_GUARDED_BY(mu_);
  EventThread event_thread_ ABSL_GUARDED_BY(mu_);
  Identity identity_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, StructureRef, std::less<>> structures_ ABSL_GUARDED_BY(mu_);
  std::optional<std::vector<HealthCheck>> health_checks_ ABSL_GUARDED_BY(mu_);
};

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_MANAGER_CLIENT_H_
