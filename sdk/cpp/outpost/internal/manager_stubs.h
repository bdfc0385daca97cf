// The manager's services, and one blocking call to one of them.
//
// **Thread safety.** Stubs and calls may be used from any thread.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_MANAGER_STUBS_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_MANAGER_STUBS_H_

#include <memory>
#include <optional>
#include <stop_token>

#include "absl/status/status.h"
#include "outpost/call_context.h"
#include "outpost/internal/manager_connection.h"
#include "outpost/internal/wire.h"
#include "outpost/v1/auth.grpc.pb.h"
#include "outpost/v1/cluster.grpc.pb.h"
#include "outpost/v1/commands.grpc.pb.h"
#include "outpost/v1/config.grpc.pb.h"
#include "outpost/v1/health.grpc.pb.h"
#include "outpost/v1/key_value.grpc.pb.h"
#include "outpost/v1/manager.grpc.pb.h"
#include "outpost/v1/notifications.grpc.pb.h"
#include "outpost/v1/progress.grpc.pb.h"
#include "outpost/v1/remote.grpc.pb.h"

namespace outpost::internal {

struct ManagerStubs {
  explicit ManagerStubs(const std::shared_ptr<grpc::Channel>& channel)
      : auth(v1::Auth::NewStub(channel)),
        cluster(v1::Cluster::NewStub(channel)),
        commands(v1::Commands::NewStub(channel)),
        config(v1::Config::NewStub(channel)),
        health(v1::Health::NewStub(channel)),
        key_value(v1::KeyValue::NewStub(channel)),
        manager(v1::Manager::NewStub(channel)),
        notifications(v1::Notifications::NewStub(channel)),
        progress(v1::Progress::NewStub(channel)),
        remote(v1::Remote::NewStub(channel)) {}

  std::unique_ptr<v1::Auth::Stub> auth;
  std::unique_ptr<v1::Cluster::Stub> cluster;
  std::unique_ptr<v1::Commands::Stub> commands;
  std::unique_ptr<v1::Config::Stub> config;
  std::unique_ptr<v1::Health::Stub> health;
  std::unique_ptr<v1::KeyValue::Stub> key_value;
  std::unique_ptr<v1::Manager::Stub> manager;
  std::unique_ptr<v1::Notifications::Stub> notifications;
  std::unique_ptr<v1::Progress::Stub> progress;
  std::unique_ptr<v1::Remote::Stub> remote;
};

// One blocking call, at most for `timeout` (none: the connection's). In a handler
// it ends when the handler's caller goes away.
template <typename Stub, typename Request, typename Response>
absl::Status CallManager(const ManagerConnection& connection,
                         std::unique_ptr<Stub> ManagerStubs::*service,
                         grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                      Response*),
                         const Request& request, Response* response,
                         std::optional<absl::Duration> timeout = std::nullopt) {
  auto stubs = connection.stubs();
  if (!stubs.ok()) return stubs.status();
  grpc::ClientContext context;
  connection.Prepare(context, timeout.value_or(connection.call_timeout()));
  const CallState* call = ScopedCall::Current();
  std::stop_callback cancel(call == nullptr ? std::stop_token() : call->stop.get_token(),
                            [&context] { context.TryCancel(); });
  return FromGrpcStatus((((**stubs).*service).get()->*method)(&context, request, response));
}

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_MANAGER_STUBS_H_
