// What is measured, as the wire has it.
#ifndef OUTPOST_SERVER_METRICS_METRICS_PROTO_H_
#define OUTPOST_SERVER_METRICS_METRICS_PROTO_H_

#include "outpost/v1/manager.pb.h"
#include "server/metrics/latency_histogram.h"
#include "server/metrics/process_usage.h"
#include "server/metrics/request_counters.h"

namespace outpost::metrics {

v1::ModuleUsage ToProto(const ProcessUsage& usage);
v1::LatencyHistogram ToProto(const LatencyHistogram::Snapshot& snapshot);
v1::RequestStats ToProto(const RequestCounters::Snapshot& snapshot);

}  // namespace outpost::metrics

#endif  // OUTPOST_SERVER_METRICS_METRICS_PROTO_H_
