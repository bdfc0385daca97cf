// The adaptor of outpost.v1.Auth. gRPC calls it from its own threads.
#ifndef OUTPOST_SERVER_RPC_AUTH_SERVICE_H_
#define OUTPOST_SERVER_RPC_AUTH_SERVICE_H_

#include "outpost/v1/auth.grpc.pb.h"
#include "server/auth/audit_log.h"
#include "server/auth/entities.h"
#include "server/rpc/callers_at_work.h"
#include "server/rpc/open_streams.h"

namespace outpost::rpc {

class AuthService final : public v1::Auth::CallbackService, public WithLimitedStreams {
 public:
  // All outlive the service.
  AuthService(const auth::Entities* entities, auth::AuditLog* audit, const CallersAtWork* at_work)
      : entities_(entities), audit_(audit), at_work_(at_work) {}

  grpc::ServerUnaryReactor* IsAuthorized(grpc::CallbackServerContext* context,
                                         const v1::IsAuthorizedRequest* request,
                                         v1::IsAuthorizedResponse* response) override;
  grpc::ServerWriteReactor<v1::TailAuditResponse>* TailAudit(
      grpc::CallbackServerContext* context, const v1::TailAuditRequest* request) override;

 private:
  const auth::Entities* const entities_;
  auth::AuditLog* const audit_;
  const CallersAtWork* const at_work_;
};

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_AUTH_SERVICE_H_
