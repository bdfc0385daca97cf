#include "server/rpc/identity.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace outpost::rpc {

absl::StatusOr<Caller> IdentifyCaller(const grpc::CallbackServerContext& context,
                                      const module::Supervisor& supervisor) {
  const auto& metadata = context.client_metadata();
  const auto key = metadata.find("outpost-session");
  if (key == metadata.end()) return Caller{.module = "", .name = "client"};
  const auto session =
      supervisor.FindByKey(absl::string_view(key->second.data(), key->second.size()));
  if (session == nullptr) {
    return absl::UnauthenticatedError(
        "the metadata entry outpost-session holds the key of no session; attach again");
  }
  return Caller{.module = session->name(), .name = absl::StrCat("module/", session->name())};
}

absl::StatusOr<std::string> CallingModule(const grpc::CallbackServerContext& context,
                                          const module::Supervisor& supervisor,
                                          absl::string_view rule) {
  absl::StatusOr<Caller> caller = IdentifyCaller(context, supervisor);
  if (!caller.ok()) return caller.status();
  if (!caller->module.empty()) return std::move(caller->module);
  return absl::PermissionDeniedError(
      absl::StrCat(rule, "; the call has no outpost-session metadata"));
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
  const auto deadline = context.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) return absl::InfiniteFuture();
  // For two seconds after the wall clock was set absl::Now() may not know of that, as gRPC does: by
  // one clock of the two alone the time that is left is right.
  return absl::Now() + absl::FromChrono(deadline - std::chrono::system_clock::now());
}

}  // namespace outpost::rpc
