// ConfigHistory is who changed which option when, in the StateStore: the last 1000
// changes, each under "config-history/<sequence number, 20 digits>".
//
// **Thread safety.** All methods may be called from any thread.
//
// **Invariants.**
// 1. An entry is made in the same batch as the change that it tells of.
// 2. Later changes have higher numbers. Of changes in flight at the same moment this
//    holds where they are of the same option.
#ifndef OUTPOST_SERVER_CONFIG_CONFIG_HISTORY_H_
#define OUTPOST_SERVER_CONFIG_CONFIG_HISTORY_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "outpost/v1/config.pb.h"
#include "server/store/state_store.h"

namespace outpost::config {

class ConfigHistory {
 public:
  static constexpr size_t kKept = 1000;

  // `store` lives longer.
  explicit ConfigHistory(store::StateStore& store);

  // Adds `change` to `batch`, and the removal of what is over kKept; with a condition
  // that no other manager has taken the number. Values are cut to 4 KiB.
  void Append(v1::ConfigChange change, store::Batch& batch);

  // The newest first, at most `limit`.
  std::vector<v1::ConfigChange> Read(size_t limit) const;

 private:
  void Apply(const store::Change& change);

  store::StateStore& store_;
  mutable absl::Mutex mu_;
  uint64_t last_ ABSL_GUARDED_BY(mu_) = 0;          // the highest number ever given or seen
  std::set<uint64_t> stored_ ABSL_GUARDED_BY(mu_);  // the numbers in the store
  std::unique_ptr<store::WatchHandle> watch_;       // last: it uses all the others
};

}  // namespace outpost::config

#endif  // OUTPOST_SERVER_CONFIG_CONFIG_HISTORY_H_
