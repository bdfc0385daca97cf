#include "server/metrics/metrics_proto.h"

#include "absl/time/time.h"

namespace outpost::metrics {

v1::ModuleUsage ToProto(const ProcessUsage& usage) {
  v1::ModuleUsage proto;
  proto.set_rss_bytes(usage.rss_bytes);
  proto.set_cpu_seconds(absl::ToDoubleSeconds(usage.cpu));
  proto.set_threads(usage.threads);
  proto.set_open_files(usage.open_files);
  return proto;
}

v1::LatencyHistogram ToProto(const LatencyHistogram::Snapshot& snapshot) {
  v1::LatencyHistogram proto;
  proto.set_sum_seconds(snapshot.sum_seconds);
  proto.mutable_bounds()->Add(LatencyHistogram::kBounds.begin(), LatencyHistogram::kBounds.end());
  proto.mutable_counts()->Add(snapshot.counts.begin(), snapshot.counts.end());
  return proto;
}

v1::RequestStats ToProto(const RequestCounters::Snapshot& snapshot) {
  v1::RequestStats proto;
  proto.set_succeeded(snapshot.succeeded);
  proto.set_failed(snapshot.failed);
  proto.set_timed_out(snapshot.timed_out);
  proto.set_cancelled(snapshot.cancelled);
  proto.set_lost(snapshot.lost);
  proto.set_refused(snapshot.refused);
  *proto.mutable_latency() = ToProto(snapshot.latency);
  return proto;
}

}  // namespace outpost::metrics
