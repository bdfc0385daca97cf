#include "outpost/v1/auth.grpc.pb.h"
#include "outpost/v1/health.grpc.pb.h"
#include "outpost/v1/manager.grpc.pb.h"
#include "outpost/v1/progress.grpc.pb.h"
#include "sdk/cpp/testing/fake_services.h"

namespace outpost::testing {
namespace {

using Context = grpc::CallbackServerContext;

class FakeHealth final : public v1::Health::CallbackService {
 public:
  explicit FakeHealth(FakeState* state) : state_(state) {}

  grpc::ServerUnaryReactor* Set(Context* context, const v1::HealthSetRequest* request,
                                v1::HealthSetResponse*) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = BeginCall(context, state_, "Health.Set"); !status.ok())
      return Answer(context, status);
    state_->health_checks.clear();
    for (const auto& check : request->checks()) state_->health_checks[check.code()] = check;
    return Answer(context);
  }

 private:
  FakeState* const state_;
};

class FakeProgress final : public v1::Progress::CallbackService {
 public:
  explicit FakeProgress(FakeState* state) : state_(state) {}

  grpc::ServerUnaryReactor* Update(Context* context, const v1::ProgressUpdateRequest* request,
                                   v1::ProgressUpdateResponse*) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = BeginCall(context, state_, "Progress.Update"); !status.ok())
      return Answer(context, status);
    const v1::ProgressEvent& event = request->event();
    if (event.id().empty() || !(event.progress() >= 0 && event.progress() <= 1)) {
      return Answer(context,
                    grpc::Status(grpc::StatusCode::INVALID_ARGUMENT,
                                 "a progress event needs an id, and a progress from 0 to 1"));
    }
    state_->progress[event.id()] = event;
    return Answer(context);
  }

  grpc::ServerUnaryReactor* Complete(Context* context, const v1::ProgressCompleteRequest* request,
                                     v1::ProgressCompleteResponse*) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = BeginCall(context, state_, "Progress.Complete"); !status.ok())
      return Answer(context, status);
    if (state_->progress.erase(request->id()) > 0) {
      state_->completed_progress.push_back(request->id());
    }
    return Answer(context);
  }

  grpc::ServerUnaryReactor* Clear(Context* context, const v1::ProgressClearRequest*,
                                  v1::ProgressClearResponse*) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = BeginCall(context, state_, "Progress.Clear"); !status.ok())
      return Answer(context, status);
    state_->progress.clear();
    return Answer(context);
  }

 private:
  FakeState* const state_;
};

class FakeManagerService final : public v1::Manager::CallbackService {
 public:
  explicit FakeManagerService(FakeState* state) : state_(state) {}

  grpc::ServerUnaryReactor* SetUri(Context* context, const v1::SetUriRequest* request,
                                   v1::SetUriResponse*) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = BeginCall(context, state_, "Manager.SetUri"); !status.ok())
      return Answer(context, status);
    state_->uri = request->uri();
    return Answer(context);
  }
  grpc::ServerUnaryReactor* GetStatus(Context* context, const v1::GetStatusRequest*,
                                      v1::GetStatusResponse* response) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = BeginCall(context, state_, "Manager.GetStatus"); !status.ok())
      return Answer(context, status);
    *response = state_->manager_status;
    return Answer(context);
  }
  grpc::ServerUnaryReactor* ListModules(Context* context, const v1::ListModulesRequest*,
                                        v1::ListModulesResponse* response) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = BeginCall(context, state_, "Manager.ListModules"); !status.ok())
      return Answer(context, status);
    *response = state_->modules;
    return Answer(context);
  }

 private:
  FakeState* const state_;
};

// Everybody may do everything.
class FakeAuth final : public v1::Auth::CallbackService {
 public:
  explicit FakeAuth(FakeState* state) : state_(state) {}

  grpc::ServerUnaryReactor* IsAuthorized(Context* context, const v1::IsAuthorizedRequest*,
                                         v1::IsAuthorizedResponse* response) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = BeginCall(context, state_, "Auth.IsAuthorized"); !status.ok())
      return Answer(context, status);
    response->set_authorized(true);
    return Answer(context);
  }

 private:
  FakeState* const state_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeFakeAuth(FakeState* state) {
  return std::make_unique<FakeAuth>(state);
}
std::unique_ptr<grpc::Service> MakeFakeHealth(FakeState* state) {
  return std::make_unique<FakeHealth>(state);
}
std::unique_ptr<grpc::Service> MakeFakeProgress(FakeState* state) {
  return std::make_unique<FakeProgress>(state);
}
std::unique_ptr<grpc::Service> MakeFakeManagerService(FakeState* state) {
  return std::make_unique<FakeManagerService>(state);
}

}  // namespace outpost::testing
