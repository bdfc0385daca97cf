// The adaptor of outpost.v1.Manager. gRPC calls it from its own threads.
#ifndef OUTPOST_SERVER_RPC_MANAGER_SERVICE_H_
#define OUTPOST_SERVER_RPC_MANAGER_SERVICE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "outpost/v1/manager.grpc.pb.h"
#include "server/cluster/cluster_state.h"
#include "server/cluster/source.h"
#include "server/command/dispatcher.h"
#include "server/event/moment.h"
#include "server/health/health_registry.h"
#include "server/log/log_history.h"
#include "server/module/event_log.h"
#include "server/module/supervisor.h"
#include "server/rpc/open_streams.h"
#include "server/store/state_store.h"

namespace outpost::rpc {

class ManagerService final : public v1::Manager::CallbackService, public WithLimitedStreams {
 public:
  struct Parts {  // all outlive the service
    std::string manager_id;
    std::string instance;
    std::string version;
    event::Moment started;
    module::Supervisor* supervisor;
    const command::Dispatcher* dispatcher;
    const cluster::ClusterState* cluster;
    const cluster::Source* source;
    const store::StateStore* store;
    const health::HealthRegistry* health;
    log::LogHistory* log;
    module::EventLog* events;
  };
  explicit ManagerService(Parts parts) : parts_(std::move(parts)) {}

  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                      const v1::GetStatusRequest* request,
                                      v1::GetStatusResponse* response) override;
  grpc::ServerUnaryReactor* ListManagers(grpc::CallbackServerContext* context,
                                         const v1::ListManagersRequest* request,
                                         v1::ListManagersResponse* response) override;
  grpc::ServerUnaryReactor* FailManager(grpc::CallbackServerContext* context,
                                        const v1::FailManagerRequest* request,
                                        v1::FailManagerResponse* response) override;
  grpc::ServerUnaryReactor* ListModules(grpc::CallbackServerContext* context,
                                        const v1::ListModulesRequest* request,
                                        v1::ListModulesResponse* response) override;
  grpc::ServerUnaryReactor* DescribeModule(grpc::CallbackServerContext* context,
                                           const v1::DescribeModuleRequest* request,
                                           v1::DescribeModuleResponse* response) override;
  grpc::ServerUnaryReactor* EnableModule(grpc::CallbackServerContext* context,
                                         const v1::EnableModuleRequest* request,
                                         v1::EnableModuleResponse* response) override;
  grpc::ServerUnaryReactor* DisableModule(grpc::CallbackServerContext* context,
                                          const v1::DisableModuleRequest* request,
                                          v1::DisableModuleResponse* response) override;
  grpc::ServerUnaryReactor* RestartModule(grpc::CallbackServerContext* context,
                                          const v1::RestartModuleRequest* request,
                                          v1::RestartModuleResponse* response) override;
  grpc::ServerUnaryReactor* UpgradeModule(grpc::CallbackServerContext* context,
                                          const v1::UpgradeModuleRequest* request,
                                          v1::UpgradeModuleResponse* response) override;
  grpc::ServerWriteReactor<v1::TailLogResponse>* TailLog(
      grpc::CallbackServerContext* context, const v1::TailLogRequest* request) override;
  grpc::ServerWriteReactor<v1::TailEventsResponse>* TailEvents(
      grpc::CallbackServerContext* context, const v1::TailEventsRequest* request) override;
  grpc::ServerUnaryReactor* SetUri(grpc::CallbackServerContext* context,
                                   const v1::SetUriRequest* request,
                                   v1::SetUriResponse* response) override;

 private:
  // What the manager uses and has done.
  v1::ManagerStats Stats() const;
  // NOT_FOUND: nobody of this name writes to the log.
  absl::Status CheckLogSource(const std::string& name) const;
  // NOT_FOUND: nothing is known of such a module.
  absl::Status CheckEventSource(const std::string& name) const;

  const Parts parts_;
};

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_MANAGER_SERVICE_H_
