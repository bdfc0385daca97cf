// ReportDaemon is what is known of one daemon that reports, and ReportStream the stream
// by which it does.
#ifndef OUTPOST_SERVER_CLUSTER_REPORT_REPORT_DAEMON_H_
#define OUTPOST_SERVER_CLUSTER_REPORT_REPORT_DAEMON_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "outpost/v1/cluster.pb.h"
#include "server/cluster/perf_counters.h"
#include "server/cluster/report/byte_rate.h"
#include "server/cluster/report/report_delay.h"
#include "server/cluster/report/report_link.h"
#include "server/cluster/report/report_schema.h"
#include "server/log/rate_limit.h"

namespace outpost::cluster::report {

class ReportDaemon;

// **Thread safety.** Guarded by its daemon's lock, save what is const.
struct ReportStream {
  std::shared_ptr<ReportDaemon> const daemon;
  std::shared_ptr<ReportLink> const link;
  uint64_t next_sequence = 2;     // after Hello
  uint32_t newest_schema = 0;     // the greatest version of this stream
  bool schema_asked_for = false;  // by IngestResendSchema
  bool said_goodbye = false;      // no message follows
  uint64_t pace = 0;              // the version of it that it was told
  uint32_t min_priority = 0;      // of that pace
  bool tells_time = false;        // when its values were taken
  ReportDelay delay = {};
  absl::Duration interval_began = absl::ZeroDuration();  // for max_messages_per_interval
  uint32_t messages_in_interval = 0;
};

// **Thread safety.** All atomics may be read by anybody, the rest with the lock. Locks are
// taken in this order: of the list of daemons, of one daemon, of the structures.
class ReportDaemon {
 public:
  enum class State { kLive, kStale, kDropped };

  ReportDaemon(std::string service_type, std::string daemon_id)
      : type(std::move(service_type)),
        id(std::move(daemon_id)),
        name(absl::StrCat(type, ".", id)) {}

  const std::string type;
  const std::string id;
  const std::string name;  // "osd.0"

  std::atomic<State> state = State::kLive;
  std::atomic<int64_t> last_message = 0;  // by the AwakeClock, in nanoseconds
  std::atomic<int64_t> lease = 0;         // nanoseconds
  std::atomic<int64_t> drop_after = 0;    // nanoseconds
  std::atomic<uint64_t> messages = 0;     // since it is known
  std::atomic<uint64_t> rejected = 0;     // of them

  absl::Mutex mu;
  std::shared_ptr<ReportStream> stream ABSL_GUARDED_BY(mu);  // null: none is open
  std::string instance ABSL_GUARDED_BY(mu);
  std::string hostname ABSL_GUARDED_BY(mu);
  std::string version ABSL_GUARDED_BY(mu);
  std::map<std::string, std::string> metadata ABSL_GUARDED_BY(mu);  // as it was sent
  std::map<std::string, std::string> status ABSL_GUARDED_BY(mu);
  std::vector<v1::HealthMetric> health_metrics ABSL_GUARDED_BY(mu);
  absl::Time health_metrics_time ABSL_GUARDED_BY(mu) = absl::InfinitePast();  // past: none yet
  absl::Time stale_since ABSL_GUARDED_BY(mu);
  uint32_t schema_version ABSL_GUARDED_BY(mu) = 0;
  std::shared_ptr<const ReportSchema> schema ABSL_GUARDED_BY(mu);
  std::shared_ptr<PerfCounters::Samples> samples ABSL_GUARDED_BY(mu);
  log::RateLimit rejections_to_log ABSL_GUARDED_BY(mu){5, 0.1};
  std::string last_rejection ABSL_GUARDED_BY(mu);  // its words; empty: none
  uint64_t bytes ABSL_GUARDED_BY(mu) = 0;          // of all messages
  ByteRate byte_rate ABSL_GUARDED_BY(mu);
  absl::Duration clock_ahead ABSL_GUARDED_BY(mu);  // of the manager's, when it told last
};

}  // namespace outpost::cluster::report

#endif  // OUTPOST_SERVER_CLUSTER_REPORT_REPORT_DAEMON_H_
