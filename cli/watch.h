// The manager's log as it grows: `outpost -w`, and `outpost module logs NAME --follow`.
//
// **Thread safety.** Blocking; one thread at a time.
#ifndef OUTPOST_CLI_WATCH_H_
#define OUTPOST_CLI_WATCH_H_

#include <optional>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/client.h"
#include "cli/failure.h"
#include "cli/files.h"
#include "cli/interrupt.h"

namespace outpost::cli {

// Shows the status, and then the cluster's log as the arguments choose, until a signal comes,
// which is no failure. A manager that goes away is waited for.
std::optional<Failure> Watch(const Arguments& arguments, Client* client, Interrupt* interrupt,
                             Output* output);

// Whether `words` ask for a module's log as it grows.
bool IsFollowingLogs(const std::vector<std::string>& words);

// Shows the last lines of that log (--lines N; 20 without), and those that come, until a
// signal comes.
std::optional<Failure> FollowModuleLogs(const Arguments& arguments, Client* client,
                                        Interrupt* interrupt, Output* output);

}  // namespace outpost::cli

#endif  // OUTPOST_CLI_WATCH_H_
