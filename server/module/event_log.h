// EventLog knows what has happened to modules and to the manager: typed, for those who
// read it, follow it, or make crash reports of it.
//
// **Thread safety.** All methods may be called from any thread, and with locks held:
// none of them waits for the disk, or calls anything but listeners. Those run on the
// thread that adds an event; they must not block, add events, or come and go.
//
// **Invariants.**
// 1. There are at most kMaxEvents, of at most kMaxBytes. Whoever has most loses its oldest
//    first: who fails again and again does not push out what happened to others.
// 2. What is kept is in the store, too, as soon as that has written it, and there again
//    after a restart of the manager; what happened in the moment before a crash of the
//    manager may not be.
// 3. Events have numbers that grow, over restarts, too. A reader holds none of them back:
//    who is too slow is told how many are gone.
#ifndef OUTPOST_SERVER_MODULE_EVENT_LOG_H_
#define OUTPOST_SERVER_MODULE_EVENT_LOG_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "outpost/v1/manager.pb.h"
#include "server/log/rate_limit.h"
#include "server/store/state_store.h"

namespace outpost::module {

using Event = v1::TailEventsResponse;
using EventPtr = std::shared_ptr<const Event>;

class EventLog {
 public:
  static constexpr size_t kMaxEvents = 2000;
  static constexpr size_t kMaxBytes = size_t{4} << 20;
  // Of one module: events at once, and a second; what comes faster is left out, and counted.
  static constexpr double kBurst = 200;
  static constexpr double kRate = 5;

  // Takes over the events that are in `store`, which outlives the log.
  explicit EventLog(store::StateStore* store);

  // Adds what has happened now. `time`, `sequence` and `missed` are set here; texts that are
  // too long are cut, and made UTF-8.
  void Add(Event event);

  // The number from which to Read to be told of the last `limit` events of `module`
  // (empty: of all) first, but of none up to `after`; also of those that come, where `after` is
  // a number that there was not yet.
  uint64_t Start(absl::string_view module, size_t limit, uint64_t after) const;
  // The number that the next event will have.
  uint64_t End() const;

  // The first event of `module` (empty: of any) from number *next on; null: there is none
  // yet. Sets *next behind it, and adds to *missed how many are gone that were not looked at.
  EventPtr Read(uint64_t* next, absl::string_view module, uint64_t* missed) const;

  // Calls `listener` after each new event.
  uint64_t Listen(std::function<void()> listener);
  // After this it neither runs nor will.
  void Unlisten(uint64_t id);

 private:
  // Whose share of the log an event counts to.
  struct Owner {
    std::deque<uint64_t> numbers;  // of its events
    size_t bytes = 0;
    log::RateLimit limit{kBurst, kRate};
  };

  void Insert(Event event, store::Batch* batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Removes events until there are not too many.
  void MakeRoom(store::Batch* batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  store::StateStore* const store_;
  mutable absl::Mutex mu_;
  std::map<uint64_t, EventPtr> events_ ABSL_GUARDED_BY(mu_);  // by number
  std::map<std::string, Owner> owners_ ABSL_GUARDED_BY(mu_);
  uint64_t next_ ABSL_GUARDED_BY(mu_) = 1;
  size_t bytes_ ABSL_GUARDED_BY(mu_) = 0;

  absl::Mutex listeners_mu_;
  uint64_t next_listener_ ABSL_GUARDED_BY(listeners_mu_) = 1;
  std::map<uint64_t, std::function<void()>> listeners_ ABSL_GUARDED_BY(listeners_mu_);
};

}  // namespace outpost::module

#endif  // OUTPOST_SERVER_MODULE_EVENT_LOG_H_
