// The adaptor of outpost.v1.Commands. gRPC calls it from its own threads.
#ifndef OUTPOST_SERVER_RPC_COMMANDS_SERVICE_H_
#define OUTPOST_SERVER_RPC_COMMANDS_SERVICE_H_

#include <functional>
#include <string>

#include "outpost/v1/commands.grpc.pb.h"
#include "server/auth/audit_log.h"
#include "server/cluster/source.h"
#include "server/command/command_table.h"
#include "server/command/dispatcher.h"
#include "server/command/keyed_runs.h"
#include "server/module/supervisor.h"
#include "server/notify/notification_hub.h"
#include "server/rpc/callers_at_work.h"

namespace outpost::rpc {

class CommandsService final : public v1::Commands::CallbackService {
 public:
  struct Parts {  // all outlive the service
    command::Dispatcher* dispatcher;
    command::KeyedRuns* keyed_runs;
    command::CommandTable* table;
    module::Supervisor* supervisor;
    cluster::Source* source;
    notify::NotificationHub* hub;
    auth::AuditLog* audit;
    CallersAtWork* at_work;
    // Whether an option ("mgr/<module>/<option>") is declared as secret.
    std::function<bool(const std::string&)> is_secret_option;
    // What could be typed for parameters; may be empty.
    command::CommandTable::KnownValues known_values;
  };
  explicit CommandsService(Parts parts) : parts_(std::move(parts)) {}

  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* context,
                                 const v1::CommandsListRequest* request,
                                 v1::CommandsListResponse* response) override;
  grpc::ServerUnaryReactor* Run(grpc::CallbackServerContext* context,
                                const v1::CommandsRunRequest* request,
                                v1::CommandsRunResponse* response) override;
  grpc::ServerUnaryReactor* Complete(grpc::CallbackServerContext* context,
                                     const v1::CommandsCompleteRequest* request,
                                     v1::CommandsCompleteResponse* response) override;
  grpc::ServerUnaryReactor* SendClusterCommand(grpc::CallbackServerContext* context,
                                               const v1::SendClusterCommandRequest* request,
                                               v1::SendClusterCommandResponse* response) override;

 private:
  const Parts parts_;
};

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_COMMANDS_SERVICE_H_
