#include "outpost/internal/notification_feed.h"

#include <utility>

namespace outpost::internal {

NotificationFeed::NotificationFeed(v1::Notifications::Stub& stub, std::vector<std::string> types,
                                   BackoffPolicy backoff, Logger log, Deliver deliver,
                                   std::function<void()> ended)
    : stub_(stub),
      types_(std::move(types)),
      log_(std::move(log)),
      deliver_(std::move(deliver)),
      on_ended_(std::move(ended)),
      backoff_(backoff) {}

void NotificationFeed::Start(std::string session_key) {
  if (types_.empty()) return;
  session_key_ = std::move(session_key);
  backoff_.Reset();
  Subscribe();
}

void NotificationFeed::Subscribe() {
  due_ = absl::InfiniteFuture();
  const std::shared_ptr<Subscription> subscription =
      Subscription::Start(stub_, session_key_, types_, this);
  absl::MutexLock lock(&mu_);
  if (ended_ == nullptr) subscription_ = subscription;
}

void NotificationFeed::Poll(absl::Time now) {
  std::shared_ptr<Subscription> ended;
  {
    absl::MutexLock lock(&mu_);
    ended.swap(ended_);
    if (ended != nullptr) subscription_ = nullptr;
  }
  if (ended != nullptr) due_ = now + backoff_.Next();
  if (now >= due_) Subscribe();
}

void NotificationFeed::End() {
  due_ = absl::InfiniteFuture();
  std::shared_ptr<Subscription> ended;
  absl::MutexLock lock(&mu_);
  if (subscription_ != nullptr) {
    subscription_->Cancel();
    const auto over = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return ended_ != nullptr; };
    mu_.Await(absl::Condition(&over));
    subscription_ = nullptr;
  }
  ended.swap(ended_);
}

void NotificationFeed::OnNotification(uint64_t subscription_id, v1::Notification notification) {
  deliver_(subscription_id, std::move(notification));
}

void NotificationFeed::OnSubscriptionEnded(std::shared_ptr<Subscription> subscription,
                                           const grpc::Status& status) {
  if (!status.ok() && status.error_code() != grpc::StatusCode::CANCELLED) {
    log_.Warning("the subscription to notifications ended: %s; subscribing again",
                 status.error_message());
  }
  absl::MutexLock lock(&mu_);
  ended_ = std::move(subscription);
  on_ended_();
}

}  // namespace outpost::internal
