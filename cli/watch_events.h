// The events of modules as they come: `outpost module events [NAME] --follow`.
//
// **Thread safety.** Blocking; one thread at a time.
#ifndef OUTPOST_CLI_WATCH_EVENTS_H_
#define OUTPOST_CLI_WATCH_EVENTS_H_

#include <optional>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/client.h"
#include "cli/failure.h"
#include "cli/files.h"
#include "cli/interrupt.h"

namespace outpost::cli {

// Whether `words` ask for the events of a module, or of all, as they come.
bool IsFollowingEvents(const std::vector<std::string>& words);

// Shows the last events (--last N; 20 without), and those that come, until a signal comes.
// Also a manager that was away in between has those that were not shown yet.
std::optional<Failure> FollowEvents(const Arguments& arguments, Client* client,
                                    Interrupt* interrupt, Output* output);

}  // namespace outpost::cli

#endif  // OUTPOST_CLI_WATCH_EVENTS_H_
