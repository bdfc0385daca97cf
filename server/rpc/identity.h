// Who makes a call: a module, known by the key of its session, or an operator,
// whom the socket's permissions have let in.
#ifndef OUTPOST_SERVER_RPC_IDENTITY_H_
#define OUTPOST_SERVER_RPC_IDENTITY_H_

#include <grpcpp/server_context.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/module/supervisor.h"

namespace outpost::rpc {

struct Caller {
  std::string module;  // empty: an operator
  std::string name;    // "module/<name>" or "client"
};

// Who makes the call of `context`. UNAUTHENTICATED: the session key in the
// metadata is of no session (any more).
absl::StatusOr<Caller> IdentifyCaller(const grpc::CallbackServerContext& context,
                                      const module::Supervisor& supervisor);

// The name of the module that makes the call. PERMISSION_DENIED: none does; the
// message begins with `rule`. Else as IdentifyCaller.
absl::StatusOr<std::string> CallingModule(const grpc::CallbackServerContext& context,
                                          const module::Supervisor& supervisor,
                                          absl::string_view rule);

// The module that a request means: the one it names or, where it names none, the
// caller. INVALID_ARGUMENT: neither. PERMISSION_DENIED: a module names another.
absl::StatusOr<std::string> MeantModule(const Caller& caller, const std::string& named);

// When the call's deadline is; InfiniteFuture where it has none.
absl::Time DeadlineOf(const grpc::CallbackServerContext& context);

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_IDENTITY_H_
