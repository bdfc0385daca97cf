#include "server/rpc/handshake_pace.h"

#include <algorithm>
#include <utility>

namespace outpost::rpc {
namespace {

const absl::Duration kOne = absl::Seconds(1) / HandshakePace::kPerSecond;

}  // namespace

absl::Duration HandshakePace::Turn(Paid paid) { return paid - (kBurst - 1) * kOne; }

const HandshakePace::Paid& HandshakePace::PaidBy(const Host& host) const {
  return host.is_known ? host.paid : paid_by_others_;
}

HandshakePace::Paid& HandshakePace::PaidBy(Host& host) {
  return host.is_known ? host.paid : paid_by_others_;
}

std::deque<HandshakePace::Entry*>::const_iterator HandshakePace::Most() const {
  return std::max_element(turns_.begin(), turns_.end(), [](const Entry* one, const Entry* other) {
    return one->second.waiting.size() < other->second.waiting.size();
  });
}

std::optional<HandshakePace::Connection> HandshakePace::Add(Connection connection) {
  absl::MutexLock lock(&mu_);
  Entry& entry = *hosts_.try_emplace(connection.host).first;
  std::deque<Connection>& own = entry.second.waiting;
  if (own.empty()) turns_.push_back(&entry);
  own.push_back(std::move(connection));
  ++waiting_;
  if (own.size() <= kMaxOfHost && waiting_ <= kMaxWaiting) return std::nullopt;
  const auto most = Most();
  Entry* const longest = own.size() > kMaxOfHost ? &entry : *most;
  Connection oldest = std::move(longest->second.waiting.front());
  longest->second.waiting.pop_front();
  --waiting_;
  if (longest->second.waiting.empty()) {
    // Each host has one: the first of them has waited for longest.
    turns_.erase(most);
    if (!longest->second.is_known) hosts_.erase(longest->first);
  }
  return oldest;
}

std::optional<HandshakePace::Connection> HandshakePace::Next(absl::Duration now) {
  absl::MutexLock lock(&mu_);
  const auto turn = std::find_if(turns_.begin(), turns_.end(), [&](const Entry* entry) {
    mu_.AssertReaderHeld();
    return Turn(PaidBy(entry->second)) <= now;
  });
  if (turn == turns_.end()) return std::nullopt;
  Entry& entry = **turn;
  Host& host = entry.second;
  turns_.erase(turn);
  Paid& paid = PaidBy(host);
  paid = std::max(paid, now) + kOne;
  Connection connection = std::move(host.waiting.front());
  host.waiting.pop_front();
  --waiting_;
  const Begun begun = {.host = connection.host, .paid_by_others = !host.is_known};
  if (begun_.insert_or_assign(connection.peer, begun).second) order_.push_back(connection.peer);
  if (order_.size() > kMaxBegun) {
    begun_.erase(order_.front());
    order_.pop_front();
  }
  if (!host.waiting.empty()) {
    turns_.push_back(&entry);
  } else if (!host.is_known) {
    hosts_.erase(entry.first);
  }
  return connection;
}

absl::Duration HandshakePace::NextAfter(absl::Duration now) const {
  absl::MutexLock lock(&mu_);
  absl::Duration after = absl::InfiniteDuration();
  for (const Entry* entry : turns_) {
    after = std::min(after, std::max(Turn(PaidBy(entry->second)) - now, absl::ZeroDuration()));
  }
  return after;
}

std::string HandshakePace::PayBack(const std::string& peer) {
  const auto found = begun_.find(peer);
  if (found == begun_.end()) return "";
  const Begun begun = std::move(found->second);
  begun_.erase(found);
  order_.erase(std::find(order_.begin(), order_.end(), peer));
  if (begun.paid_by_others) {
    paid_by_others_ -= kOne;
  } else if (const auto host = hosts_.find(begun.host); host != hosts_.end()) {
    host->second.paid -= kOne;
  }
  return begun.host;
}

bool HandshakePace::Worth(const std::string& peer) {
  absl::MutexLock lock(&mu_);
  const std::string name = PayBack(peer);
  if (name.empty()) return false;
  Host& host = hosts_[name];
  if (!host.is_known) {
    if (known_ >= kMaxKnown) ForgetOneKnown();
    host.is_known = true;
    ++known_;
  }
  return waiting_ > 0;
}

void HandshakePace::ForgetOneKnown() {
  for (auto entry = hosts_.begin(); entry != hosts_.end(); ++entry) {
    if (!entry->second.is_known) continue;
    --known_;
    if (entry->second.waiting.empty()) {
      hosts_.erase(entry);
    } else {
      entry->second.is_known = false;
    }
    return;
  }
}

void HandshakePace::Withdraw(const std::string& peer) {
  absl::MutexLock lock(&mu_);
  PayBack(peer);
}

std::vector<HandshakePace::Connection> HandshakePace::TakeAll() {
  absl::MutexLock lock(&mu_);
  std::vector<Connection> all;
  for (Entry* entry : std::exchange(turns_, {})) {
    for (Connection& connection : std::exchange(entry->second.waiting, {})) {
      all.push_back(std::move(connection));
    }
    if (!entry->second.is_known) hosts_.erase(entry->first);
  }
  waiting_ = 0;
  return all;
}

HandshakePace::HostThatWaits HandshakePace::Longest() const {
  absl::MutexLock lock(&mu_);
  const auto most = Most();
  if (most == turns_.end()) return {};
  return {.host = (*most)->first, .waiting = (*most)->second.waiting.size()};
}

bool HandshakePace::IsKnown(const std::string& host) const {
  absl::MutexLock lock(&mu_);
  const auto found = hosts_.find(host);
  return found != hosts_.end() && found->second.is_known;
}

size_t HandshakePace::waiting() const {
  absl::MutexLock lock(&mu_);
  return waiting_;
}

}  // namespace outpost::rpc
