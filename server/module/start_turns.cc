#include "server/module/start_turns.h"

#include <algorithm>
#include <utility>

namespace outpost::module {

// The numbers of processes rise, and so do their times: the first began first.
bool StartTurns::IsFree(absl::Duration now) {
  while (!starting_.empty() && now - starting_.begin()->second >= limits_.turn) {
    starting_.erase(starting_.begin());
  }
  return starting_.size() < limits_.at_once && rate_.Until(now) == absl::ZeroDuration();
}

bool StartTurns::Take(const std::string& name, Kind kind, absl::Duration now) {
  if (waiting_.contains(name)) return false;
  if (waiting_.empty() && IsFree(now)) return true;
  waiting_.insert(name);
  queues_[static_cast<size_t>(kind)].push_back(name);
  return false;
}

void StartTurns::Leave(const std::string& name) {
  if (waiting_.erase(name) == 0) return;
  for (auto& queue : queues_)
    queue.erase(std::remove(queue.begin(), queue.end(), name), queue.end());
}

std::optional<std::string> StartTurns::Next(absl::Duration now) {
  if (waiting_.empty() || !IsFree(now)) return std::nullopt;
  if (queues_[next_queue_].empty()) next_queue_ = 1 - next_queue_;
  std::deque<std::string>& queue = queues_[next_queue_];
  next_queue_ = 1 - next_queue_;
  std::string name = std::move(queue.front());
  queue.pop_front();
  waiting_.erase(name);
  return name;
}

void StartTurns::Begin(uint64_t run, absl::Duration now) {
  starting_.emplace(run, now);
  rate_.Take(now);
}

absl::Duration StartTurns::Until(absl::Duration now) const {
  if (waiting_.empty()) return absl::InfiniteDuration();
  absl::Duration until = rate_.Until(now);
  if (starting_.size() >= limits_.at_once) {
    until = std::max(until, starting_.begin()->second + limits_.turn - now);
  }
  return until;
}

}  // namespace outpost::module
