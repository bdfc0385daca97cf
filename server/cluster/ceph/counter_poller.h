// CounterPoller reads the performance counters of the cluster's daemons by
// `perf schema`, once for each start of a daemon, and `perf dump`, every interval.
// Its threads take one daemon after another, so that a slow one keeps one thread
// and nobody else, and there are never more questions at once than threads,
// however many daemons there are.
//
// **Thread safety.** All methods may be called from any thread; `tell` runs on the
// poller's threads, several at once.
//
// **Invariants.**
// 1. A daemon is asked by one thread at a time, and not before its interval is over.
// 2. One that does not answer is asked ever less often, up to kLongestRest; and of those
//    that did not answer the last time, so many at once that a thread is left for the others.
// 3. Counters below kMinPriority are not kept (as Ceph's mgr has it by default).
#ifndef OUTPOST_SERVER_CLUSTER_CEPH_COUNTER_POLLER_H_
#define OUTPOST_SERVER_CLUSTER_CEPH_COUNTER_POLLER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "outpost/internal/steady_wait.h"
#include "server/cluster/perf_counters.h"
#include "server/command/command.h"

namespace outpost::cluster::ceph {

// The counters that "perf schema" describes, as far as they are kept, by path.
// INVALID_ARGUMENT: it is not what `perf schema` prints.
absl::StatusOr<std::vector<v1::CounterSchema>> ParsePerfSchema(absl::string_view perf_schema,
                                                               uint32_t min_priority);

// The values of the counters of `schema`, in its order; 0 for those that
// "perf dump" has not. INVALID_ARGUMENT: it is not what `perf dump` prints.
absl::StatusOr<std::vector<PerfCounters::Value>> ParsePerfDump(
    absl::string_view perf_dump, const std::vector<v1::CounterSchema>& schema);

class CounterPoller {
 public:
  static constexpr uint32_t kMinPriority = 5;
  static constexpr absl::Duration kLongestRest = absl::Minutes(5);

  // A daemon that runs, and which start of it this is.
  struct Daemon {
    std::string type;
    std::string id;
    uint64_t start = 0;
  };

  // Runs a command on a daemon; blocks, not for ever.
  using Tell = std::function<command::Result(const std::string& type, const std::string& id,
                                             absl::string_view command_json)>;

  // `counters` outlives the poller.
  CounterPoller(PerfCounters* counters, absl::Duration interval, size_t threads, Tell tell);
  ~CounterPoller();

  // The daemons that run now; the others are forgotten, with their counters.
  void SetDaemons(const std::vector<Daemon>& daemons);

  // Waits for the questions that are asked now; none is asked from then on.
  void Stop();

 private:
  using Key = std::pair<std::string, std::string>;  // type, id
  using Queue = std::set<std::pair<absl::Duration, Key>>;
  struct State {
    uint64_t start = 0;
    bool asked = false;                              // a thread has it now
    bool gone = false;                               // forget it when that thread is done
    absl::Duration due = -absl::InfiniteDuration();  // by the steady clock
    int failures = 0;                                // in a row
    PerfCounters::Schema schema;                     // null: not read since its start
  };

  void Run();
  // Whom to ask now; end(): nobody, until `*wait` is over or something changes.
  Queue::const_iterator Next(absl::Duration now, absl::Duration* wait) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Asks a daemon, and keeps what it says. False: it did not answer.
  bool Ask(const Key& key, PerfCounters::Schema* schema);
  // One schema for all daemons that have the same.
  PerfCounters::Schema Shared(std::vector<v1::CounterSchema> schema);

  PerfCounters& counters_;
  const absl::Duration interval_;
  const size_t max_doubtful_;  // asked at once
  const Tell tell_;
  absl::Mutex mu_;
  internal::SteadyCondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::map<Key, State> daemons_ ABSL_GUARDED_BY(mu_);
  Queue queue_ ABSL_GUARDED_BY(mu_);          // those not asked, by due
  size_t doubtful_ ABSL_GUARDED_BY(mu_) = 0;  // those asked that did not answer the last time
  std::map<std::string, PerfCounters::Schema> schemas_ ABSL_GUARDED_BY(mu_);  // by their bytes
  std::vector<std::thread> threads_;
};

}  // namespace outpost::cluster::ceph

#endif  // OUTPOST_SERVER_CLUSTER_CEPH_COUNTER_POLLER_H_
