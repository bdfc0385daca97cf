#include "server/rpc/identity.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "outpost/internal/steady_wait.h"
#include "server/auth/audit_log.h"
#include "server/rpc/call_pace.h"

namespace outpost::rpc {
namespace {

class ContextAllocator final : public grpc::ContextAllocator {
 public:
  explicit ContextAllocator(Caller initial) : initial_(std::move(initial)) {}
  grpc::CallbackServerContext* NewCallbackServerContext() override {
    auto context = std::make_unique<CallContext>();
    context->caller = initial_;
    return context.release();
  }
  void Release(grpc::CallbackServerContext* context) override {
    // A call of a method that there is not has a context of gRPC's own, and comes here, too.
    const std::unique_ptr<CallContext> owned(dynamic_cast<CallContext*>(context));
  }

 private:
  const Caller initial_;
};

// The grant that would meet `need`, as a person would write it.
std::string GrantFor(const auth::Need& need) {
  const std::string access = auth::AccessText(need.access);
  if (!need.module.empty()) return absl::StrCat("allow module ", need.module, " ", access);
  if (!need.service.empty()) return absl::StrCat("allow service ", need.service, " ", access);
  if (!need.command.empty()) return absl::StrCat("allow command \"", need.command, "\"");
  return absl::StrCat("allow ", access);
}

}  // namespace

bool Caller::May(auth::Need need) const {
  need.address = address;
  return caps.Allow(need) && (!asked.has_value() || asked->Allow(need));
}

absl::Status Caller::Denied(absl::string_view what, const auth::Need& need) const {
  const std::string grant = GrantFor(need);
  const std::string has = caps.ToString();
  if (asked.has_value() && caps.Allow(need)) {
    return absl::PermissionDeniedError(
        absl::StrCat(name, " may not ", what, ": its manifest (module.toml) asks for \"",
                     asked->ToString(), "\" alone; it needs \"", grant, "\" there"));
  }
  return absl::PermissionDeniedError(
      absl::StrCat(name, " may not ", what, ": it lacks \"", grant, "\"",
                   has.empty() ? " and has no caps" : absl::StrCat(", and has \"", has, "\""),
                   "; an administrator grants it: outpost auth caps ", name, " mgr '", has,
                   has.empty() ? "" : ", ", grant, "'"));
}

std::unique_ptr<grpc::ContextAllocator> MakeContextAllocator(Caller initial) {
  return std::make_unique<ContextAllocator>(std::move(initial));
}

const Caller& CallerOf(const grpc::CallbackServerContext& context) {
  static const auto* const kNobody = new Caller;
  const auto* call = dynamic_cast<const CallContext*>(&context);
  return call == nullptr ? *kNobody : call->caller;
}

CallContext::CallContext() = default;
CallContext::~CallContext() = default;

std::shared_ptr<const CallContext::Still> StillOf(const grpc::CallbackServerContext& context) {
  const auto* call = dynamic_cast<const CallContext*>(&context);
  return call == nullptr ? nullptr : call->still;
}

void RefuseInTurn(const grpc::CallbackServerContext& context, absl::AnyInvocable<void()> refuse) {
  const auto* call = dynamic_cast<const CallContext*>(&context);
  if (call == nullptr || call->pace == nullptr) return refuse();
  const Caller& caller = call->caller;
  call->pace->Run(caller.name.empty() ? caller.peer->name : caller.name, caller.calls_per_second,
                  CallPace::kRefused, std::move(refuse));
}

void NoteResult(grpc::CallbackServerContext* context, int result, const std::string& error) {
  auto* const call = dynamic_cast<CallContext*>(context);
  if (call == nullptr || call->audit == nullptr) return;
  call->audit->result = result;
  if (result < 0) call->audit->error = error;
}

absl::StatusOr<std::string> CallingModule(const grpc::CallbackServerContext& context,
                                          absl::string_view rule) {
  const Caller& caller = CallerOf(context);
  if (!caller.module.empty()) return caller.module;
  return absl::PermissionDeniedError(absl::StrCat(
      rule, "; the call has no outpost-session metadata, and ", caller.name, " is no module"));
}

absl::StatusOr<std::string> MeantModule(const Caller& caller, const std::string& named) {
  if (named.empty() && caller.module.empty()) {
    return absl::InvalidArgumentError("the field `module` is empty; say whose keys are meant");
  }
  if (!named.empty() && !caller.module.empty() && named != caller.module) {
    return absl::PermissionDeniedError(absl::StrCat(
        "module '", caller.module, "' may not reach the keys of module '", named, "'"));
  }
  return named.empty() ? caller.module : named;
}

absl::Time DeadlineOf(const grpc::CallbackServerContext& context) {
  // As gRPC has it: by a clock that is not set.
  const gpr_timespec deadline = context.raw_deadline();
  if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0) {
    return absl::InfiniteFuture();
  }
  const gpr_timespec left = gpr_time_sub(deadline, gpr_now(deadline.clock_type));
  return internal::SteadyNow() + absl::Seconds(left.tv_sec) + absl::Nanoseconds(left.tv_nsec);
}

}  // namespace outpost::rpc
