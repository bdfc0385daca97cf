#include <utility>

#include "absl/strings/str_cat.h"
#include "outpost/internal/wire.h"
#include "outpost/v1/commands.grpc.pb.h"
#include "outpost/v1/remote.grpc.pb.h"
#include "sdk/cpp/testing/fake_services.h"
#include "sdk/cpp/testing/fake_streams.h"

namespace outpost::testing {
namespace {

using Context = grpc::CallbackServerContext;

class FakeRemote final : public v1::Remote::CallbackService {
 public:
  explicit FakeRemote(FakeState* state) : state_(state) {}

  grpc::ServerUnaryReactor* Call(Context* context, const v1::RemoteCallRequest* request,
                                 v1::RemoteCallResponse* response) override {
    FakeManager::RemoteHandler handler;
    {
      absl::MutexLock lock(&state_->mu);
      if (auto status = BeginCall(context, state_, "Remote.Call"); !status.ok()) {
        return Answer(context, status);
      }
      handler = state_->on_remote;
    }
    if (!handler) {
      return Answer(context, StatusWithReason(absl::FailedPreconditionError(absl::StrCat(
                                                  "module ", request->module(), " is not enabled")),
                                              "MODULE_NOT_ENABLED"));
    }
    absl::StatusOr<Json> result = handler(*request);
    if (result.ok()) {
      response->set_result_json(result->dump());
    } else {
      response->mutable_error()->set_kind("RAISED");
      response->mutable_error()->set_type(absl::StatusCodeToString(result.status().code()));
      response->mutable_error()->set_message(std::string(result.status().message()));
    }
    return Answer(context);
  }

 private:
  FakeState* const state_;
};

class FakeCommands final : public v1::Commands::CallbackService {
 public:
  explicit FakeCommands(FakeState* state) : state_(state) {}

  grpc::ServerUnaryReactor* SendClusterCommand(Context* context,
                                               const v1::SendClusterCommandRequest* request,
                                               v1::SendClusterCommandResponse* response) override {
    FakeManager::ClusterCommandHandler handler;
    {
      absl::MutexLock lock(&state_->mu);
      if (auto status = BeginCall(context, state_, "Commands.SendClusterCommand"); !status.ok()) {
        return Answer(context, status);
      }
      handler = state_->on_cluster_command;
    }
    if (!handler) {
      return Answer(context, grpc::Status(grpc::StatusCode::UNAVAILABLE, "there is no cluster"));
    }
    *response->mutable_result() = internal::ToProto(handler(*request));
    if (!request->tag().empty()) {
      absl::MutexLock lock(&state_->mu);
      v1::Notification notification;
      notification.set_type("command");
      notification.set_id(request->tag());
      state_->Publish(std::move(notification));
    }
    return Answer(context);
  }

 private:
  FakeState* const state_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeFakeRemote(FakeState* state) {
  return std::make_unique<FakeRemote>(state);
}
std::unique_ptr<grpc::Service> MakeFakeCommands(FakeState* state) {
  return std::make_unique<FakeCommands>(state);
}

}  // namespace outpost::testing
