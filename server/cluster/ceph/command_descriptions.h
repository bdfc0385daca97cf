// The commands of Ceph's monitors, from what `get_command_descriptions` answers.
#ifndef OUTPOST_SERVER_CLUSTER_CEPH_COMMAND_DESCRIPTIONS_H_
#define OUTPOST_SERVER_CLUSTER_CEPH_COMMAND_DESCRIPTIONS_H_

#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/command/command.h"

namespace outpost::cluster::ceph {

struct CommandDescriptions {
  // What the monitors take, in their order. Left out: obsolete and hidden
  // commands, those that only `tell` to one daemon reaches, and those of modules
  // of a ceph-mgr (here modules are ours, and their names would clash). What
  // ceph-mgr itself serves ("pg dump", "osd df") is in: the monitors pass it on.
  // A prefix may occur more than once, with different arguments ("osd crush set").
  std::vector<command::Declaration> commands;
  // The prefixes that the monitors pass on to the mgr, those of its modules too.
  absl::flat_hash_set<std::string> served_by_mgr;
  // The prefixes that change nothing: their permission is "r".
  absl::flat_hash_set<std::string> read_only;
};

// INVALID_ARGUMENT when `json` is not what `get_command_descriptions` answers. A
// single command that can't be understood is left out.
absl::StatusOr<CommandDescriptions> ParseCommandDescriptions(absl::string_view json);

}  // namespace outpost::cluster::ceph

#endif  // OUTPOST_SERVER_CLUSTER_CEPH_COMMAND_DESCRIPTIONS_H_
