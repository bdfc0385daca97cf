// The adaptor of outpost.v1.ModuleHost: a stream becomes a session.
//
// **Thread safety.** gRPC calls it from its own threads.
#ifndef OUTPOST_SERVER_RPC_MODULE_HOST_SERVICE_H_
#define OUTPOST_SERVER_RPC_MODULE_HOST_SERVICE_H_

#include <memory>

#include "outpost/v1/module_host.grpc.pb.h"
#include "server/auth/audit_log.h"
#include "server/event/timer_queue.h"
#include "server/module/supervisor.h"
#include "server/notify/notification_hub.h"
#include "server/rpc/open_streams.h"

namespace outpost::rpc {

class ModuleHostService final : public v1::ModuleHost::CallbackService, public WithLimitedStreams {
 public:
  // All outlive the service. `relayed_tokens`: who may do all may also bring a module's token
  // from another process than the module's.
  ModuleHostService(module::Supervisor* supervisor, notify::NotificationHub* hub,
                    auth::AuditLog* audit, event::TimerQueue* timers, bool relayed_tokens = false);

  grpc::ServerBidiReactor<v1::AttachRequest, v1::AttachResponse>* Attach(
      grpc::CallbackServerContext* context) override;

 private:
  class Refusals;
  struct Parts {
    module::Supervisor* supervisor;
    notify::NotificationHub* hub;
    auth::AuditLog* audit;
    event::TimerQueue* timers;
    bool relayed_tokens;
    std::shared_ptr<Refusals> refusals;
  };
  class AttachReactor;

  const Parts parts_;
};

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_MODULE_HOST_SERVICE_H_
