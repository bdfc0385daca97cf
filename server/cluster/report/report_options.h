// Settings of what daemons may report, and how often.
//
// **Thread safety.** A value.
#ifndef OUTPOST_SERVER_CLUSTER_REPORT_REPORT_OPTIONS_H_
#define OUTPOST_SERVER_CLUSTER_REPORT_REPORT_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace outpost::cluster::report {

struct ReportOptions {
  // Told to each daemon.
  absl::Duration interval = absl::Seconds(5);
  uint32_t min_priority = 0;  // counters below it are not reported
  // When more than half of the reports come later than this, the interval grows, up to
  // max_interval; see report_pace.h.
  absl::Duration max_lag = absl::Seconds(1);
  absl::Duration max_interval = absl::Seconds(60);
  // Of a daemon that asks for none. Others get what they ask for, from twice the interval
  // to kMaxLease.
  absl::Duration lease = absl::Seconds(15);
  static constexpr absl::Duration kMaxLease = absl::Hours(1);
  // From the end of the lease until a daemon is dropped.
  absl::Duration stale_time = absl::Seconds(45);
  // How often the leases are looked at.
  absl::Duration tick = absl::Milliseconds(250);

  // In all.
  size_t max_daemons = 20'000;
  uint64_t max_counters_of_all = 10'000'000;
  uint64_t max_structure_bytes_of_all = uint64_t{512} << 20;
  // Of one daemon; see IngestLimits.
  uint32_t max_unacknowledged = 64;
  uint64_t max_message_bytes = uint64_t{17} << 20;
  uint32_t max_counters = 20'000;
  uint32_t max_entries = 512;
  uint64_t max_entry_bytes = uint64_t{64} << 10;
  uint32_t max_structures = 64;
  uint64_t max_structure_bytes = uint64_t{16} << 20;
  // Of one daemon within one interval; more are too fast.
  uint32_t max_messages_per_interval = 1024;

  // For IngestWelcome.
  std::string manager_instance = "";

  // The source that daemons report beside, such as "ceph": what it tells of is not theirs
  // to report. Empty: nothing but reports.
  std::string beside = "";
};

}  // namespace outpost::cluster::report

#endif  // OUTPOST_SERVER_CLUSTER_REPORT_REPORT_OPTIONS_H_
