#include "server/store/watch_list.h"

#include <cstdint>
#include <map>
#include <string>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/synchronization/mutex.h"

namespace outpost::store {

// Shared by the list and its handles.
class WatchList::Watches {
 public:
  uint64_t Add(absl::string_view prefix, StateStore::WatchCallback callback) {
    auto watch = std::make_shared<const Watch>(Watch{std::string(prefix), std::move(callback)});
    absl::MutexLock lock(&mu_);
    const uint64_t id = ++last_id_;
    by_id_.emplace(id, std::move(watch));
    return id;
  }

  void Remove(uint64_t id) {
    std::shared_ptr<const Watch> removed;  // outlives the lock: its callback may own anything
    absl::MutexLock lock(&mu_);
    auto it = by_id_.find(id);
    removed = std::move(it->second);
    by_id_.erase(it);
    if (running_ != id || runner_ == std::this_thread::get_id()) return;
    auto ended = [this, id]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return running_ != id; };
    mu_.Await(absl::Condition(&ended));
  }

  void Deliver(const Change& change) {
    uint64_t id = 0;
    while (auto watch = Begin(change.key, id)) {
      watch->callback(change);
      absl::MutexLock lock(&mu_);
      running_ = 0;
    }
  }

 private:
  struct Watch {
    std::string prefix;
    StateStore::WatchCallback callback;
  };

  // The first watch of `key` after `id`, which becomes its id; null when there is none.
  std::shared_ptr<const Watch> Begin(absl::string_view key, uint64_t& id) {
    absl::MutexLock lock(&mu_);
    for (auto it = by_id_.upper_bound(id); it != by_id_.end(); ++it) {
      if (!absl::StartsWith(key, it->second->prefix)) continue;
      running_ = id = it->first;
      runner_ = std::this_thread::get_id();
      return it->second;
    }
    return nullptr;
  }

  absl::Mutex mu_;
  uint64_t last_id_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<uint64_t, std::shared_ptr<const Watch>> by_id_ ABSL_GUARDED_BY(mu_);
  uint64_t running_ ABSL_GUARDED_BY(mu_) = 0;  // the watch whose callback runs; 0: none
  std::thread::id runner_ ABSL_GUARDED_BY(mu_);
};

class WatchList::Handle : public WatchHandle {
 public:
  Handle(std::shared_ptr<Watches> watches, uint64_t id) : watches_(std::move(watches)), id_(id) {}
  ~Handle() override { watches_->Remove(id_); }

 private:
  const std::shared_ptr<Watches> watches_;
  const uint64_t id_;
};

WatchList::WatchList() : watches_(std::make_shared<Watches>()) {}
WatchList::~WatchList() = default;

std::unique_ptr<WatchHandle> WatchList::Add(absl::string_view prefix,
                                            StateStore::WatchCallback callback) {
  const uint64_t id = watches_->Add(prefix, std::move(callback));
  return std::make_unique<Handle>(watches_, id);
}

void WatchList::Deliver(const Change& change) { watches_->Deliver(change); }

}  // namespace outpost::store
