#include "server/notify/notification_hub.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "server/event/moment.h"
#include "server/event/proto_time.h"
#include "server/event/thread_role.h"

namespace outpost::notify {

Subscription::Subscription(uint64_t id, std::string owner, std::set<std::string> types,
                           bool explicit_acks, uint64_t after)
    : id_(id),
      owner_(std::move(owner)),
      types_(std::move(types)),
      explicit_acks_(explicit_acks),
      after_(after),
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
    slot.sent = event::Moment::Now().steady;
    next = *slot.newest;
  } else if (!events_.empty() && unacked_events_.size() < kUnackedEvents) {
    next = *events_.front().notification;
    uint64_t missed = events_.front().missed;
    events_.pop_front();
    if (const auto before = missed_.find(next.type()); before != missed_.end()) {
      missed += before->second;
      missed_.erase(before);
    }
    if (missed > 0) next.set_missed(missed);
    unacked_events_.emplace_back(next_sequence_, event::Moment::Now().steady);
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

void Subscription::Offer(const Batch& batch) {
  bool wake = false;
  {
    absl::MutexLock lock(&mu_);
    for (const Publication& publication : batch) {
      const std::string& type = publication.notification->type();
      if (publication.number <= after_ || types_.count(type) == 0) continue;
      if (!publication.only_for.empty() && publication.only_for != owner_) continue;
      switch (publication.kind) {
        case Publication::Kind::kState:
          wake |= TakeState(publication);
          break;
        case Publication::Kind::kEvent:
          wake |= TakeEvent(publication);
          break;
        case Publication::Kind::kLost:
          lost_[type] += publication.count;
          missed_total_ += publication.count;
          break;
      }
    }
    wake = wake && CanSend();
  }
  if (wake) Wake();
}

bool Subscription::TakeState(const Publication& state) {
  const std::string& type = state.notification->type();
  StateSlot& slot = states_[type];
  slot.newest = state.notification;
  coalesced_ += state.count - (slot.waiting ? 0 : 1);
  if (slot.waiting) return false;
  slot.waiting = true;
  slot.came = state.since;
  if (slot.unacknowledged != 0) return false;
  order_.push_back(type);
  return true;
}

bool Subscription::TakeEvent(const Publication& event) {
  if (events_.size() == kEventRing) {
    // The oldest goes; what was missed before it stays counted with it.
    missed_[events_.front().notification->type()] += events_.front().missed + 1;
    ++missed_total_;
    events_.pop_front();
  }
  WaitingEvent& waiting = events_.emplace_back(WaitingEvent{event.notification, event.since, 0});
  if (const auto lost = lost_.find(event.notification->type()); lost != lost_.end()) {
    waiting.missed = lost->second;
    lost_.erase(lost);
  }
  return true;
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
  absl::Duration owes_since = absl::InfiniteDuration();
  depth.waiting = events_.size();
  if (!events_.empty()) owes_since = events_.front().since;
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
  depth.lag = owes_since == absl::InfiniteDuration()
                  ? absl::ZeroDuration()
                  : std::max(event::Moment::Now().steady - owes_since, absl::Nanoseconds(1));
  return depth;
}

NotificationHub::NotificationHub() : thread_([this] { Run(); }) {}

NotificationHub::~NotificationHub() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
    published_.Signal();
  }
  thread_.join();
}

std::shared_ptr<Subscription> NotificationHub::Subscribe(std::string owner,
                                                         std::set<std::string> types,
                                                         bool explicit_acks) {
  absl::MutexLock lock(&mu_);
  // The last owner may be a thread that knows nothing of the hub: the deleter
  // would need it, so that expired entries are swept here instead.
  if (subscriptions_.size() >= sweep_at_) ForgetTheGone();
  const uint64_t id = next_id_++;
  auto subscription = std::make_shared<Subscription>(id, std::move(owner), std::move(types),
                                                     explicit_acks, last_number_);
  subscriptions_.emplace(id, subscription);
  subscribers_ = nullptr;
  return subscription;
}

void NotificationHub::ForgetTheGone() {
  for (auto it = subscriptions_.begin(); it != subscriptions_.end();) {
    it = it->second.expired() ? subscriptions_.erase(it) : std::next(it);
  }
  sweep_at_ = 2 * subscriptions_.size() + 64;
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
  auto notification = std::make_shared<v1::Notification>();
  notification->set_type(std::string(type));
  notification->set_id(std::string(id));
  notification->set_version(version);
  const event::Moment now = event::Moment::Now();
  *notification->mutable_time() = event::ToProto(now.wall);
  absl::MutexLock lock(&mu_);
  const auto [at, is_new] = state_at_.try_emplace(std::string(type), states_.size());
  if (is_new) {
    states_.push_back({.kind = Publication::Kind::kState, .count = 0, .since = now.steady});
  }
  Publication& state = states_[at->second];
  state.number = ++last_number_;
  state.notification = std::move(notification);
  ++state.count;
  published_.Signal();
}

void NotificationHub::PublishEvent(const Event& event) {
  auto notification = std::make_shared<v1::Notification>();
  notification->set_type(event.type);
  notification->set_id(event.id);
  notification->set_payload_json(event.payload_json);
  const event::Moment now = event::Moment::Now();
  *notification->mutable_time() = event::ToProto(now.wall);
  absl::MutexLock lock(&mu_);
  if (events_.size() == kQueuedEvents) {
    Lose(std::move(events_.front()));
    events_.pop_front();
  }
  events_.push_back({.kind = Publication::Kind::kEvent,
                     .number = ++last_number_,
                     .notification = std::move(notification),
                     .only_for = event.only_for,
                     .since = now.steady});
  published_.Signal();
}

void NotificationHub::Lose(Publication event) {
  for (Publication& lost : lost_) {
    if (lost.notification->type() != event.notification->type()) continue;
    if (lost.only_for != event.only_for) continue;
    lost.number = event.number;
    ++lost.count;
    return;
  }
  event.kind = Publication::Kind::kLost;
  lost_.push_back(std::move(event));
}

Subscription::Batch NotificationHub::TakeBatch() {
  Subscription::Batch batch = std::exchange(lost_, {});  // they come before those that are left
  for (Publication& state : states_) batch.push_back(std::move(state));
  for (Publication& event : events_) batch.push_back(std::move(event));
  states_.clear();
  state_at_.clear();
  events_.clear();
  return batch;
}

void NotificationHub::Run() {
  event::NameThread("notify");
  mu_.Lock();
  while (true) {
    while (told_number_ == last_number_ && !stopping_) published_.Wait(&mu_);
    if (told_number_ == last_number_) break;
    const uint64_t number = last_number_;
    const Subscription::Batch batch = TakeBatch();
    if (subscribers_ == nullptr) {
      ForgetTheGone();
      auto subscribers = std::make_shared<Subscribers>();
      for (const auto& [id, weak] : subscriptions_) subscribers->push_back(weak);
      subscribers_ = std::move(subscribers);
    }
    const std::shared_ptr<const Subscribers> subscribers = subscribers_;
    mu_.Unlock();
    bool gone = false;
    for (const auto& weak : *subscribers) {
      if (const auto subscription = weak.lock()) {
        subscription->Offer(batch);
      } else {
        gone = true;
      }
    }
    mu_.Lock();
    if (gone && subscribers_ == subscribers) subscribers_ = nullptr;
    told_number_ = number;
    told_.SignalAll();
  }
  mu_.Unlock();
}

void NotificationHub::Settle() {
  absl::MutexLock lock(&mu_);
  const uint64_t number = last_number_;
  while (told_number_ < number) told_.Wait(&mu_);
}

}  // namespace outpost::notify
