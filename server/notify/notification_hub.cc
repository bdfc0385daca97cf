#include "server/notify/notification_hub.h"

#include <google/protobuf/util/time_util.h>

#include <utility>

namespace outpost::notify {

Subscription::Subscription(uint64_t id, std::string owner, std::set<std::string> types)
    : id_(id), owner_(std::move(owner)), types_(std::move(types)) {}

bool Subscription::CanSend() const {
  return !order_.empty() || (!events_.empty() && unacked_events_.size() < kUnackedEvents);
}

std::optional<v1::Notification> Subscription::Next() {
  absl::MutexLock lock(&mu_);
  v1::Notification next;
  if (!order_.empty()) {
    StateSlot& slot = states_[order_.front()];
    order_.pop_front();
    slot.waiting = false;
    slot.unacknowledged = next_sequence_;
    next = slot.newest;
  } else if (!events_.empty() && unacked_events_.size() < kUnackedEvents) {
    next = std::move(events_.front());
    events_.pop_front();
    auto missed = missed_.find(next.type());
    if (missed != missed_.end()) {
      next.set_missed(missed->second);
      missed_.erase(missed);
    }
    unacked_events_.push_back(next_sequence_);
  } else {
    return std::nullopt;
  }
  next.set_sequence(next_sequence_++);
  return next;
}

void Subscription::Acknowledge(uint64_t sequence) {
  bool wake;
  {
    absl::MutexLock lock(&mu_);
    for (auto& [type, slot] : states_) {
      if (slot.unacknowledged == 0 || slot.unacknowledged > sequence) continue;
      slot.unacknowledged = 0;
      if (slot.waiting) order_.push_back(type);
    }
    while (!unacked_events_.empty() && unacked_events_.front() <= sequence) {
      unacked_events_.pop_front();
    }
    wake = CanSend();
  }
  if (wake) Wake();
}

void Subscription::OfferState(const v1::Notification& notification) {
  bool wake = false;
  {
    absl::MutexLock lock(&mu_);
    StateSlot& slot = states_[notification.type()];
    slot.newest = notification;
    if (!slot.waiting) {
      slot.waiting = true;
      if (slot.unacknowledged == 0) {
        order_.push_back(notification.type());
        wake = true;
      }
    }
  }
  if (wake) Wake();
}

void Subscription::OfferEvent(const v1::Notification& notification) {
  {
    absl::MutexLock lock(&mu_);
    if (events_.size() == kEventRing) {
      // The oldest goes; what it had missed before it stays counted with it.
      ++missed_[events_.front().type()];
      ++missed_total_;
      events_.pop_front();
    }
    events_.push_back(notification);
    if (!CanSend()) return;
  }
  Wake();
}

void Subscription::Wake() {
  absl::MutexLock lock(&wake_mu_);
  if (wake_) wake_();
}

void Subscription::Open(std::function<void()> wake) {
  absl::MutexLock lock(&wake_mu_);
  wake_ = std::move(wake);
  wake_();
}

void Subscription::Close() {
  absl::MutexLock lock(&wake_mu_);
  wake_ = nullptr;
}

Subscription::Depth Subscription::depth() const {
  absl::MutexLock lock(&mu_);
  Depth depth;
  depth.waiting = events_.size();
  depth.unacknowledged = unacked_events_.size();
  for (const auto& [type, slot] : states_) {
    depth.waiting += slot.waiting;
    depth.unacknowledged += slot.unacknowledged != 0;
  }
  depth.missed = missed_total_;
  return depth;
}

std::shared_ptr<Subscription> NotificationHub::Subscribe(std::string owner,
                                                         std::set<std::string> types) {
  absl::MutexLock lock(&mu_);
  const uint64_t id = next_id_++;
  // The last owner may be a thread that knows nothing of the hub: the deleter
  // would need it, so that expired entries are swept here instead.
  for (auto it = subscriptions_.begin(); it != subscriptions_.end();) {
    if (it->second.expired()) {
      subscriptions_.erase(it++);
    } else {
      ++it;
    }
  }
  auto subscription = std::make_shared<Subscription>(id, std::move(owner), std::move(types));
  subscriptions_.emplace(id, subscription);
  return subscription;
}

std::shared_ptr<Subscription> NotificationHub::Find(uint64_t id) const {
  absl::MutexLock lock(&mu_);
  auto it = subscriptions_.find(id);
  return it == subscriptions_.end() ? nullptr : it->second.lock();
}

std::vector<std::shared_ptr<Subscription>> NotificationHub::Subscriptions() const {
  absl::MutexLock lock(&mu_);
  std::vector<std::shared_ptr<Subscription>> result;
  for (const auto& [id, weak] : subscriptions_) {
    if (auto subscription = weak.lock()) result.push_back(std::move(subscription));
  }
  return result;
}

void NotificationHub::PublishState(absl::string_view type, absl::string_view id, uint64_t version) {
  v1::Notification notification;
  notification.set_type(std::string(type));
  notification.set_id(std::string(id));
  notification.set_version(version);
  *notification.mutable_time() = google::protobuf::util::TimeUtil::GetCurrentTime();
  for (const auto& subscription : Subscriptions()) {
    if (subscription->types().count(notification.type()) > 0) {
      subscription->OfferState(notification);
    }
  }
}

void NotificationHub::PublishEvent(const Event& event) {
  v1::Notification notification;
  notification.set_type(event.type);
  notification.set_id(event.id);
  notification.set_payload_json(event.payload_json);
  *notification.mutable_time() = google::protobuf::util::TimeUtil::GetCurrentTime();
  for (const auto& subscription : Subscriptions()) {
    if (!event.only_for.empty() && subscription->owner() != event.only_for) continue;
    if (subscription->types().count(event.type) > 0) subscription->OfferEvent(notification);
  }
}

}  // namespace outpost::notify
