#include "server/rpc/connection_numbers.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace outpost::rpc {
namespace {

bool IsFree(int number) { return fcntl(number, F_GETFD) < 0 && errno == EBADF; }

// A copy of `fd` with just this number; false: something else has it.
bool CopyTo(int fd, int number) {
  if (!IsFree(number)) return false;
  const int copy = fcntl(fd, F_DUPFD_CLOEXEC, number);
  if (copy >= 0 && copy != number) close(copy);
  return copy == number;
}

}  // namespace

int ConnectionNumbers::Take(const Kind& kind, Standing standing, Connection connection, int fd) {
  const bool is_stranger = standing == Standing::kStranger;
  Numbers& numbers = is_stranger ? of_strangers_ : for_ever_;
  const auto own = numbers.try_emplace(kind).first;
  const int number = Find(kind, own->second, standing, fd);
  if (number >= 0) Give(number, own->first, is_stranger);
  if (own->second.empty()) numbers.erase(own);
  if (number < 0) return -1;
  Stripe& stripe = StripeOf(number);
  absl::MutexLock lock(&stripe.mu);
  stripe.connections[number] = std::move(connection);
  return number;
}

bool ConnectionNumbers::MayHave(const Kind& kind, size_t have, Standing standing,
                                int number) const {
  if (number < 0 || static_cast<size_t>(number) >= kNumbers) return false;
  const bool is_stranger = standing == Standing::kStranger;
  const auto owner = owners_.find(number);
  if (owner != owners_.end()) {
    if (owner->second.is_stranger != is_stranger) return false;
    return *owner->second.kind == kind || (is_stranger && have < kMaxOfStranger);
  }
  switch (standing) {
    case Standing::kAdmin:
      return true;
    case Standing::kKnown:
      return have < kMaxOfOthers;
    case Standing::kStranger:
      return have < kMaxOfStranger && strangers_ < kMaxStrangers;
  }
  return false;
}

int ConnectionNumbers::Find(const Kind& kind, const std::vector<int>& own, Standing standing,
                            int fd) const {
  const size_t have = own.size();
  if (MayHave(kind, have, standing, fd)) return fd;
  for (const int number : own) {
    if (CopyTo(fd, number)) return number;
  }
  if (standing == Standing::kStranger) {
    for (const auto& [other, numbers] : of_strangers_) {
      if (have >= kMaxOfStranger) break;
      for (const int number : numbers) {
        if (CopyTo(fd, number)) return number;
      }
    }
  }
  // One that nobody ever had.
  for (int number = 0; static_cast<size_t>(number) < kNumbers; ++number) {
    if (owners_.contains(number)) continue;
    if (!MayHave(kind, have, standing, number)) return -1;
    const int copy = fcntl(fd, F_DUPFD_CLOEXEC, number);
    if (copy < 0) return -1;
    if (!owners_.contains(copy) && static_cast<size_t>(copy) < kNumbers) return copy;
    close(copy);
    number = copy;
  }
  return -1;
}

void ConnectionNumbers::Give(int number, const Kind& kind, bool is_stranger) {
  const auto [owner, is_new] = owners_.try_emplace(number, Owner{&kind, is_stranger});
  if (!is_new) {
    if (*owner->second.kind == kind) return;
    const auto before = of_strangers_.find(*owner->second.kind);
    std::vector<int>& numbers = before->second;
    numbers.erase(std::find(numbers.begin(), numbers.end(), number));
    owner->second.kind = &kind;
    if (numbers.empty()) of_strangers_.erase(before);
  } else if (is_stranger) {
    ++strangers_;
  }
  (is_stranger ? of_strangers_ : for_ever_)[kind].push_back(number);
}

ConnectionNumbers::Connection ConnectionNumbers::Of(int number) const {
  const Stripe& stripe = StripeOf(number);
  absl::ReaderMutexLock lock(&stripe.mu);
  const auto found = stripe.connections.find(number);
  return found == stripe.connections.end() ? Connection() : found->second;
}

}  // namespace outpost::rpc
