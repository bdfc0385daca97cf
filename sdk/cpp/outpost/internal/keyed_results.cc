#include "outpost/internal/keyed_results.h"

namespace outpost::internal {

KeyedResults::KeyedResults(std::function<absl::Time()> clock) : clock_(std::move(clock)) {}

bool KeyedResults::Begin(const std::string& key, Answer answer) {
  std::optional<v1::CommandResult> result;
  {
    absl::MutexLock lock(&mu_);
    while (!ends_.empty() && ends_.front().first + kKeep <= clock_()) {
      entries_.erase(ends_.front().second);
      ends_.pop_front();
    }
    const auto [it, added] = entries_.try_emplace(key);
    result = it->second.result;
    if (!result) {
      it->second.waiting.push_back(std::move(answer));
      return added;
    }
  }
  answer(*result);
  return false;
}

void KeyedResults::End(const std::string& key, v1::CommandResult result) {
  std::vector<Answer> waiting;
  {
    absl::MutexLock lock(&mu_);
    Entry& entry = entries_[key];
    waiting.swap(entry.waiting);
    entry.result = result;
    ends_.emplace_back(clock_(), key);
  }
  for (const Answer& answer : waiting) answer(result);
}

}  // namespace outpost::internal
