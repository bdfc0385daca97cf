#include "outpost/internal/keyed_results.h"

#include <cerrno>

#include "absl/strings/str_cat.h"

namespace outpost::internal {
namespace {

// In the place of a result of so many bytes.
v1::CommandResult TooGreat(int retval, size_t bytes) {
  v1::CommandResult result;
  result.set_retval(-EMSGSIZE);
  result.set_stderr(absl::StrCat("the command of this key was run and returned ", retval,
                                 ", but its output of ", bytes,
                                 " bytes is more than is remembered; it is not run again"));
  return result;
}

}  // namespace

KeyedResults::KeyedResults(std::function<absl::Time()> clock) : clock_(std::move(clock)) {}

bool KeyedResults::Begin(const std::string& key, Answer answer) {
  std::optional<v1::CommandResult> result;
  {
    absl::MutexLock lock(&mu_);
    Expire();
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

void KeyedResults::End(const std::string& key, const v1::CommandResult& result) {
  std::vector<Answer> waiting;
  {
    absl::MutexLock lock(&mu_);
    Expire();
    Entry& entry = entries_[key];
    waiting.swap(entry.waiting);
    if (result.retval() == -EAGAIN) {
      entries_.erase(key);
    } else {
      const size_t bytes = result.ByteSizeLong();
      const bool fits = bytes <= kMaxBytes && bytes_ + bytes <= kMaxBytesOfAll;
      entry.result = fits ? result : TooGreat(result.retval(), bytes);
      bytes_ += entry.result->ByteSizeLong();
      ends_.emplace_back(clock_(), key);
    }
  }
  for (const Answer& answer : waiting) answer(result);
}

void KeyedResults::Expire() {
  while (!ends_.empty() && ends_.front().first + kKeep <= clock_()) {
    const auto it = entries_.find(ends_.front().second);
    bytes_ -= it->second.result->ByteSizeLong();
    entries_.erase(it);
    ends_.pop_front();
  }
}

}  // namespace outpost::internal
