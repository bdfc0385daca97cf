// ConfigHistory is who changed which options when, in the StateStore: the newest versions
// of the configuration, each under "config-log/<version, 20 digits>", with what it changed.
//
// **Thread safety.** All methods may be called from any thread.
//
// **Invariants.**
// 1. A version is written in the same batch as the changes that it tells of.
// 2. Later versions have higher numbers. Of changes in flight at the same moment this
//    holds where they are of the same option.
// 3. The oldest versions are forgotten first: those over kKept, and those that make all
//    together larger than kKeptBytes. It is remembered that there were some.
#ifndef OUTPOST_SERVER_CONFIG_CONFIG_HISTORY_H_
#define OUTPOST_SERVER_CONFIG_CONFIG_HISTORY_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "outpost/v1/config.pb.h"
#include "server/store/state_store.h"

namespace outpost::config {

// What was changed at once.
struct ConfigVersion {
  uint64_t number = 0;
  std::vector<v1::ConfigChange> changes;
};

class ConfigHistory {
 public:
  static constexpr size_t kKept = 1000;
  static constexpr size_t kKeptBytes = size_t{8} << 20;

  // `store` lives longer.
  explicit ConfigHistory(store::StateStore& store);

  // Adds a version with `changes` to `batch`, and the removal of what is too much; with a
  // condition that no other manager has taken the number.
  void Append(const std::vector<v1::ConfigChange>& changes, store::Batch& batch);

  // The newest first, at most `limit`. Values are cut to 4 KiB.
  std::vector<ConfigVersion> Read(size_t limit) const;

  // What was changed after `version` (0: from the beginning), whole, the newest first.
  // INVALID_ARGUMENT: there is no such version; OUT_OF_RANGE: some of it is forgotten.
  absl::StatusOr<std::vector<ConfigVersion>> After(uint64_t version) const;

 private:
  void Apply(const store::Change& change);
  ConfigVersion Load(uint64_t number) const;

  store::StateStore& store_;
  mutable absl::Mutex mu_;
  uint64_t last_ ABSL_GUARDED_BY(mu_) = 0;  // the highest number ever given or seen
  // The versions in the store, and how many bytes each has.
  std::map<uint64_t, size_t> stored_ ABSL_GUARDED_BY(mu_);
  size_t stored_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  std::unique_ptr<store::WatchHandle> watch_;  // last: it uses all the others
};

}  // namespace outpost::config

#endif  // OUTPOST_SERVER_CONFIG_CONFIG_HISTORY_H_
