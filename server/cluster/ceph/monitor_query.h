// A question to Ceph's monitors that is answered in JSON.
#ifndef OUTPOST_SERVER_CLUSTER_CEPH_MONITOR_QUERY_H_
#define OUTPOST_SERVER_CLUSTER_CEPH_MONITOR_QUERY_H_

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/command/command.h"

namespace outpost::cluster::ceph {

// Runs a command, given as JSON text; blocks.
using MonitorCommand = absl::FunctionRef<command::Result(absl::string_view command_json)>;

struct MonitorQuery {
  absl::string_view prefix;          // "osd dump"
  absl::string_view arguments = "";  // more members of the command object: "\"detail\":\"detail\""
};

// The answer, stripped of white space; checked to be JSON by nobody yet.
// DEADLINE_EXCEEDED: no answer. CANCELLED: -ESHUTDOWN. PERMISSION_DENIED: the client lacks a
// capability. UNAVAILABLE: any other refusal. The message is a sentence.
absl::StatusOr<std::string> Query(MonitorCommand monitors, const MonitorQuery& query);

}  // namespace outpost::cluster::ceph

#endif  // OUTPOST_SERVER_CLUSTER_CEPH_MONITOR_QUERY_H_
