// Who makes a call. The gate finds that out before a service hears of the call, and writes
// it into the call's context; services read it there.
#ifndef OUTPOST_SERVER_RPC_IDENTITY_H_
#define OUTPOST_SERVER_RPC_IDENTITY_H_

#include <grpcpp/server_context.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/auth/caps.h"
#include "server/auth/peer.h"
#include "server/module/process_policy.h"

namespace outpost::auth {
struct AuditRecord;
}  // namespace outpost::auth

namespace outpost::rpc {

class CallPace;

// Who makes a call, and what they may do. Immutable once the gate has let the call in.
struct Caller {
  std::string module;  // empty: a user
  std::string name;    // "module/<name>" or "user/<name>"
  auth::Caps caps;
  std::optional<auth::Caps> asked;  // of a module: no more than its manifest asks for
  // That a module may make.
  double calls_per_second = static_cast<double>(module::ModuleRates().calls);
  std::shared_ptr<const auth::Peer> peer;  // of the connection
  std::string address;                     // for networks in caps; empty: this host
  std::string from;                        // for people: "uid 0, pid 17", "ipv4:10.1.2.3:4711"

  bool may_do_all() const { return caps.allows_all() && !asked.has_value(); }
  // Whether they may; the address of `need` is filled in.
  bool May(auth::Need need) const;
  // PERMISSION_DENIED, which says who may not do `what`, what is missing, and how an
  // operator grants it.
  absl::Status Denied(absl::string_view what, const auth::Need& need) const;
};

// What each call has, where its server was started by StartServer.
class CallContext final : public grpc::CallbackServerContext {
 public:
  // Whether the caller of a stream still may what they were let in for. May be asked while the
  // stream is open, from any thread.
  using Still = std::function<absl::Status()>;

  CallContext();
  ~CallContext() override;

  Caller caller;
  // Of a stream. Rights may be taken back while it is open. Null: nobody has to ask.
  std::shared_ptr<const Still> still;
  // Of a call with one answer, that may change something: what is written when it ends. Null:
  // nothing.
  std::unique_ptr<auth::AuditRecord> audit;
  CallPace* pace = nullptr;  // in which calls of this caller begin; null: no gate has seen it
};

// Gives each call a CallContext, with `initial` as its caller: for the server's builder.
std::unique_ptr<grpc::ContextAllocator> MakeContextAllocator(Caller initial = {});

// Who makes the call of `context`. Of a call that no gate has seen: nobody, without a name
// and without rights.
const Caller& CallerOf(const grpc::CallbackServerContext& context);

// CallContext::still of `context`; null of a call that no gate has seen.
std::shared_ptr<const CallContext::Still> StillOf(const grpc::CallbackServerContext& context);

// Runs `refuse`, which ends the call of `context`, as it may not be made: now or, on another
// thread, when it is the caller's turn, as a refusal counts as CallPace::kRefused calls. The call
// is not to end before.
void RefuseInTurn(const grpc::CallbackServerContext& context, absl::AnyInvocable<void()> refuse);

// Before the call ends: what it has come to, for the audit, where its status does not say that:
// 0, or a negative errno, and why.
void NoteResult(grpc::CallbackServerContext* context, int result, const std::string& error);

// The name of the module that makes the call. PERMISSION_DENIED: none does; the
// message begins with `rule`.
absl::StatusOr<std::string> CallingModule(const grpc::CallbackServerContext& context,
                                          absl::string_view rule);

// The module that a request means: the one it names or, where it names none, the
// caller. INVALID_ARGUMENT: neither. PERMISSION_DENIED: a module names another.
absl::StatusOr<std::string> MeantModule(const Caller& caller, const std::string& named);

// When the call's deadline is, by internal::SteadyNow; InfiniteFuture where it has none.
absl::Time DeadlineOf(const grpc::CallbackServerContext& context);

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_IDENTITY_H_
