// The command line of `outpost`: global flags, wherever they stand before "--",
// and the words of a command, which only the manager understands.
//
// **Thread safety.** Functions of their arguments and of the environment.
//
// **Invariants.**
// 1. Every word that is not a global flag or its value is in `words`, in order
//    and unchanged.
// 2. The first "--" ends the global flags and is in no list: what follows it is
//    words, so `outpost mycmd -- --timeout 3` gives the command a --timeout.
#ifndef OUTPOST_CLI_ARGUMENTS_H_
#define OUTPOST_CLI_ARGUMENTS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace outpost::cli {

// What was asked for.
struct Arguments {
  std::string address;                                // a gRPC target
  std::string format;                                 // as on the wire; empty: the command's own
  std::string in_file;                                // empty: none; "-": standard input
  std::string out_file;                               // empty or "-": standard output
  absl::Duration timeout = absl::InfiniteDuration();  // of the whole command
  absl::Duration connect_timeout = absl::Seconds(5);
  absl::Duration retry = absl::ZeroDuration();  // where no manager answers; the command runs once
  absl::Duration period = absl::Seconds(1);     // of polling commands; zero: run once
  bool help = false;
  bool version = false;
  bool verbose = false;
  bool status = false;         // ceph's -s: the command `status`
  bool watch = false;          // the status, then the cluster's log as it grows; or progress
  std::string watch_channel;   // empty: "cluster"; "*": every channel
  std::string watch_severity;  // the least: debug, info, sec, warn, error; empty: info
  std::vector<std::string> words;
};

// A global flag.
struct GlobalFlag {
  std::vector<std::string> names;  // "-f", "--format"
  std::string description;
  std::string value_name;            // "SECONDS", "FILE"; empty: it takes none
  std::vector<std::string> choices;  // of its value; empty: any
};

const std::vector<GlobalFlag>& GlobalFlags();

// Splits `args` (without the program's name); what no flag in them says is as in
// `defaults`. INVALID_ARGUMENT, with a message for a person, where a global flag does not
// fit.
absl::StatusOr<Arguments> ParseArguments(const std::vector<std::string>& args,
                                         const Arguments& defaults = {});

// What each global flag means, several lines.
std::string GlobalFlagsHelp();

}  // namespace outpost::cli

#endif  // OUTPOST_CLI_ARGUMENTS_H_
