// What daemons declare of their counters, checked once, and shared by the daemons
// that declare the same.
#ifndef OUTPOST_SERVER_CLUSTER_REPORT_REPORT_SCHEMA_H_
#define OUTPOST_SERVER_CLUSTER_REPORT_REPORT_SCHEMA_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "outpost/v1/ingest.pb.h"
#include "server/cluster/perf_counters.h"
#include "server/cluster/report/report_checks.h"
#include "server/cluster/report/report_options.h"

namespace outpost::cluster::report {

// A checked schema.
//
// **Thread safety.** It never changes.
struct ReportSchema {
  enum class Kind : uint8_t { kNumber, kAverage, kHistogram };
  // Where a declared counter's values go.
  struct Slot {
    uint32_t value = 0;    // index in `counters`, and of its value in a sample
    uint32_t average = 0;  // index of its count in a sample; of averages
    Kind kind = Kind::kNumber;
    bool is_time = false;  // reported in nanoseconds, kept in seconds
  };

  PerfCounters::Schema counters;  // ordered by path
  std::vector<Slot> slots;        // in the order in which they were declared
};

// The schemas that are in use.
//
// **Thread safety.** All methods may be called from any thread.
class ReportSchemas {
 public:
  explicit ReportSchemas(const ReportOptions& options) : options_(options) {}

  // The schema that `declared` describes: the same object for the same counters, as long as
  // somebody holds it. Or why there is none.
  std::variant<std::shared_ptr<const ReportSchema>, Rejection> Get(
      const v1::IngestPerfSchema& declared);

  // Different schemas now in use.
  size_t size() const;

 private:
  const ReportOptions& options_;
  mutable absl::Mutex mu_;
  size_t sweep_at_ ABSL_GUARDED_BY(mu_) = 64;  // how many entries bring a look for unused ones
  std::map<std::string, std::weak_ptr<const ReportSchema>> schemas_ ABSL_GUARDED_BY(mu_);
};

// What is wrong with a batch of counters for `schema`; nullopt: it fits.
std::optional<Rejection> CheckCounters(const v1::IngestCounters& batch, const ReportSchema& schema);

// Of a sample, the counters with a priority below `min_priority` have no value: the daemon may
// have left them out. What it tells of them all the same is applied after this.
void LeaveOut(uint32_t min_priority, const ReportSchema& schema, absl::Span<double> values);

// Writes a batch that fits into a sample; see PerfCounters::Samples::Add.
void ApplyCounters(const v1::IngestCounters& batch, const ReportSchema& schema,
                   absl::Span<double> values, absl::Span<uint64_t> counts);

}  // namespace outpost::cluster::report

#endif  // OUTPOST_SERVER_CLUSTER_REPORT_REPORT_SCHEMA_H_
