// What a daemon reports, in messages of any content and order: it is taken or rejected, and when
// the daemon is dropped, nothing of it is left.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "outpost/v1/ingest.pb.h"
#include "server/cluster/report/awake_clock.h"
#include "server/cluster/report/reported_daemons.h"
#include "server/log/log.h"
#include "tests/fuzz/frames.h"

namespace {

using namespace outpost::cluster;  // NOLINT(google-build-using-namespace): the tested one
using outpost::v1::ReportRequest;

struct Link final : report::ReportLink {
  void Send(const outpost::v1::ReportResponse&) override {}
  void Acknowledge(uint64_t) override {}
  void Close(const absl::Status&, absl::string_view) override { closed = true; }
  bool closed = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const bool quiet =
      outpost::log::Configure({.file = "", .level = "off", .levels = {}}).ok();
  if (!quiet) std::abort();
  ClusterState state;
  PerfCounters counters;
  DaemonDirectory directory(&state);
  DaemonHealth health;
  absl::Duration clock = absl::Hours(1);
  // Small limits are reached by small inputs.
  report::ReportedDaemons daemons(
      {.max_counters = 16, .max_entries = 8, .max_structures = 4, .max_structure_bytes = 256},
      {.state = &state,
       .counters = &counters,
       .directory = &directory,
       .health = &health,
       .checks = [](const auto&) {}},
      [&clock] { return clock; });
  std::shared_ptr<report::ReportStream> stream;
  auto link = std::make_shared<Link>();
  uint64_t sequence = 0;
  for (ReportRequest& message : outpost::fuzz::ParseFrames<ReportRequest>(data, size)) {
    // Most inputs would end with a wrong one.
    ++sequence;
    if (message.sequence() == 0) message.set_sequence(sequence);
    if (message.has_hello()) message.mutable_hello()->clear_lease();  // to see the end of it
    if (stream == nullptr || link->closed) {
      // The next stream of the daemon, or of another.
      if (stream != nullptr) daemons.Detach(stream);
      link = std::make_shared<Link>();
      stream = daemons.Open(message, link);
      sequence = message.sequence();
    } else {
      daemons.Handle(stream, message, message.ByteSizeLong());
    }
    clock += absl::Milliseconds(100);
    daemons.Tick();
  }
  (void)daemons.List();
  if (stream != nullptr) daemons.Detach(stream);
  const report::ReportOptions defaults;
  for (absl::Duration silent; silent <= defaults.lease + defaults.stale_time;
       silent += report::AwakeClock::kMaxGap) {
    clock += report::AwakeClock::kMaxGap;
    daemons.Tick();
  }
  const auto left = daemons.counts();
  if (left.live != 0 || left.stale != 0 || left.counters != 0 || left.structure_bytes != 0) {
    std::abort();
  }
  return 0;
}
