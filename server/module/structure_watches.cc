#include "server/module/structure_watches.h"

#include <algorithm>
#include <utility>

namespace outpost::module {

void StructureWatches::Watch(absl::string_view structure, const std::shared_ptr<Session>& session) {
  absl::MutexLock lock(&mu_);
  OfStructure& of = structures_[structure];
  of.watchers.insert_or_assign(session.get(), session);
  if (of.watchers.size() < of.sweep_at) return;
  absl::erase_if(of.watchers, [](const auto& entry) { return entry.second.expired(); });
  of.sweep_at = std::max<size_t>(64, 2 * of.watchers.size());
}

void StructureWatches::Changed(absl::string_view structure, uint64_t version) {
  Watchers told;
  {
    absl::MutexLock lock(&mu_);
    const auto it = structures_.find(structure);
    if (it == structures_.end()) return;
    told = std::exchange(it->second, OfStructure()).watchers;
  }
  for (const auto& [address, weak] : told) {
    const std::shared_ptr<Session> session = weak.lock();
    if (session == nullptr) continue;
    v1::AttachResponse message;
    message.mutable_structure_changed()->set_name(std::string(structure));
    message.mutable_structure_changed()->set_version(version);
    session->Send(std::move(message));
  }
}

size_t StructureWatches::size() const {
  absl::MutexLock lock(&mu_);
  size_t size = 0;
  for (const auto& [name, of] : structures_) size += of.watchers.size();
  return size;
}

}  // namespace outpost::module
