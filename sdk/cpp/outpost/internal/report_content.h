// ReportContent is what a daemon has to say, and what of it one stream of reports has not
// said yet: it makes the messages.
//
// **Thread safety.** None: its owner has a lock. Counters may change meanwhile.
//
// **Invariants.** Of what waits, only the newest is there; a message is made when it is sent.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_REPORT_CONTENT_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_REPORT_CONTENT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "outpost/report_counters.h"
#include "outpost/reporter.h"
#include "outpost/v1/ingest.pb.h"

namespace outpost::internal {

class ReportContent {
 public:
  // What one message is about.
  enum class Topic { kHello, kMetadata, kSchema, kCounters, kStatus, kHealth, kStructure, kOther };
  struct About {
    Topic topic = Topic::kOther;
    std::string structure = {};
  };

  absl::StatusOr<std::shared_ptr<CounterCell>> Declare(v1::IngestCounterDescription description);
  void SetMetadata(std::map<std::string, std::string> entries);
  void SetStatus(std::map<std::string, std::string> entries);
  void SetHealthMetrics(std::vector<ReportHealthMetric> metrics);
  // Empty: to be removed.
  void SetStructure(std::string name, std::string json);

  // A stream begins: all is to be said.
  void Begin();
  // The answer to IngestResendSchema.
  void ResendSchema();
  // Say it again, from `when` on. Times are those of SteadyNow.
  void Again(const About& about, absl::Time when);
  void SetMinPriority(uint32_t priority);

  // Whether something is to be said at `now`, but for counters.
  bool HasDue(absl::Time now) const;
  // When a structure that was refused is to be sent again; future: there is none.
  absl::Time NextRetry(absl::Time now) const;
  // Fills `request` with the next message that is due, and tells what it is about; with
  // `counters`, what changed of them, too. Nullopt: nothing is due.
  std::optional<About> Next(bool counters, absl::Time now, v1::ReportRequest* request);

 private:
  struct Counter {
    v1::IngestCounterDescription description;
    std::shared_ptr<CounterCell> cell;
    std::optional<CounterCell::Value> sent;
  };

  bool FillCounters(v1::IngestCounters* batch);

  std::vector<Counter> counters_;
  std::map<std::string, std::string> metadata_;
  std::map<std::string, std::string> status_;
  std::vector<ReportHealthMetric> health_;
  std::map<std::string, std::string> structures_;

  bool metadata_due_ = false;
  bool schema_due_ = false;
  bool status_due_ = false;
  bool health_due_ = false;
  std::map<std::string, absl::Time> structures_due_;  // and from when on
  uint32_t schema_version_ = 0;
  uint32_t min_priority_ = 0;
};

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_REPORT_CONTENT_H_
