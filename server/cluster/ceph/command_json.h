// What a command for a daemon says, and the one text in which it is sent.
//
// Ceph's own reader of JSON differs from others: of an escape such as \u0161 it keeps the last
// eight bits, and reads an "a". Rights were decided by what Outpost has read; so that is written
// anew, without such escapes and without a key twice, and a daemon can't read another command
// in it.
//
// **Thread safety.** A pure function.
#ifndef OUTPOST_SERVER_CLUSTER_CEPH_COMMAND_JSON_H_
#define OUTPOST_SERVER_CLUSTER_CEPH_COMMAND_JSON_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace outpost::cluster::ceph {

struct CommandJson {
  std::string prefix;
  std::string text;  // what is to be sent
};

// nullopt: it is no JSON object with a "prefix" that is a text.
std::optional<CommandJson> ReadCommand(absl::string_view command_json);

}  // namespace outpost::cluster::ceph

#endif  // OUTPOST_SERVER_CLUSTER_CEPH_COMMAND_JSON_H_
