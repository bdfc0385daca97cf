#include "outpost/internal/subscription.h"

#include <utility>

namespace outpost::internal {

std::shared_ptr<Subscription> Subscription::Start(v1::Notifications::Stub& stub,
                                                  const std::string& session_key,
                                                  const std::vector<std::string>& types,
                                                  Observer* observer) {
  std::shared_ptr<Subscription> subscription(new Subscription(observer));
  subscription->self_ = subscription;
  subscription->context_.AddMetadata("outpost-session", session_key);
  subscription->request_.mutable_types()->Assign(types.begin(), types.end());
  subscription->request_.set_explicit_acks(true);
  stub.async()->Subscribe(&subscription->context_, &subscription->request_, subscription.get());
  subscription->StartRead(&subscription->incoming_);
  subscription->StartCall();
  return subscription;
}

void Subscription::OnReadDone(bool ok) {
  if (!ok) return;  // OnDone follows
  if (incoming_.has_subscribed()) {
    id_ = incoming_.subscribed().subscription_id();
  } else if (incoming_.has_notification()) {
    observer_->OnNotification(id_, std::move(*incoming_.mutable_notification()));
  }
  incoming_.Clear();
  StartRead(&incoming_);
}

void Subscription::OnDone(const grpc::Status& status) {
  Observer* const observer = observer_;
  observer->OnSubscriptionEnded(std::move(self_), status);
}

}  // namespace outpost::internal
