#include "sdk/cpp/testing/fake_streams.h"

#include <algorithm>
#include <utility>

#include "outpost/internal/wire.h"
#include "outpost/v1/error_details.pb.h"
#include "sdk/cpp/testing/fake_services.h"

namespace outpost::testing {
namespace {

bool IsEventLike(const std::string& type) {
  return type == "clog" || type == "command" || type == "config";
}

}  // namespace

grpc::Status StatusWithReason(const absl::Status& status, const std::string& reason) {
  v1::RpcStatus details;
  details.set_code(static_cast<int>(status.code()));
  details.set_message(std::string(status.message()));
  v1::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain("outpost");
  auto* detail = details.add_details();
  detail->set_type_url("type.googleapis.com/google.rpc.ErrorInfo");
  detail->set_value(info.SerializeAsString());
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()),
                      details.SerializeAsString());
}

void FakeState::Publish(v1::Notification notification) {
  if (subscription == nullptr) return;
  const auto& types = subscription->types();
  if (std::find(types.begin(), types.end(), notification.type()) == types.end()) return;
  if (!IsEventLike(notification.type())) {
    const auto same = [&notification](const v1::Notification& other) {
      return other.type() == notification.type();
    };
    waiting.erase(std::remove_if(waiting.begin(), waiting.end(), same), waiting.end());
  }
  waiting.push_back(std::move(notification));
  subscription->Next();
}

FakeAttach::FakeAttach(FakeState* state) : state_(state) {
  absl::MutexLock lock(&state_->mu);
  ++state_->open_calls;
  StartRead(&incoming_);
}

void FakeAttach::Send(v1::AttachResponse message) {
  state_->mu.AssertHeld();
  if (end_) return;
  queue_.push_back(std::move(message));
  Next();
}

void FakeAttach::End(grpc::Status status) {
  state_->mu.AssertHeld();
  if (state_->stream == this) {
    state_->stream = nullptr;
    state_->attached = false;
  }
  if (!end_) end_ = std::move(status);
  Next();
}

void FakeAttach::Next() {
  if (writing_ || finished_) return;
  if (!queue_.empty()) {
    writing_ = true;
    outgoing_ = std::move(queue_.front());
    queue_.pop_front();
    StartWrite(&outgoing_);
  } else if (end_) {
    finished_ = true;
    Finish(*end_);
  }
}

void FakeAttach::OnReadDone(bool ok) {
  absl::MutexLock lock(&state_->mu);
  if (!ok) {
    if (state_->stream == this) state_->goodbye = true;
    queue_.clear();
    End(grpc::Status::OK);
    return;
  }
  Handle(std::move(incoming_));
  incoming_.Clear();
  StartRead(&incoming_);
}

void FakeAttach::OnWriteDone(bool ok) {
  absl::MutexLock lock(&state_->mu);
  writing_ = false;
  if (!ok) {
    queue_.clear();
    End(grpc::Status(grpc::StatusCode::UNAVAILABLE, "the stream is broken"));
  }
  Next();
}

void FakeAttach::OnDone() {
  {
    absl::MutexLock lock(&state_->mu);
    if (state_->stream == this) {
      state_->stream = nullptr;
      state_->attached = false;
    }
    --state_->open_calls;
  }
  delete this;
}

void FakeAttach::Register(v1::Register registration) {
  if (!state_->refusal.ok()) {
    state_->refused = true;
    return End(StatusWithReason(state_->refusal, state_->refusal_reason));
  }
  state_->registration = std::move(registration);
  state_->stream = this;
  state_->goodbye = false;
  state_->serve_status.reset();
  state_->watched.clear();
  ++state_->attach_count;
  v1::AttachResponse message;
  v1::Configure* configure = message.mutable_configure();
  configure->set_protocol_version(1);
  configure->set_session_key(state_->session_key());
  configure->set_manager_id(state_->options.manager_id);
  configure->set_manager_instance(std::to_string(state_->instance));
  configure->set_manager_version(state_->options.version);
  configure->set_manager_ip(state_->options.manager_ip);
  configure->set_cluster_id(state_->options.cluster_id);
  configure->set_cluster_release(state_->options.cluster_release);
  configure->set_log_file(state_->options.log_file);
  for (const v1::OptionDescriptor& option : state_->registration.options()) {
    *configure->add_options() = state_->OptionValueOf(state_->FullKey(option.name()));
  }
  *configure->mutable_heartbeat_interval() = internal::ToProto(state_->options.heartbeat_interval);
  if (state_->options.orphan_grace) {
    *configure->mutable_orphan_grace() = internal::ToProto(*state_->options.orphan_grace);
  }
  Send(std::move(message));
}

void FakeAttach::Handle(v1::AttachRequest message) {
  switch (message.message_case()) {
    case v1::AttachRequest::kRegister:
      return Register(std::move(*message.mutable_register_()));
    case v1::AttachRequest::kConfigured:
      state_->configured_error = message.configured().error();
      state_->attached = state_->stream == this;
      return;
    case v1::AttachRequest::kServeStatus:
      state_->serve_status = message.serve_status();
      return;
    case v1::AttachRequest::kCommandResult:
      state_->command_results[message.command_result().id()] = message.command_result().result();
      return;
    case v1::AttachRequest::kCallResult:
      state_->call_results[message.call_result().id()] = message.call_result();
      return;
    case v1::AttachRequest::kLog:
      for (const v1::LogRecord& record : message.log().records()) state_->log.push_back(record);
      return;
    case v1::AttachRequest::kHeartbeat:
      state_->heartbeat = message.heartbeat().sequence();
      return;
    case v1::AttachRequest::kDrained:
      state_->drained = true;
      return;
    case v1::AttachRequest::kNotificationAck: {
      auto& waiting = state_->unacknowledged;
      waiting.erase(waiting.begin(), waiting.upper_bound(message.notification_ack().sequence()));
      if (state_->subscription != nullptr) state_->subscription->Next();
      return;
    }
    case v1::AttachRequest::MESSAGE_NOT_SET:
      return;
  }
}

FakeSubscription::FakeSubscription(FakeState* state, const v1::SubscribeRequest& request)
    : state_(state), types_(request.types().begin(), request.types().end()) {
  absl::MutexLock lock(&state_->mu);
  ++state_->open_calls;
  state_->subscription = this;
  state_->waiting.clear();
  state_->unacknowledged.clear();
  outgoing_.mutable_subscribed()->set_subscription_id(state_->next_subscription++);
  for (const std::string& type : types_) outgoing_.mutable_subscribed()->add_types(type);
  writing_ = true;
  StartWrite(&outgoing_);
}

void FakeSubscription::Next() {
  state_->mu.AssertHeld();
  if (writing_ || finished_) return;
  if (ending_) {
    finished_ = true;
    return Finish(grpc::Status(grpc::StatusCode::UNAVAILABLE, "the subscription ends"));
  }
  const auto may_go = [this](const v1::Notification& notification)
                          ABSL_SHARED_LOCKS_REQUIRED(state_->mu) {
                            if (IsEventLike(notification.type())) return true;
                            for (const auto& [sequence, type] : state_->unacknowledged) {
                              if (type == notification.type()) return false;
                            }
                            return true;
                          };
  auto& waiting = state_->waiting;
  const auto it = std::find_if(waiting.begin(), waiting.end(), may_go);
  if (it == waiting.end()) return;
  outgoing_.Clear();
  *outgoing_.mutable_notification() = std::move(*it);
  waiting.erase(it);
  const uint64_t sequence = state_->next_sequence++;
  outgoing_.mutable_notification()->set_sequence(sequence);
  state_->unacknowledged[sequence] = outgoing_.notification().type();
  writing_ = true;
  StartWrite(&outgoing_);
}

void FakeSubscription::End() {
  state_->mu.AssertHeld();
  if (state_->subscription == this) state_->subscription = nullptr;
  ending_ = true;
  Next();
}

void FakeSubscription::OnWriteDone(bool ok) {
  absl::MutexLock lock(&state_->mu);
  writing_ = false;
  if (!ok) ending_ = true;
  Next();
}

void FakeSubscription::OnCancel() {
  absl::MutexLock lock(&state_->mu);
  End();
}

void FakeSubscription::OnDone() {
  {
    absl::MutexLock lock(&state_->mu);
    if (state_->subscription == this) state_->subscription = nullptr;
    --state_->open_calls;
  }
  delete this;
}

grpc::ServerBidiReactor<v1::AttachRequest, v1::AttachResponse>* FakeModuleHost::Attach(
    grpc::CallbackServerContext*) {
  return new FakeAttach(state_);
}

grpc::ServerWriteReactor<v1::SubscribeResponse>* FakeNotifications::Subscribe(
    grpc::CallbackServerContext*, const v1::SubscribeRequest* request) {
  return new FakeSubscription(state_, *request);
}

grpc::ServerUnaryReactor* FakeNotifications::ListSubscriptions(
    grpc::CallbackServerContext* context, const v1::ListSubscriptionsRequest*,
    v1::ListSubscriptionsResponse* response) {
  absl::MutexLock lock(&state_->mu);
  if (auto status = BeginCall(context, state_, "Notifications.ListSubscriptions"); !status.ok())
    return Answer(context, status);
  *response = state_->subscriptions;
  return Answer(context);
}

}  // namespace outpost::testing
