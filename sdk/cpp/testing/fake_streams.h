// The streams of a FakeManager: a module's session, and its notifications.
//
// **Thread safety.** Made and ended by gRPC; the methods are called with the
// state's mutex held, where they say so.
#ifndef OUTPOST_SDK_CPP_TESTING_FAKE_STREAMS_H_
#define OUTPOST_SDK_CPP_TESTING_FAKE_STREAMS_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <deque>

#include "outpost/v1/module_host.grpc.pb.h"
#include "outpost/v1/notifications.grpc.pb.h"
#include "sdk/cpp/testing/fake_state.h"

namespace outpost::testing {

class FakeAttach final : public grpc::ServerBidiReactor<v1::AttachRequest, v1::AttachResponse> {
 public:
  explicit FakeAttach(FakeState* state);

  // These two with the state's mutex held.
  void Send(v1::AttachResponse message);
  // Ends the stream after what waits.
  void End(grpc::Status status);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone() override;

 private:
  void Handle(v1::AttachRequest message) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_->mu);
  void Register(v1::Register registration) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_->mu);
  void Next() ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_->mu);

  FakeState* const state_;
  v1::AttachRequest incoming_;
  v1::AttachResponse outgoing_;
  std::deque<v1::AttachResponse> queue_ ABSL_GUARDED_BY(state_->mu);
  bool writing_ ABSL_GUARDED_BY(state_->mu) = false;
  bool finished_ ABSL_GUARDED_BY(state_->mu) = false;
  std::optional<grpc::Status> end_ ABSL_GUARDED_BY(state_->mu);
};

class FakeSubscription final : public grpc::ServerWriteReactor<v1::SubscribeResponse> {
 public:
  FakeSubscription(FakeState* state, const v1::SubscribeRequest& request);

  const std::vector<std::string>& types() const { return types_; }
  // With the state's mutex held: sends the first notification that may be sent now.
  void Next();
  // With the state's mutex held.
  void End();

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  FakeState* const state_;
  const std::vector<std::string> types_;
  v1::SubscribeResponse outgoing_;
  bool writing_ ABSL_GUARDED_BY(state_->mu) = false;
  bool ending_ ABSL_GUARDED_BY(state_->mu) = false;
  bool finished_ ABSL_GUARDED_BY(state_->mu) = false;
};

class FakeModuleHost final : public v1::ModuleHost::CallbackService {
 public:
  explicit FakeModuleHost(FakeState* state) : state_(state) {}
  grpc::ServerBidiReactor<v1::AttachRequest, v1::AttachResponse>* Attach(
      grpc::CallbackServerContext* context) override;

 private:
  FakeState* const state_;
};

class FakeNotifications final : public v1::Notifications::CallbackService {
 public:
  explicit FakeNotifications(FakeState* state) : state_(state) {}
  grpc::ServerWriteReactor<v1::SubscribeResponse>* Subscribe(
      grpc::CallbackServerContext* context, const v1::SubscribeRequest* request) override;
  grpc::ServerUnaryReactor* ListSubscriptions(grpc::CallbackServerContext* context,
                                              const v1::ListSubscriptionsRequest* request,
                                              v1::ListSubscriptionsResponse* response) override;

 private:
  FakeState* const state_;
};

// A gRPC status with an ErrorInfo.
grpc::Status StatusWithReason(const absl::Status& status, const std::string& reason);

}  // namespace outpost::testing

#endif  // OUTPOST_SDK_CPP_TESTING_FAKE_STREAMS_H_
