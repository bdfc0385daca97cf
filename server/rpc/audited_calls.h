// AuditedCalls writes into the audit log what a call has come to that may change something: the
// gate notes the call (CallContext::audit), and an interceptor of gRPC's sees its end.
//
// **Thread safety.** gRPC calls it from its own threads.
#ifndef OUTPOST_SERVER_RPC_AUDITED_CALLS_H_
#define OUTPOST_SERVER_RPC_AUDITED_CALLS_H_

#include <grpcpp/support/server_interceptor.h>

#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "server/auth/audit_log.h"
#include "server/rpc/identity.h"

namespace outpost::rpc {

// What a request is about, for people: names, keys, ids, and no values.
// NOLINTNEXTLINE(bugprone-exception-escape): moving nlohmann::json, which is noexcept
struct CallSubject {
  nlohmann::json arguments;  // {"key": "mgr/hello/place"}; null: nothing is told
  bool hides = false;        // something is not told, which an error could tell
};

// Of a request of `method` ("outpost.v1.Config.Set").
CallSubject SubjectOfCall(absl::string_view method, absl::string_view request_bytes);

// A line of what `caller` begins now; who can't be identified, is named as their peer is.
auth::AuditRecord AuditLineOf(const Caller& caller);

// Makes it one of what was refused, and why.
void SetRefused(const absl::Status& why, auth::AuditRecord* line);

// Of calls with one answer. `audit` outlives it.
class AuditedCalls final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit AuditedCalls(auth::AuditLog* audit);

  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override;

 private:
  auth::AuditLog* const audit_;
  absl::flat_hash_set<std::string> paths_;  // of methods that may change something
};

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_AUDITED_CALLS_H_
