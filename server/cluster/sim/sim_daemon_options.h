// The options of a simulated cluster's daemons: their names, defaults, and where a value may be
// set.
#ifndef OUTPOST_SERVER_CLUSTER_SIM_SIM_DAEMON_OPTIONS_H_
#define OUTPOST_SERVER_CLUSTER_SIM_SIM_DAEMON_OPTIONS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace outpost::cluster::sim {

struct DaemonOption {
  absl::string_view name;
  absl::string_view value;  // the default, as a monitor prints it
  absl::string_view type;   // Ceph's name for it: "str", "uint", "secs", …
};

// What modules ask for most, of the thousands that a Ceph has; by name.
absl::Span<const DaemonOption> DaemonOptions();

// nullptr where there is none.
const DaemonOption* FindDaemonOption(absl::string_view name);

// Where a value for `who` may be set, the strongest first: "osd.3", "osd", "global". Empty:
// there is no such daemon, and no such type.
std::vector<std::string> OptionSections(absl::string_view who);

}  // namespace outpost::cluster::sim

#endif  // OUTPOST_SERVER_CLUSTER_SIM_SIM_DAEMON_OPTIONS_H_
