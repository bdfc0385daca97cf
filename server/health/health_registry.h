// HealthRegistry knows everything that is wrong: the checks of the cluster, of
// each module, and of the manager itself; what an operator muted; and when each
// check came and went.
//
// **Thread safety.** All methods may be called from any thread. The listeners
// run on the caller's thread, without the registry's lock, and must not block.
//
// **Invariants.**
// 1. A mute ends when its time is over and, unless it is sticky, when its check
//    is not raised any more or its count grows (as in Ceph).
// 2. Mutes and the last kHistory events are in the store: a restart of the manager
//    keeps them.
#ifndef OUTPOST_SERVER_HEALTH_HEALTH_REGISTRY_H_
#define OUTPOST_SERVER_HEALTH_HEALTH_REGISTRY_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "outpost/v1/health.pb.h"
#include "server/event/timer_queue.h"
#include "server/store/state_store.h"

namespace outpost::health {

struct Report {
  v1::Severity status = v1::SEVERITY_OK;
  std::vector<v1::HealthCheck> checks;  // the gravest first, then by code
  std::vector<v1::HealthMute> mutes;    // by code
};

class HealthRegistry {
 public:
  static constexpr size_t kHistory = 1000;  // events

  struct Listeners {
    std::function<void()> changed;                           // after each change of the report
    std::function<void(const v1::HealthEvent&)> event = {};  // a check came, changed or went
  };

  using Done = store::StateStore::WriteDone;

  // Takes over the mutes and the history that are in `store`, which outlives the
  // registry, as `timers` does, which must be stopped first.
  HealthRegistry(store::StateStore* store, event::TimerQueue* timers, Listeners listeners);

  // Replaces all checks of `source` ("cluster", "manager", a module's name); an
  // empty list clears them. INVALID_ARGUMENT names the check and the field that
  // is wrong; nothing is changed then.
  absl::Status Set(absl::string_view source, std::vector<v1::HealthCheck> checks);

  // Takes over the cluster's own checks from the text of the structure
  // "health": {"json": "<what Ceph's `health` prints>"}. What is muted there is
  // muted here.
  absl::Status SetFromCluster(absl::string_view structure_json);

  // Keeps the checks of a code from counting, for `ttl` or until Unmute, also when
  // they clear and come back (`sticky`). `done` hears when that is durable.
  // NOT_FOUND: no such check is raised, and it is not to be sticky.
  // INVALID_ARGUMENT: the time is not positive, or this is no code.
  void Mute(const std::string& code, std::optional<absl::Duration> ttl, bool sticky, Done done);

  // Undoes Mute. Nothing to undo is no error.
  void Unmute(const std::string& code, Done done);

  Report Get() const;

  // The last events, the newest first; at most `limit`.
  std::vector<v1::HealthEvent> History(size_t limit) const;

 private:
  using Checks = std::map<std::string, v1::HealthCheck>;  // by code

  // A mute that lasts for two hours does so also when the wall clock is set.
  struct KeptMute {
    v1::HealthMute mute;
    absl::Duration end = absl::InfiniteDuration();  // by the steady clock
  };

  absl::Status Replace(absl::string_view source, Checks next);
  // The sum over all who raise it; nullopt: nobody does.
  std::optional<int64_t> CountOf(absl::string_view code) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // What became of the checks of a source; also ends mutes that this ends.
  std::vector<v1::HealthEvent> Compare(const Checks& before, const Checks& after,
                                       store::Batch* batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Remember(const v1::HealthEvent& event, store::Batch* batch)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Waits for the time when it is over.
  void ScheduleEnd(const std::string& code, absl::Duration end);
  void EndIfOver(const std::string& code);
  void Save(store::Batch batch);

  store::StateStore* const store_;
  event::TimerQueue* const timers_;
  const Listeners listeners_;
  mutable absl::Mutex mu_;
  std::map<std::string, Checks, std::less<>> checks_ ABSL_GUARDED_BY(mu_);  // by source
  std::map<std::string, KeptMute, std::less<>> mutes_ ABSL_GUARDED_BY(mu_);
  std::map<uint64_t, v1::HealthEvent> history_ ABSL_GUARDED_BY(mu_);
};

// INVALID_ARGUMENT, unless `code` is made of capitals, digits and '_'.
absl::Status ValidateCode(absl::string_view code);

// "HEALTH_OK", "HEALTH_WARN", "HEALTH_ERR".
absl::string_view SeverityName(v1::Severity severity);

}  // namespace outpost::health

#endif  // OUTPOST_SERVER_HEALTH_HEALTH_REGISTRY_H_
