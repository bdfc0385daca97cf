#include "server/cluster/ceph/modified_options.h"

#include <algorithm>

namespace outpost::cluster::ceph {

void ModifiedOptions::SetCentral(std::vector<std::string> names) {
  Replace(&central_, std::move(names));
}

void ModifiedOptions::SetDaemons(const std::vector<Daemon>& daemons) {
  const std::map<std::string, uint64_t, std::less<>> present(daemons.begin(), daemons.end());
  for (auto known = daemons_.begin(); known != daemons_.end();) {
    if (present.count(known->first) > 0) {
      ++known;
    } else {
      queue_.erase({known->second.due, known->first});
      Replace(&known->second.names, {});
      known = daemons_.erase(known);
    }
  }
  for (const auto& [name, start] : present) {
    const auto [daemon, is_new] = daemons_.try_emplace(name);
    if (!is_new && daemon->second.start == start) continue;
    daemon->second.start = start;
    Postpone(daemon, -absl::InfiniteDuration());
  }
}

std::optional<std::string> ModifiedOptions::Next(absl::Duration now) const {
  if (queue_.empty() || queue_.begin()->first > now) return std::nullopt;
  return queue_.begin()->second;
}

void ModifiedOptions::Told(absl::string_view daemon, std::vector<std::string> names,
                           absl::Duration now) {
  const auto known = daemons_.find(daemon);
  if (known == daemons_.end()) return;
  Replace(&known->second.names, std::move(names));
  const absl::Duration round = absl::Seconds(static_cast<double>(daemons_.size()) / kRecurring);
  Postpone(known, now + std::max(review_, round));
}

void ModifiedOptions::NotKnown(absl::string_view daemon, absl::Duration now) {
  const auto known = daemons_.find(daemon);
  if (known != daemons_.end()) Postpone(known, now + settling_);
}

std::set<std::string> ModifiedOptions::Names() const {
  std::set<std::string> names;
  for (const auto& [name, uses] : uses_) names.insert(names.end(), name);
  return names;
}

void ModifiedOptions::Replace(std::vector<std::string>* names, std::vector<std::string> by) {
  for (const std::string& name : by) ++uses_[name];
  for (const std::string& name : *names) {
    if (--uses_[name] == 0) uses_.erase(name);
  }
  *names = std::move(by);
}

void ModifiedOptions::Postpone(std::map<std::string, State, std::less<>>::iterator daemon,
                               absl::Duration due) {
  queue_.erase({daemon->second.due, daemon->first});
  daemon->second.due = due;
  queue_.insert({due, daemon->first});
}

}  // namespace outpost::cluster::ceph
