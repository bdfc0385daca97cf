#include "server/module/registration_limit.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace outpost::module {
namespace {

constexpr size_t kDeclarationsOfOne = 100;  // cost as much as a registration does
constexpr absl::Duration kTell = absl::Seconds(1);

}  // namespace

RegistrationLimit::RegistrationLimit(double per_second)
    : per_second_(per_second), all_(kAll * kBurstSeconds * per_second, kAll * per_second) {}

absl::Status RegistrationLimit::Take(const std::string& name, size_t declarations,
                                     absl::Duration now) {
  const double burst = kBurstSeconds * per_second_;
  const size_t ones = 1 + declarations / kDeclarationsOfOne;
  // What costs more than there ever is takes all.
  const double cost = std::min(burst, static_cast<double>(ones));
  if (by_name_.size() >= kMaxNames && !by_name_.contains(name)) ForgetIdle(now);
  // Where it can't be counted by itself, it counts with all.
  if (by_name_.size() < kMaxNames || by_name_.contains(name)) {
    auto [it, added] = by_name_.try_emplace(name, burst, per_second_);
    if (!it->second.Take(now, cost)) {
      return Refuse(absl::StrCat("module '", name, "' registers more often than ", per_second_,
                                 " times a second (--registrations-per-second); try again later"));
    }
  }
  if (!all_.Take(now, cost)) {
    return Refuse(
        absl::StrCat("modules register more often than ", kAll * per_second_,
                     " times a second (50 times --registrations-per-second); try again later"));
  }
  return absl::OkStatus();
}

absl::Status RegistrationLimit::Refuse(std::string words) {
  ++untold_;
  last_words_ = std::move(words);
  return absl::UnavailableError(last_words_);
}

size_t RegistrationLimit::TakeUntold(absl::Duration now) {
  if (untold_ == 0 || now - told_ < kTell) return 0;
  told_ = now;
  return std::exchange(untold_, 0);
}

void RegistrationLimit::ForgetIdle(absl::Duration now) {
  absl::erase_if(by_name_, [now](auto& entry) { return entry.second.IsFull(now); });
}

}  // namespace outpost::module
