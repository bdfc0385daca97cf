#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/module/installed_modules.h"
#include "server/rpc/finish.h"
#include "server/rpc/identity.h"
#include "server/rpc/refused_stream.h"
#include "server/rpc/state_services.h"
#include "server/rpc/watch_stream.h"
#include "server/store/module_keys.h"

namespace outpost::rpc {
namespace {

// Writes `batch`, and ends the call with how that went.
grpc::ServerUnaryReactor* WriteAndFinish(grpc::CallbackServerContext* context,
                                         store::StateStore* store, store::Batch batch) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  store->Write(std::move(batch),
               [reactor](const absl::Status& status) { reactor->Finish(ToGrpc(status)); });
  return reactor;
}

}  // namespace

absl::StatusOr<std::string> KeyValueService::Prefix(const grpc::CallbackServerContext& context,
                                                    const std::string& module) const {
  const Caller& caller = CallerOf(context);
  const absl::StatusOr<std::string> meant = MeantModule(caller, module);
  if (!meant.ok()) return meant.status();
  if (auto status = module::ValidateModuleName(*meant); !status.ok()) return status;
  return store::PrefixOfModule(*meant);
}

grpc::ServerUnaryReactor* KeyValueService::Get(grpc::CallbackServerContext* context,
                                               const v1::KeyValueGetRequest* request,
                                               v1::KeyValueGetResponse* response) {
  const absl::StatusOr<std::string> prefix = Prefix(*context, request->module());
  if (!prefix.ok()) return FinishNow(context, prefix.status());
  if (auto value = store_->Get(absl::StrCat(*prefix, request->key()))) {
    response->set_value(*std::move(value));
  }
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* KeyValueService::Put(grpc::CallbackServerContext* context,
                                               const v1::KeyValuePutRequest* request,
                                               v1::KeyValuePutResponse*) {
  const absl::StatusOr<std::string> prefix = Prefix(*context, request->module());
  if (!prefix.ok()) return FinishNow(context, prefix.status());
  absl::Status status = store::CheckModuleKey(request->key());
  status.Update(store::CheckModuleValue(request->key(), request->value()));
  if (!status.ok()) return FinishNow(context, status);
  return WriteAndFinish(
      context, store_,
      {.conditions = {}, .changes = {{absl::StrCat(*prefix, request->key()), request->value()}}});
}

grpc::ServerUnaryReactor* KeyValueService::Delete(grpc::CallbackServerContext* context,
                                                  const v1::KeyValueDeleteRequest* request,
                                                  v1::KeyValueDeleteResponse*) {
  const absl::StatusOr<std::string> prefix = Prefix(*context, request->module());
  if (!prefix.ok()) return FinishNow(context, prefix.status());
  if (auto status = store::CheckModuleKey(request->key()); !status.ok())
    return FinishNow(context, status);
  return WriteAndFinish(
      context, store_,
      {.conditions = {}, .changes = {{absl::StrCat(*prefix, request->key()), std::nullopt}}});
}

grpc::ServerUnaryReactor* KeyValueService::List(grpc::CallbackServerContext* context,
                                                const v1::KeyValueListRequest* request,
                                                v1::KeyValueListResponse* response) {
  const absl::StatusOr<std::string> prefix = Prefix(*context, request->module());
  if (!prefix.ok()) return FinishNow(context, prefix.status());
  for (auto& [key, value] : store_->List(absl::StrCat(*prefix, request->prefix()))) {
    v1::KeyValueEntry& entry = *response->add_entries();
    entry.set_key(std::string(absl::StripPrefix(key, *prefix)));
    if (!request->keys_only()) entry.set_value(std::move(value));
  }
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* KeyValueService::Batch(grpc::CallbackServerContext* context,
                                                 const v1::KeyValueBatchRequest* request,
                                                 v1::KeyValueBatchResponse* response) {
  const absl::StatusOr<std::string> prefix = Prefix(*context, request->module());
  if (!prefix.ok()) return FinishNow(context, prefix.status());
  store::Batch batch;
  absl::Status status;
  for (const auto& condition : request->conditions()) {
    status.Update(store::CheckModuleKey(condition.key()));
    batch.conditions.push_back(
        {absl::StrCat(*prefix, condition.key()),
         condition.has_value() ? std::make_optional(condition.value()) : std::nullopt});
  }
  for (const auto& change : request->changes()) {
    status.Update(store::CheckModuleKey(change.key()));
    status.Update(store::CheckModuleValue(change.key(), change.value()));
    batch.changes.push_back(
        {absl::StrCat(*prefix, change.key()),
         change.has_value() ? std::make_optional(change.value()) : std::nullopt});
  }
  if (!status.ok()) return FinishNow(context, status);
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  store_->Write(
      std::move(batch), [reactor, response, prefix = *prefix](const absl::Status& written) {
        if (absl::IsFailedPrecondition(written)) {
          // Of a condition: an answer, not an error. The message is the key.
          response->set_failed_key(std::string(absl::StripPrefix(written.message(), prefix)));
          return reactor->Finish(grpc::Status::OK);
        }
        response->set_succeeded(written.ok());
        reactor->Finish(ToGrpc(written));
      });
  return reactor;
}

grpc::ServerWriteReactor<v1::KeyValueWatchResponse>* KeyValueService::Watch(
    grpc::CallbackServerContext* context, const v1::KeyValueWatchRequest* request) {
  const absl::StatusOr<std::string> prefix = Prefix(*context, request->module());
  if (!prefix.ok()) return new RefusedStream<v1::KeyValueWatchResponse>(prefix.status());
  if (const absl::Status refused = Admit(*context); !refused.ok()) {
    return TooManyStreams<grpc::ServerWriteReactor<v1::KeyValueWatchResponse>>(refused);
  }
  auto* stream = new WatchStream<v1::KeyValueWatchResponse>;
  stream->Open(store_->Watch(absl::StrCat(*prefix, request->prefix()),
                             [stream, prefix = *prefix](const store::Change& change) {
                               v1::KeyValueWatchResponse response;
                               v1::KeyValueChange& out = *response.mutable_change();
                               out.set_key(std::string(absl::StripPrefix(change.key, prefix)));
                               if (change.value) out.set_value(*change.value);
                               stream->Offer(std::move(response));
                             }));
  return stream;
}

}  // namespace outpost::rpc
