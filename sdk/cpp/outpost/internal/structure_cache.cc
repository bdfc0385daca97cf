#include "outpost/internal/structure_cache.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace outpost::internal {

void StructureCache::ManagerChanged() {
  absl::MutexLock lock(&mu_);
  session_ = 0;
  ++manager_;
  entries_.clear();
}

void StructureCache::SessionBegan(absl::Duration trust) {
  Heard();
  absl::MutexLock lock(&mu_);
  session_ = ++sessions_;
  trust_nanos_ = absl::ToInt64Nanoseconds(trust);
}

void StructureCache::SessionEnded() {
  absl::MutexLock lock(&mu_);
  session_ = 0;
}

void StructureCache::Changed(absl::string_view name, uint64_t version) {
  std::optional<StructureRef> outdated;  // unmapped, or freed, after the lock is
  absl::MutexLock lock(&mu_);
  const auto it = entries_.find(name);
  if (it == entries_.end()) {
    // The answer to a read may still be on its way.
    entries_[std::string(name)].newest = version;
    return;
  }
  Entry& entry = it->second;
  entry.newest = std::max(entry.newest, version);
  if (entry.kept.has_value() && entry.kept->version() < entry.newest) {
    outdated = std::exchange(entry.kept, std::nullopt);
  }
}

bool StructureCache::Trusted() const {
  return session_ != 0 &&
         MonotonicNanos() - heard_nanos_.load(std::memory_order_relaxed) < trust_nanos_;
}

StructureCache::Found StructureCache::Find(absl::string_view name) const {
  Found found;
  found.moment.doubt = doubt_.load();
  absl::ReaderMutexLock lock(&mu_);
  found.moment.session = session_;
  found.moment.manager = manager_;
  const auto it = entries_.find(name);
  if (it == entries_.end() || !it->second.kept.has_value()) return found;
  const Entry& entry = it->second;
  found.kept = entry.kept;
  found.current = entry.session == session_ && entry.doubt == found.moment.doubt &&
                  entry.kept->version() >= entry.newest && Trusted();
  return found;
}

bool StructureCache::Keep(const StructureRef& fresh, bool watched, const Moment& moment) {
  absl::MutexLock lock(&mu_);
  if (moment.manager != manager_) return false;
  Entry& entry = entries_[std::string(fresh.name())];
  if (entry.kept.has_value() && entry.kept->version() > fresh.version()) return true;
  const bool same = entry.kept.has_value() && entry.kept->version() == fresh.version();
  if (!same) entry.kept = fresh;
  if (watched) {
    entry.session = moment.session;
    entry.doubt = moment.doubt;
  } else if (!same) {
    entry.session = 0;
  }
  return true;
}

}  // namespace outpost::internal
