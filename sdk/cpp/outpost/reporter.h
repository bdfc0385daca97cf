// Reporter reports a daemon to the Outpost manager: what it counts, how it does, what
// ails it. Any program may report itself; it need not be a module, nor be Ceph's.
//
//     outpost::Reporter reporter({.service_type = "backup-agent", .daemon_id = "site1"});
//     auto saved = reporter.AddCounter("backup.saved", {.unit = outpost::CounterUnit::kBytes});
//     if (!saved.ok()) return saved.status();
//     reporter.Start();
//     reporter.SetStatus({{"state", "running"}});
//     while (const auto file = NextFile()) saved->Add(Save(*file));
//     reporter.Close("nothing more to save");
//
// A thread of its own sends what has changed, at the interval that the manager asks for.
// When the manager is away it tries again, with growing pauses, and tells everything anew to
// the next one.
//
// **Thread safety.** All methods may be called from any thread. Only Flush and Close wait for
// the network. What is said between two reports is merged: the newest counts.
#ifndef OUTPOST_SDK_CPP_OUTPOST_REPORTER_H_
#define OUTPOST_SDK_CPP_OUTPOST_REPORTER_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "outpost/json.h"
#include "outpost/report_counters.h"

namespace outpost {

namespace internal {
class ReportSession;
}

// One message that the manager did not apply.
struct ReportRejection {
  std::string reason;   // "REASON_LIMIT": see ingest.proto
  std::string field;    // which is at fault, from the ReportRequest down
  std::string message;  // for people
};

struct ReporterOptions {
  std::string service_type;                                // "backup-agent"
  std::string daemon_id;                                   // which one of its kind
  std::string address = "unix:/run/outpost/outpost.sock";  // the manager's, a gRPC target
  std::string hostname = {};                               // empty: this host's, bare
  std::string version = {};                                // for people
  // For how long it is to be taken for live after each report; nullopt: as the manager has it.
  std::optional<absl::Duration> lease = std::nullopt;
  // Hears what the manager did not accept, on a thread of the reporter's. Must not block.
  std::function<void(const ReportRejection&)> on_rejected = {};
};

// One number that ails the daemon, or a pair: {"SLOW_OPS", 3, 40} are 3 operations, of which
// the oldest is 40 s old. Of types that the manager does not know the numbers mean what
// those who read them take them for; see IngestHealthMetric.
struct ReportHealthMetric {
  std::string type;
  uint64_t n1 = 0;
  uint64_t n2 = 0;
};

class Reporter {
 public:
  explicit Reporter(ReporterOptions options);
  // Closes it.
  ~Reporter();
  Reporter(const Reporter&) = delete;
  Reporter& operator=(const Reporter&) = delete;

  // Declare counters, before Start or after. The same declaration again gives the same
  // counter. INVALID_ARGUMENT: there is no path, the priority is over 10, or the path was
  // declared as something else.
  absl::StatusOr<ReportGauge> AddGauge(absl::string_view path, const CounterOptions& options = {});
  absl::StatusOr<ReportCounter> AddCounter(absl::string_view path,
                                           const CounterOptions& options = {});
  absl::StatusOr<ReportAverage> AddAverage(absl::string_view path,
                                           const CounterOptions& options = {});
  absl::StatusOr<ReportTimeAverage> AddTimeAverage(absl::string_view path,
                                                   const CounterOptions& options = {});

  // What the daemon is made of, does, and what ails it. Each replaces what was said before.
  void SetMetadata(std::map<std::string, std::string> entries);
  void SetStatus(std::map<std::string, std::string> entries);
  void SetHealthMetrics(std::vector<ReportHealthMetric> metrics);

  // Publishes a whole piece of cluster data, or takes it back. What the manager does not take
  // (another's structure, one that is too big) goes to ReporterOptions::on_rejected.
  void SetStructure(absl::string_view name, const Json& value);
  void RemoveStructure(absl::string_view name);

  // Begins to report, once. Whether there is a manager, tells connected().
  void Start();

  // Whether a manager takes the reports now.
  bool connected() const;

  // Why reporting has ended for good, with the reason of ingest.proto (see ErrorReason); OK:
  // it goes on, or was closed.
  absl::Status status() const;

  // Sends what has changed now, and waits until it is acknowledged. DEADLINE_EXCEEDED: not
  // within `timeout`. FAILED_PRECONDITION: it does not run. Else as status().
  absl::Status Flush(absl::Duration timeout = absl::Seconds(10));

  // Sends what has changed, says goodbye, and ends; within some seconds, whatever the manager
  // does. `restarting`: the daemon comes back soon, so that the manager keeps what it knows.
  void Close(absl::string_view reason = "", bool restarting = false);

 private:
  const std::unique_ptr<internal::ReportSession> session_;
};

}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_REPORTER_H_
