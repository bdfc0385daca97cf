// ReportLink is the way back to a daemon: the sending half of its stream.
#ifndef OUTPOST_SERVER_CLUSTER_REPORT_REPORT_LINK_H_
#define OUTPOST_SERVER_CLUSTER_REPORT_REPORT_LINK_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "outpost/v1/ingest.pb.h"

namespace outpost::cluster::report {

// **Thread safety.** All methods may be called from any thread, with locks held: they never
// block and never call back.
class ReportLink {
 public:
  virtual ~ReportLink() = default;

  // Sends a message, after those that were sent before.
  virtual void Send(const v1::ReportResponse& message) = 0;
  // Sends an acknowledgement of everything up to `sequence`; may make one of several.
  virtual void Acknowledge(uint64_t sequence) = 0;
  // Ends the stream with a status and the reason of its ErrorInfo. What comes later is ignored.
  virtual void Close(const absl::Status& status, absl::string_view reason) = 0;
};

}  // namespace outpost::cluster::report

#endif  // OUTPOST_SERVER_CLUSTER_REPORT_REPORT_LINK_H_
