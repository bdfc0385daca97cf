// The adaptor of outpost.v1.ModuleHost: a stream becomes a session.
//
// **Thread safety.** gRPC calls it from its own threads.
#ifndef OUTPOST_SERVER_RPC_MODULE_HOST_SERVICE_H_
#define OUTPOST_SERVER_RPC_MODULE_HOST_SERVICE_H_

#include "outpost/v1/module_host.grpc.pb.h"
#include "server/module/supervisor.h"
#include "server/notify/notification_hub.h"
#include "server/rpc/open_streams.h"

namespace outpost::rpc {

class ModuleHostService final : public v1::ModuleHost::CallbackService, public WithLimitedStreams {
 public:
  // Both outlive the service. `relayed_tokens`: who may do all may also bring a module's token
  // from another process than the module's.
  ModuleHostService(module::Supervisor* supervisor, notify::NotificationHub* hub,
                    bool relayed_tokens = false)
      : supervisor_(supervisor), hub_(hub), relayed_tokens_(relayed_tokens) {}

  grpc::ServerBidiReactor<v1::AttachRequest, v1::AttachResponse>* Attach(
      grpc::CallbackServerContext* context) override;

 private:
  module::Supervisor* const supervisor_;
  notify::NotificationHub* const hub_;
  const bool relayed_tokens_;
};

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_MODULE_HOST_SERVICE_H_
