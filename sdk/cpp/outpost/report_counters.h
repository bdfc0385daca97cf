// The counters of a daemon that reports itself; see reporter.h.
//
// A counter is a handle, cheap to copy, that stays good as long as one likes.
//
// **Thread safety.** All methods may be called from any thread. None allocates or waits for
// the network.
#ifndef OUTPOST_SDK_CPP_OUTPOST_REPORT_COUNTERS_H_
#define OUTPOST_SDK_CPP_OUTPOST_REPORT_COUNTERS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace outpost {

enum class CounterUnit { kNone, kBytes };

// What a counter is, beside its path and its kind.
struct CounterOptions {
  CounterUnit unit = CounterUnit::kNone;
  uint32_t priority = 5;         // how much anybody cares, 0 to 10: see ingest.proto
  std::string description = {};  // what it tells, in a sentence
  std::string nick = {};         // at most four characters, for a narrow column
  bool operator==(const CounterOptions&) const = default;
};

namespace internal {

class CounterCell {
 public:
  struct Value {
    uint64_t value = 0;  // of an average: the sum
    uint64_t events = 0;
    bool operator==(const Value&) const = default;
  };

  Value Read() const {
    absl::MutexLock lock(&mu_);
    return value_;
  }
  void Set(uint64_t value) {
    absl::MutexLock lock(&mu_);
    value_.value = value;
  }
  void Add(uint64_t difference, uint64_t events) {
    absl::MutexLock lock(&mu_);
    value_.value += difference;
    value_.events += events;
  }
  void Subtract(uint64_t difference) {
    absl::MutexLock lock(&mu_);
    value_.value -= difference < value_.value ? difference : value_.value;
  }

 private:
  mutable absl::Mutex mu_;
  Value value_ ABSL_GUARDED_BY(mu_);
};

}  // namespace internal

// A level that goes up and down.
class ReportGauge {
 public:
  void Set(uint64_t value) { cell_->Set(value); }
  void Add(uint64_t difference = 1) { cell_->Add(difference, 0); }
  // Not below 0.
  void Subtract(uint64_t difference = 1) { cell_->Subtract(difference); }

 private:
  friend class Reporter;
  explicit ReportGauge(std::shared_ptr<internal::CounterCell> cell) : cell_(std::move(cell)) {}
  std::shared_ptr<internal::CounterCell> cell_;
};

// A number that only grows: readers compute rates.
class ReportCounter {
 public:
  void Add(uint64_t difference = 1) { cell_->Add(difference, 0); }
  // Where somebody else counts. It should only grow.
  void Set(uint64_t value) { cell_->Set(value); }

 private:
  friend class Reporter;
  explicit ReportCounter(std::shared_ptr<internal::CounterCell> cell) : cell_(std::move(cell)) {}
  std::shared_ptr<internal::CounterCell> cell_;
};

// A sum, and the number of events that it is of.
class ReportAverage {
 public:
  void Add(uint64_t value, uint64_t events = 1) { cell_->Add(value, events); }

 private:
  friend class Reporter;
  explicit ReportAverage(std::shared_ptr<internal::CounterCell> cell) : cell_(std::move(cell)) {}
  std::shared_ptr<internal::CounterCell> cell_;
};

// A sum of durations, and the number of events that took them.
class ReportTimeAverage {
 public:
  // A negative duration counts as none.
  void Add(absl::Duration time, uint64_t events = 1) {
    const int64_t nanoseconds = absl::ToInt64Nanoseconds(time);
    cell_->Add(nanoseconds < 0 ? 0 : static_cast<uint64_t>(nanoseconds), events);
  }

 private:
  friend class Reporter;
  explicit ReportTimeAverage(std::shared_ptr<internal::CounterCell> cell)
      : cell_(std::move(cell)) {}
  std::shared_ptr<internal::CounterCell> cell_;
};

}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_REPORT_COUNTERS_H_
