// PerfCounters keeps the performance counters of the cluster's daemons: what they
// are, and their last values.
//
// **Thread safety.** All methods may be called from any thread.
//
// **Invariants.**
// 1. A daemon has one sample of all its counters for each Record (or Samples::Add), at
//    most kSamples; the oldest goes first (Ceph's mgr keeps as many).
// 2. A new schema of a daemon ends the series that it had.
// 3. Samples that were taken here are as old as the steady clock says, and so far from each
//    other: they move with a wall clock that is set. Those that a daemon has told the time of
//    keep it.
// 4. Whoever reads holds up one daemon's samples at a time, never all of them.
#ifndef OUTPOST_SERVER_CLUSTER_PERF_COUNTERS_H_
#define OUTPOST_SERVER_CLUSTER_PERF_COUNTERS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "outpost/v1/cluster.pb.h"
#include "server/event/moment.h"

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

  // In the place of a value: the daemon has not said one. Readers get no sample.
  static constexpr double kNoValue = std::numeric_limits<double>::quiet_NaN();

  // The samples of one daemon, in flat arrays.
  //
  // **Thread safety.** All methods may be called from any thread.
  class Samples {
   public:
    explicit Samples(Schema schema);

    const Schema& schema() const { return schema_; }

    // Takes a sample, of a time that the daemon told: `change(values, counts)` gets a copy of
    // the newest one (the first time, of kNoValue and 0) to write what is different into.
    // `values` has one for each counter of the schema; `counts` one for each long-running
    // average, in their order.
    template <typename F>
    void Add(absl::Time time, F change) {
      absl::MutexLock lock(&mu_);
      Change(Begin(time), change);
    }
    // The same of now. The samples of one daemon are all of one kind.
    template <typename F>
    void Add(const event::Moment& now, F change) {
      absl::MutexLock lock(&mu_);
      Follow(now);
      Change(Begin(now.wall), change);
    }

   private:
    friend class PerfCounters;

    template <typename F>
    void Change(size_t slot, F change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      change(absl::MakeSpan(values_).subspan(slot * width_, width_),
             absl::MakeSpan(counts_).subspan(slot * averages_, averages_));
    }

    // Moves the samples that were taken before the wall clock was set.
    void Follow(const event::Moment& now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
    // The slot of a new sample, a copy of the newest.
    size_t Begin(absl::Time time) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
    absl::Time Last(const event::Moment& now) const;
    void Read(const v1::DaemonName& name, const v1::GetCountersRequest& request,
              const event::Moment& now, std::vector<v1::CounterSeries>* all) const;

    const Schema schema_;
    const size_t width_;     // counters
    const size_t averages_;  // those of them that are long-running averages

    mutable absl::Mutex mu_;
    size_t oldest_ ABSL_GUARDED_BY(mu_) = 0;  // slot of a full ring; else 0
    std::vector<absl::Time> times_ ABSL_GUARDED_BY(mu_);
    std::optional<event::Moment> newest_ ABSL_GUARDED_BY(mu_);  // of those that were taken here
    std::vector<double> values_ ABSL_GUARDED_BY(mu_);           // `width_` a slot
    std::vector<uint64_t> counts_ ABSL_GUARDED_BY(mu_);         // `averages_` a slot
  };

  // Calls `listener` whenever a daemon has another schema, or none any more; on the thread
  // that does it, without locks. Before the first SetSchema.
  using SchemaListener = std::function<void(const std::string& type, const std::string& id)>;
  void OnSchemaChanged(SchemaListener listener) { schema_changed_ = std::move(listener); }

  // Makes `schema` the daemon's. The samples are for who records many daemons, to be
  // spared the look-up; they are not the daemon's any more after another SetSchema with
  // another schema, or Remove.
  std::shared_ptr<Samples> SetSchema(const std::string& type, const std::string& id, Schema schema);

  // Takes a sample: a value for each counter of the daemon's schema, in its order.
  // Without a schema, or with another number of values, nothing is taken: false.
  bool Record(const std::string& type, const std::string& id, const event::Moment& now,
              std::vector<Value> values);

  // The daemon is gone.
  void Remove(const std::string& type, const std::string& id);

  // The daemons that `daemon` means (an empty type or id: all), in order.
  std::vector<v1::DaemonPerfSchema> Schemas(const v1::DaemonName& daemon) const;

  // When the newest sample of a daemon was taken; InfinitePast: it has none.
  absl::Time LastSample(const v1::DaemonName& daemon,
                        const event::Moment& now = event::Moment::Now()) const;

  // The series that `request` selects, the oldest sample first. A counter that
  // there is not has no series.
  std::vector<v1::CounterSeries> Series(const v1::GetCountersRequest& request,
                                        const event::Moment& now = event::Moment::Now()) const;

 private:
  using Key = std::pair<std::string, std::string>;  // type, id
  using Found = std::vector<std::pair<v1::DaemonName, std::shared_ptr<Samples>>>;

  // The daemons that `name` means, in order.
  Found Find(const v1::DaemonName& name) const;

  SchemaListener schema_changed_;

  mutable absl::Mutex mu_;
  std::map<Key, std::shared_ptr<Samples>> daemons_ ABSL_GUARDED_BY(mu_);
};

}  // namespace outpost::cluster

#endif  // OUTPOST_SERVER_CLUSTER_PERF_COUNTERS_H_
