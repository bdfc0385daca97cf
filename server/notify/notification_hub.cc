#include "server/notify/notification_hub.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "server/event/proto_time.h"

namespace outpost::notify {

Subscription::Subscription(uint64_t id, std::string owner, std::set<std::string> types,
                           bool explicit_acks)
    : id_(id),
      owner_(std::move(owner)),
      types_(std::move(types)),
      explicit_acks_(explicit_acks),
      since_(absl::Now()) {}

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
    slot.sent = absl::Now();
    next = *slot.newest;
  } else if (!events_.empty() && unacked_events_.size() < kUnackedEvents) {
    next = *events_.front().first;
    events_.pop_front();
    auto missed = missed_.find(next.type());
    if (missed != missed_.end()) {
      next.set_missed(missed->second);
      missed_.erase(missed);
    }
    unacked_events_.emplace_back(next_sequence_, absl::Now());
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
    while (!unacked_events_.empty() && unacked_events_.front().first <= sequence) {
      unacked_events_.pop_front();
    }
    wake = CanSend();
  }
  if (wake) Wake();
}

void Subscription::OfferState(const Shared& notification, absl::Time now) {
  bool wake = false;
  {
    absl::MutexLock lock(&mu_);
    StateSlot& slot = states_[notification->type()];
    slot.newest = notification;
    if (slot.waiting) {
      ++coalesced_;
    } else {
      slot.waiting = true;
      slot.came = now;
      if (slot.unacknowledged == 0) {
        order_.push_back(notification->type());
        wake = true;
      }
    }
  }
  if (wake) Wake();
}

void Subscription::OfferEvent(const Shared& notification, absl::Time now) {
  {
    absl::MutexLock lock(&mu_);
    if (events_.size() == kEventRing) {
      // The oldest goes; what it had missed before it stays counted with it.
      ++missed_[events_.front().first->type()];
      ++missed_total_;
      events_.pop_front();
    }
    events_.emplace_back(notification, now);
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
  absl::Time owes_since = absl::InfiniteFuture();
  depth.waiting = events_.size();
  if (!events_.empty()) owes_since = events_.front().second;
  depth.unacknowledged = unacked_events_.size();
  if (!unacked_events_.empty()) {
    owes_since = std::min(owes_since, unacked_events_.front().second);
  }
  for (const auto& [type, slot] : states_) {
    depth.waiting += slot.waiting;
    if (slot.waiting) owes_since = std::min(owes_since, slot.came);
    depth.unacknowledged += slot.unacknowledged != 0;
    if (slot.unacknowledged != 0) owes_since = std::min(owes_since, slot.sent);
  }
  depth.sent = next_sequence_ - 1;
  depth.missed = missed_total_;
  depth.coalesced = coalesced_;
  depth.lag = owes_since == absl::InfiniteFuture()
                  ? absl::ZeroDuration()
                  : std::max(absl::Now() - owes_since, absl::Nanoseconds(1));
  return depth;
}

std::shared_ptr<Subscription> NotificationHub::Subscribe(std::string owner,
                                                         std::set<std::string> types,
                                                         bool explicit_acks) {
  absl::MutexLock lock(&mu_);
  const uint64_t id = next_id_++;
  // The last owner may be a thread that knows nothing of the hub: the deleter
  // would need it, so that expired entries are swept here instead.
  for (auto it = subscriptions_.begin(); it != subscriptions_.end();) {
    if (it->second.expired()) {
      it = subscriptions_.erase(it);
    } else {
      ++it;
    }
  }
  auto subscription =
      std::make_shared<Subscription>(id, std::move(owner), std::move(types), explicit_acks);
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
  const auto notification = std::make_shared<v1::Notification>();
  notification->set_type(std::string(type));
  notification->set_id(std::string(id));
  notification->set_version(version);
  const absl::Time now = absl::Now();
  *notification->mutable_time() = event::ToProto(now);
  for (const auto& subscription : Subscriptions()) {
    if (subscription->types().count(notification->type()) > 0) {
      subscription->OfferState(notification, now);
    }
  }
}

void NotificationHub::PublishEvent(const Event& event) {
  const auto notification = std::make_shared<v1::Notification>();
  notification->set_type(event.type);
  notification->set_id(event.id);
  notification->set_payload_json(event.payload_json);
  const absl::Time now = absl::Now();
  *notification->mutable_time() = event::ToProto(now);
  for (const auto& subscription : Subscriptions()) {
    if (!event.only_for.empty() && subscription->owner() != event.only_for) continue;
    if (subscription->types().count(event.type) > 0) subscription->OfferEvent(notification, now);
  }
}

}  // namespace outpost::notify
