#include "absl/strings/match.h"
#include "outpost/v1/key_value.grpc.pb.h"
#include "sdk/cpp/testing/fake_services.h"
#include "sdk/cpp/testing/fake_watch.h"

namespace outpost::testing {
namespace {

using Context = grpc::CallbackServerContext;

class FakeKeyValue final : public v1::KeyValue::CallbackService {
 public:
  explicit FakeKeyValue(FakeState* state) : state_(state) {}

  grpc::ServerUnaryReactor* Get(Context* context, const v1::KeyValueGetRequest* request,
                                v1::KeyValueGetResponse* response) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = BeginCall(context, state_, "KeyValue.Get"); !status.ok())
      return Answer(context, status);
    const auto it = state_->store.find(request->key());
    if (it != state_->store.end()) response->set_value(it->second);
    return Answer(context);
  }

  grpc::ServerUnaryReactor* Put(Context* context, const v1::KeyValuePutRequest* request,
                                v1::KeyValuePutResponse*) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = BeginCall(context, state_, "KeyValue.Put"); !status.ok())
      return Answer(context, status);
    state_->ChangeKey(request->key(), request->value());
    return Answer(context);
  }

  grpc::ServerUnaryReactor* Delete(Context* context, const v1::KeyValueDeleteRequest* request,
                                   v1::KeyValueDeleteResponse*) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = BeginCall(context, state_, "KeyValue.Delete"); !status.ok())
      return Answer(context, status);
    state_->ChangeKey(request->key(), std::nullopt);
    return Answer(context);
  }

  grpc::ServerUnaryReactor* List(Context* context, const v1::KeyValueListRequest* request,
                                 v1::KeyValueListResponse* response) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = BeginCall(context, state_, "KeyValue.List"); !status.ok())
      return Answer(context, status);
    for (const auto& [key, value] : state_->store) {
      if (!absl::StartsWith(key, request->prefix())) continue;
      auto* entry = response->add_entries();
      entry->set_key(key);
      if (!request->keys_only()) entry->set_value(value);
    }
    return Answer(context);
  }

  grpc::ServerUnaryReactor* Batch(Context* context, const v1::KeyValueBatchRequest* request,
                                  v1::KeyValueBatchResponse* response) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = BeginCall(context, state_, "KeyValue.Batch"); !status.ok())
      return Answer(context, status);
    for (const auto& condition : request->conditions()) {
      const auto it = state_->store.find(condition.key());
      const bool there = it != state_->store.end();
      if (there != condition.has_value() || (there && it->second != condition.value())) {
        response->set_failed_key(condition.key());
        return Answer(context);
      }
    }
    for (const auto& change : request->changes()) {
      state_->ChangeKey(change.key(),
                        change.has_value() ? std::make_optional(change.value()) : std::nullopt);
    }
    response->set_succeeded(true);
    return Answer(context);
  }

  grpc::ServerWriteReactor<v1::KeyValueWatchResponse>* Watch(
      Context* context, const v1::KeyValueWatchRequest* request) override {
    return StartFakeWatch<v1::KeyValueWatchResponse>(context, state_, "KeyValue.Watch",
                                                     &state_->key_watches, request->prefix());
  }

 private:
  FakeState* const state_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeFakeKeyValue(FakeState* state) {
  return std::make_unique<FakeKeyValue>(state);
}

}  // namespace outpost::testing
