// StructureCache keeps what was read of the cluster's structures, and knows which of
// it may be used without asking the manager.
//
// What is kept is current while the manager has promised to tell of a newer version
// (see ClusterGetRequest.watch) and the promise holds: the session in which it was
// made lives and was heard of lately, and nothing that the module has learned
// elsewhere since may come of a change that the session has yet to tell.
//
// **Thread safety.** All methods may be called from any thread; none blocks.
//
// **Invariants.**
// 1. What is kept of a structure is the newest version that was read from the present
//    manager process.
// 2. After Changed(name, version), SessionEnded or Doubt returned, Find gives nothing
//    older as current.
// 3. Nothing is current for longer than `trust` after Heard was called last.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_STRUCTURE_CACHE_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_STRUCTURE_CACHE_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "outpost/structure.h"

namespace outpost::internal {

class StructureCache {
 public:
  // When something was asked: what was true then. For Keep.
  struct Moment {
    uint64_t session = 0;
    uint64_t doubt = 0;
    uint64_t manager = 0;
  };
  struct Found {
    std::optional<StructureRef> kept;
    bool current = false;  // of `kept`: the manager need not be asked
    Moment moment;
  };

  // There is another manager process: its versions can't be compared. Before a call
  // reaches it.
  void ManagerChanged();
  // A session begins; calls are made with its key already. `trust`: for how long
  // silence is no bad sign.
  void SessionBegan(absl::Duration trust);
  void SessionEnded();
  // The session's stream brought a message.
  void Heard() { heard_nanos_.store(MonotonicNanos(), std::memory_order_relaxed); }

  // There is this version of a structure, or a newer one: one that is older is kept no longer.
  void Changed(absl::string_view name, uint64_t version);
  // The module has learned something outside the session: all is asked once more.
  void Doubt() { doubt_.fetch_add(1); }

  Found Find(absl::string_view name) const;
  // Keeps what was read, or was confirmed to be the newest, unless there is something
  // newer; `watched`: with the promise. False: the manager process is another than at
  // `moment`, so that the version means nothing.
  bool Keep(const StructureRef& fresh, bool watched, const Moment& moment);

 private:
  struct Entry {
    std::optional<StructureRef> kept;
    uint64_t newest = 0;  // the newest version that was told of
    // Of the moment of the last read with a promise; session 0: there is none.
    uint64_t session = 0;
    uint64_t doubt = 0;
  };

  // A clock that nobody sets: a wall clock that is put back would make trust last.
  static int64_t MonotonicNanos() {
    return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
  }
  bool Trusted() const ABSL_SHARED_LOCKS_REQUIRED(mu_);

  std::atomic<int64_t> heard_nanos_{0};  // by MonotonicNanos
  std::atomic<uint64_t> doubt_{0};

  mutable absl::Mutex mu_;
  uint64_t manager_ ABSL_GUARDED_BY(mu_) = 0;   // counts manager processes
  uint64_t sessions_ ABSL_GUARDED_BY(mu_) = 0;  // counts sessions
  uint64_t session_ ABSL_GUARDED_BY(mu_) = 0;   // the present one; 0: there is none
  int64_t trust_nanos_ ABSL_GUARDED_BY(mu_) = 0;
  absl::flat_hash_map<std::string, Entry> entries_ ABSL_GUARDED_BY(mu_);
};

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_STRUCTURE_CACHE_H_
