#include "server/rpc/callers_at_work.h"

namespace outpost::rpc {

std::shared_ptr<const void> CallersAtWork::Enter(const Caller& caller) {
  if (caller.may_do_all()) return nullptr;
  {
    absl::MutexLock lock(&state_->mu);
    ++state_->callers[caller.name][caller.address];
  }
  const auto leave = [state = state_, name = caller.name, address = caller.address](const void*) {
    absl::MutexLock lock(&state->mu);
    const auto found = state->callers.find(name);
    const auto at = found->second.find(address);
    if (--at->second > 0) return;
    found->second.erase(at);
    if (found->second.empty()) state->callers.erase(found);
  };
  return {state_.get(), leave};
}

std::vector<std::string> CallersAtWork::AddressesOf(absl::string_view name) const {
  std::vector<std::string> addresses;
  absl::MutexLock lock(&state_->mu);
  const auto caller = state_->callers.find(name);
  if (caller == state_->callers.end()) return addresses;
  for (const auto& [address, count] : caller->second) addresses.push_back(address);
  return addresses;
}

}  // namespace outpost::rpc
