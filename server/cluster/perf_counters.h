// PerfCounters keeps the performance counters of the cluster's daemons: what they
// are, and their last values.
//
// **Thread safety.** All methods may be called from any thread.
//
// **Invariants.**
// 1. A daemon has one sample of all its counters for each Record, at most kSamples;
//    the oldest goes first (Ceph's mgr keeps as many).
// 2. A new schema of a daemon ends the series that it had.
#ifndef OUTPOST_SERVER_CLUSTER_PERF_COUNTERS_H_
#define OUTPOST_SERVER_CLUSTER_PERF_COUNTERS_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "outpost/v1/cluster.pb.h"

namespace outpost::cluster {

// Ceph's bits of CounterSchema.type.
enum CounterType : uint32_t {
  kTime = 1,  // seconds
  kU64 = 2,
  kLongRunAvg = 4,  // a sum, and a count of what was summed
  kCounter = 8,     // only grows, but for restarts
};

class PerfCounters {
 public:
  static constexpr size_t kSamples = 20;

  // The counters of a daemon, ordered by path. Daemons of a type mostly share one.
  using Schema = std::shared_ptr<const std::vector<v1::CounterSchema>>;

  struct Value {
    double value = 0;    // for long-running averages the sum
    uint64_t count = 0;  // of what was summed; 0 for the others
  };

  void SetSchema(const std::string& type, const std::string& id, Schema schema);

  // Takes a sample: a value for each counter of the daemon's schema, in its order.
  // Without a schema, or with another number of values, nothing is taken: false.
  bool Record(const std::string& type, const std::string& id, absl::Time time,
              std::vector<Value> values);

  // The daemon is gone.
  void Remove(const std::string& type, const std::string& id);

  // The daemons that `daemon` means (an empty type or id: all), in order.
  std::vector<v1::DaemonPerfSchema> Schemas(const v1::DaemonName& daemon) const;

  // The series that `request` selects, the oldest sample first. A counter that
  // there is not has no series.
  std::vector<v1::CounterSeries> Series(const v1::GetCountersRequest& request) const;

 private:
  struct Sample {
    absl::Time time;
    std::vector<Value> values;
  };
  struct Daemon {
    Schema schema;
    std::deque<Sample> samples;
  };
  using Key = std::pair<std::string, std::string>;  // type, id

  // Calls f(key, daemon) for those that `name` means.
  template <typename F>
  void ForEach(const v1::DaemonName& name, F f) const ABSL_SHARED_LOCKS_REQUIRED(mu_);

  mutable absl::Mutex mu_;
  std::map<Key, Daemon> daemons_ ABSL_GUARDED_BY(mu_);
};

}  // namespace outpost::cluster

#endif  // OUTPOST_SERVER_CLUSTER_PERF_COUNTERS_H_
