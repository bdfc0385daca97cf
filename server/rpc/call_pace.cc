#include "server/rpc/call_pace.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <vector>

#include "server/log/log.h"

namespace outpost::rpc {
namespace {

// Who is known by no name of its own; nobody is called so.
constexpr char kOthers[] = "";

constexpr absl::Duration kTellAgain = absl::Minutes(1);

absl::Duration Now() {
  return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace

void CallPace::Run(const std::string& caller, double per_second, double cost,
                   absl::AnyInvocable<void()> call) {
  {
    absl::MutexLock lock(&mu_);
    if (!stopped_) {
      const absl::Duration now = Now();
      auto& [name, known] = Find(caller, per_second, now);
      const absl::Duration wait = known.until - now - kBurst;
      if (!known.waiting.empty() || wait > absl::ZeroDuration()) {
        known.waiting.push_back({cost, std::move(call)});
        if (known.waiting.size() == 1) Arm(name, wait);
        if (now - known.told < kTellAgain) return;
        known.told = now;
        return log::Get("rpc").warn(
            "{} makes more calls than {} a second (a change counts as {}, one that is refused as "
            "{}): further ones wait for their turn (calls-per-second)",
            name, per_second, kChange, kRefused);
      }
      Count(known, cost, now);
    }
  }
  // A copy: when the call has ended, what it was made with is gone, and who made it was part of
  // that.
  RunNow(std::string(caller), per_second, std::move(call));
}

void CallPace::Stop() {
  std::vector<Waiting> left;
  {
    absl::MutexLock lock(&mu_);
    stopped_ = true;
    for (auto& [name, caller] : callers_) {
      std::move(caller.waiting.begin(), caller.waiting.end(), std::back_inserter(left));
      caller.waiting.clear();
    }
  }
  timers_.Stop();
  for (Waiting& waiting : left) waiting.call();
}

size_t CallPace::waiting() const {
  absl::MutexLock lock(&mu_);
  size_t count = 0;
  for (const auto& [name, caller] : callers_) count += caller.waiting.size();
  return count;
}

std::pair<const std::string, CallPace::Caller>& CallPace::Find(const std::string& name,
                                                               double per_second,
                                                               absl::Duration now) {
  if (callers_.size() >= kMaxNames && !callers_.contains(name)) {
    absl::erase_if(callers_, [now](const auto& entry) {
      return entry.second.waiting.empty() && entry.second.until <= now;
    });
  }
  const bool has_place = callers_.size() < kMaxNames || callers_.contains(name);
  auto& found = *callers_.try_emplace(has_place ? name : kOthers).first;
  found.second.per_second = per_second;
  return found;
}

void CallPace::Count(Caller& caller, double calls, absl::Duration now) {
  caller.until = std::max(caller.until, now) + absl::Seconds(calls / caller.per_second);
}

void CallPace::Arm(const std::string& name, absl::Duration after) {
  timers_.After(std::max(after, kTurn), [this, name] { RunDue(name); });
}

void CallPace::RunDue(const std::string& name) {
  while (true) {
    Waiting next;
    double per_second = 0;
    {
      absl::MutexLock lock(&mu_);
      const auto found = callers_.find(name);
      if (found == callers_.end() || found->second.waiting.empty()) return;
      Caller& caller = found->second;
      const absl::Duration now = Now();
      if (const absl::Duration wait = caller.until - now - kBurst; wait > absl::ZeroDuration()) {
        return Arm(name, wait);
      }
      next = std::move(caller.waiting.front());
      caller.waiting.pop_front();
      per_second = caller.per_second;
      Count(caller, next.cost, now);
    }
    RunNow(name, per_second, std::move(next.call));
  }
}

void CallPace::RunNow(const std::string& caller, double per_second,
                      absl::AnyInvocable<void()> call) {
  const absl::Duration began = Now();
  call();
  const absl::Duration ended = Now();
  if (ended - began < kWork) return;
  absl::MutexLock lock(&mu_);
  Count(Find(caller, per_second, ended).second, absl::FDivDuration(ended - began, kWork), ended);
}

}  // namespace outpost::rpc
