// What the manager knows of hosts and daemons, beside the named structures; see
// Module::GetServer, GetMetadata, GetCounters and their like.
#ifndef OUTPOST_SDK_CPP_OUTPOST_CLUSTER_H_
#define OUTPOST_SDK_CPP_OUTPOST_CLUSTER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "outpost/json.h"

namespace outpost {

// In questions, an empty type or id means all.
struct Daemon {
  std::string type = {};  // "mon", "mgr", "osd", "mds", …
  std::string id = {};    // unique in its type: "3"
};

// A structure that Module::Get can read.
struct StructureInfo {
  std::string name;
  uint64_t version = 0;
  uint64_t size = 0;     // of the JSON text, in bytes
  absl::Time changed;    // when its content last changed
  absl::Time confirmed;  // when its source last said that it is current
};

struct Server {
  std::string hostname;
  std::string version;  // of the cluster's software on it
  std::vector<Daemon> daemons;
};

struct CounterSchema {
  Daemon daemon;
  std::string path;   // "osd.op_w"
  uint32_t type = 0;  // bits: 1 time, 2 u64, 4 long-running average, 8 counter, 16 histogram
  uint32_t unit = 0;  // 0 bytes, 1 none
  uint32_t priority = 0;
  std::string description;
  std::string nick;
};

struct CounterSample {
  absl::Time time;
  double value = 0;               // of long-running averages: the sum
  std::optional<uint64_t> count;  // of long-running averages: how many were summed
};

struct CounterSeries {
  Daemon daemon;
  std::string path;
  std::vector<CounterSample> samples;  // oldest first
};

struct CounterQuery {
  Daemon daemon = {};
  std::vector<std::string> paths = {};  // empty: all
  bool latest_only = false;
  uint32_t min_priority = 0;
};

struct HealthMetric {
  std::string type;  // "SLOW_OPS", "PENDING_CREATING_PGS"
  uint64_t n1 = 0;   // the number, or the first of two
  uint64_t n2 = 0;
};

struct DaemonHealth {
  Daemon daemon;
  std::vector<HealthMetric> metrics;
};

// A command for a daemon of the cluster: {.service_type = "osd", .service_id =
// "3", .command = {{"prefix", "perf dump"}}}.
struct ClusterCommand {
  std::string service_type = "mon";  // "mon", "osd", "mds", "mgr"
  std::string service_id = {};       // empty for "mon": whichever answers
  Json command = Json::object();     // "prefix" and the arguments
  std::string inbuf = {};
  // Comes back as the id of the notification "command"; empty: none is wanted.
  std::string tag = {};
  absl::Duration timeout = absl::Seconds(30);
};

// The name of a release of Ceph by its major number: 17 is "quincy"; "unknown" where
// there is none (yet).
absl::string_view LookupReleaseName(int major);

// How much the last two samples of `series` differ per second, as an integer;
// 0 where there are fewer than two, or they are less than a second apart.
int64_t Rate(const CounterSeries& series);

}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_CLUSTER_H_
