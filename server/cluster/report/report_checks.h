// Whether what a daemon sends is in order, as ingest.proto has it.
//
// **Thread safety.** Functions without state.
#ifndef OUTPOST_SERVER_CLUSTER_REPORT_REPORT_CHECKS_H_
#define OUTPOST_SERVER_CLUSTER_REPORT_REPORT_CHECKS_H_

#include <google/protobuf/map.h>

#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "outpost/v1/ingest.pb.h"
#include "server/cluster/report/report_options.h"

namespace outpost::cluster::report {

// Why one message is not applied.
struct Rejection {
  v1::IngestRejected::Reason reason = v1::IngestRejected::REASON_INVALID;
  std::string field;    // from the ReportRequest down; empty: the whole
  std::string message;  // for people
};

using Entries = google::protobuf::Map<std::string, std::string>;

// INVALID_ARGUMENT names the field and what was wrong with it.
absl::Status CheckHello(const v1::IngestHello& hello);

// What is wrong; nullopt: nothing. `field`: "metadata.entries", "status.entries".
std::optional<Rejection> CheckEntries(const Entries& entries, absl::string_view field,
                                      const ReportOptions& options);
std::optional<Rejection> CheckHealthMetrics(const v1::IngestHealthMetrics& metrics,
                                            const ReportOptions& options);
// Of the name, the size, and whether it is JSON.
std::optional<Rejection> CheckStructure(const v1::IngestStructure& structure,
                                        const ReportOptions& options);

}  // namespace outpost::cluster::report

#endif  // OUTPOST_SERVER_CLUSTER_REPORT_REPORT_CHECKS_H_
