#include "absl/strings/str_cat.h"
#include "outpost/v1/config.grpc.pb.h"
#include "sdk/cpp/testing/fake_services.h"
#include "sdk/cpp/testing/fake_streams.h"
#include "sdk/cpp/testing/fake_watch.h"

namespace outpost::testing {
namespace {

using Context = grpc::CallbackServerContext;

class FakeConfig final : public v1::Config::CallbackService {
 public:
  explicit FakeConfig(FakeState* state) : state_(state) {}

  grpc::ServerUnaryReactor* Get(Context* context, const v1::ConfigGetRequest* request,
                                v1::ConfigGetResponse* response) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = Check(context, request->key(), "Config.Get"); !status.ok())
      return Answer(context, status);
    *response->mutable_option() = state_->OptionValueOf(state_->FullKey(request->key()));
    return Answer(context);
  }

  grpc::ServerUnaryReactor* Set(Context* context, const v1::ConfigSetRequest* request,
                                v1::ConfigSetResponse* response) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = Check(context, request->key(), "Config.Set"); !status.ok())
      return Answer(context, status);
    const std::string key = state_->FullKey(request->key());
    if (auto status = state_->CheckValue(key, request->value()); !status.ok()) {
      return Answer(context, StatusWithReason(status, ""));
    }
    state_->options_set[key] = request->value();
    state_->TellOption(key);
    *response->mutable_effective() = state_->OptionValueOf(key);
    response->mutable_option()->set_name(response->effective().name());
    response->mutable_option()->set_value(request->value());
    return Answer(context);
  }

  grpc::ServerUnaryReactor* Remove(Context* context, const v1::ConfigRemoveRequest* request,
                                   v1::ConfigRemoveResponse* response) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = Check(context, request->key(), "Config.Remove"); !status.ok())
      return Answer(context, status);
    const std::string key = state_->FullKey(request->key());
    state_->options_set.erase(key);
    state_->TellOption(key);
    *response->mutable_option() = state_->OptionValueOf(key);
    return Answer(context);
  }

  grpc::ServerUnaryReactor* List(Context* context, const v1::ConfigListRequest* request,
                                 v1::ConfigListResponse* response) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = BeginCall(context, state_, "Config.List"); !status.ok())
      return Answer(context, status);
    for (const std::string& key : state_->OptionKeys(request->module())) {
      v1::ConfigEntry entry;
      entry.set_key(key);
      *entry.mutable_effective() = state_->OptionValueOf(key);
      if (request->only_set() && entry.effective().source() == "default") continue;
      *response->add_entries() = std::move(entry);
    }
    return Answer(context);
  }

  grpc::ServerWriteReactor<v1::ConfigWatchResponse>* Watch(
      Context* context, const v1::ConfigWatchRequest* request) override {
    return StartFakeWatch<v1::ConfigWatchResponse>(context, state_, "Config.Watch",
                                                   &state_->option_watches, request->module());
  }

  grpc::ServerUnaryReactor* GetClusterOption(Context* context,
                                             const v1::GetClusterOptionRequest* request,
                                             v1::GetClusterOptionResponse* response) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = BeginCall(context, state_, "Config.GetClusterOption"); !status.ok())
      return Answer(context, status);
    const auto it = state_->cluster_options.find({request->entity(), request->name()});
    if (it != state_->cluster_options.end()) response->set_value(it->second);
    return Answer(context);
  }

 private:
  // NOT_FOUND: nobody declares the option.
  grpc::Status Check(Context* context, const std::string& key, const char* call)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_->mu) {
    if (auto status = BeginCall(context, state_, call); !status.ok()) return status;
    if (state_->IsDeclared(state_->FullKey(key))) return grpc::Status::OK;
    return grpc::Status(grpc::StatusCode::NOT_FOUND,
                        absl::StrCat("there is no option ", state_->FullKey(key)));
  }

  FakeState* const state_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeFakeConfig(FakeState* state) {
  return std::make_unique<FakeConfig>(state);
}

}  // namespace outpost::testing
