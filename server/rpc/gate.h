// The gate stands before every RPC of every service: it finds out who calls, and whether
// they may, by the table of rights, and refuses before the request is parsed and the
// service hears of it.
//
// Services are registered with gRPC through a GatedService alone (see StartServer), which
// has the methods of a service by its descriptor: so an RPC can't be left out.
//
// **Thread safety.** gRPC calls it from its own threads. What is admitted is decided
// without a lock held, from what the session, the peer and the entity are at that time.
#ifndef OUTPOST_SERVER_RPC_GATE_H_
#define OUTPOST_SERVER_RPC_GATE_H_

#include <grpcpp/impl/service_type.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/auth/audit_log.h"
#include "server/auth/caps.h"
#include "server/auth/entities.h"
#include "server/auth/peer.h"
#include "server/module/supervisor.h"
#include "server/rpc/call_pace.h"
#include "server/rpc/identity.h"
#include "server/rpc/rights.h"

namespace outpost::rpc {

// Where a call comes from.
struct Origin {
  std::shared_ptr<const auth::Peer> peer;
  std::string address;  // as in Caller
  std::string from;     // as in Caller
};

class Gate {
 public:
  struct Parts {  // all outlive the gate
    const module::Supervisor* supervisor;
    const auth::Entities* entities;
    auth::AuditLog* audit;
    // The connection of a call.
    std::function<Origin(const grpc::CallbackServerContext&)> origin;
    std::function<bool(const auth::Peer&)> is_revoked;
    // Hears of each call of somebody who has caps, whatever they call.
    std::function<void(const Caller&)> known = {};
  };
  explicit Gate(Parts parts) : parts_(std::move(parts)) {}

  // Finds the caller of `context`, and writes it there. UNAUTHENTICATED: nobody that is
  // known, or a session's key that does not count (here). PERMISSION_DENIED: they have not
  // the right. A stream can be asked later whether they still may.
  absl::Status Admit(const Right& right, bool is_stream,
                     const std::function<std::string()>& request, CallContext* context) const;

 private:
  absl::Status Decide(const Right& right, bool is_stream,
                      const std::function<std::string()>& request, CallContext* context) const;
  // Whether they may, of whom it is known who they are.
  static absl::Status MayCall(const Right& right, const Subject& subject, const Caller& caller);
  // Whether who was admitted to a stream would be, now.
  absl::Status StillMay(const Right& right, const Subject& subject, Caller caller) const;
  absl::Status Identify(CallContext* context) const;

  const Parts parts_;
};

// A service of which each method passes the gate first.
class GatedService final : public grpc::Service {
 public:
  // `service`, of the full name `name`, `gate`, and `pace`, which modules and whoever
  // is refused are held to, outlive it. NOT_FOUND names an RPC that the table of rights has not.
  static absl::StatusOr<std::unique_ptr<GatedService>> Create(const std::string& name,
                                                              grpc::Service* service,
                                                              const Gate* gate, CallPace* pace);

 private:
  GatedService() = default;

  std::deque<std::string> paths_;  // that the methods point to
};

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_GATE_H_
