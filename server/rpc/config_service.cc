#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/rpc/finish.h"
#include "server/rpc/identity.h"
#include "server/rpc/not_yet_stream.h"
#include "server/rpc/state_services.h"

namespace outpost::rpc {
namespace {

// The whole key: a module may write just "<option>" for its own.
std::string WholeKey(const Caller& caller, const std::string& key) {
  if (caller.module.empty() || absl::StartsWith(key, "mgr/")) return key;
  return absl::StrCat("mgr/", caller.module, "/", key);
}

// A module may change its own options only.
absl::Status MayChange(const Caller& caller, const std::string& key) {
  if (caller.module.empty() || absl::StartsWith(key, absl::StrCat("mgr/", caller.module, "/"))) {
    return absl::OkStatus();
  }
  return absl::PermissionDeniedError(
      absl::StrCat("module '", caller.module, "' may not change the option ", key));
}

}  // namespace

grpc::ServerUnaryReactor* ConfigService::Get(grpc::CallbackServerContext* context,
                                             const v1::ConfigGetRequest* request,
                                             v1::ConfigGetResponse* response) {
  const absl::StatusOr<Caller> caller = IdentifyCaller(*context, *supervisor_);
  if (!caller.ok()) return FinishNow(context, caller.status());
  absl::StatusOr<v1::OptionValue> value = config_->Get(WholeKey(*caller, request->key()));
  if (!value.ok()) return FinishNow(context, value.status());
  *response->mutable_option() = *std::move(value);
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* ConfigService::Set(grpc::CallbackServerContext* context,
                                             const v1::ConfigSetRequest* request,
                                             v1::ConfigSetResponse* response) {
  const absl::StatusOr<Caller> caller = IdentifyCaller(*context, *supervisor_);
  if (!caller.ok()) return FinishNow(context, caller.status());
  const std::string key = WholeKey(*caller, request->key());
  if (auto status = MayChange(*caller, key); !status.ok()) return FinishNow(context, status);
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  config_->Set(key, request->value(), caller->name,
               [reactor, response](absl::StatusOr<v1::OptionValue> value) {
                 if (value.ok()) *response->mutable_option() = *std::move(value);
                 reactor->Finish(ToGrpc(value.status()));
               });
  return reactor;
}

grpc::ServerUnaryReactor* ConfigService::Remove(grpc::CallbackServerContext* context,
                                                const v1::ConfigRemoveRequest* request,
                                                v1::ConfigRemoveResponse* response) {
  const absl::StatusOr<Caller> caller = IdentifyCaller(*context, *supervisor_);
  if (!caller.ok()) return FinishNow(context, caller.status());
  const std::string key = WholeKey(*caller, request->key());
  if (auto status = MayChange(*caller, key); !status.ok()) return FinishNow(context, status);
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  config_->Remove(key, caller->name, [reactor, response](absl::StatusOr<v1::OptionValue> value) {
    if (value.ok()) *response->mutable_option() = *std::move(value);
    reactor->Finish(ToGrpc(value.status()));
  });
  return reactor;
}

grpc::ServerUnaryReactor* ConfigService::List(grpc::CallbackServerContext* context,
                                              const v1::ConfigListRequest* request,
                                              v1::ConfigListResponse* response) {
  for (auto& entry : config_->List(request->module(), request->only_set())) {
    *response->add_entries() = std::move(entry);
  }
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerWriteReactor<v1::ConfigWatchResponse>* ConfigService::Watch(
    grpc::CallbackServerContext*, const v1::ConfigWatchRequest*) {
  return new NotYetStream<v1::ConfigWatchResponse>(
      "a stream of the changes of options; a module gets those of its own as ConfigChanged");
}

grpc::ServerUnaryReactor* ConfigService::History(grpc::CallbackServerContext* context,
                                                 const v1::ConfigHistoryRequest* request,
                                                 v1::ConfigHistoryResponse* response) {
  constexpr uint32_t kDefaultLimit = 10;
  for (auto& change : config_->History(request->limit() == 0 ? kDefaultLimit : request->limit())) {
    *response->add_changes() = std::move(change);
  }
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* ConfigService::GetClusterOption(grpc::CallbackServerContext* context,
                                                          const v1::GetClusterOptionRequest*,
                                                          v1::GetClusterOptionResponse*) {
  return FinishNow(context, NotYet("the options of the cluster's own daemons"));
}

}  // namespace outpost::rpc
