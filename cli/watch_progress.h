// `outpost progress -w`: the bars of the modules' long work, as they grow.
//
// **Thread safety.** Blocking; one thread at a time.
#ifndef OUTPOST_CLI_WATCH_PROGRESS_H_
#define OUTPOST_CLI_WATCH_PROGRESS_H_

#include <optional>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/client.h"
#include "cli/failure.h"
#include "cli/files.h"
#include "cli/interrupt.h"

namespace outpost::cli {

// Whether `words`, with --watch, ask for that.
bool IsProgress(const std::vector<std::string>& words);

// Asks every --period, until a signal comes, which is no failure, or the manager can't be
// asked. A terminal is drawn anew each time; elsewhere, what is another than before is written
// below it. --period 0: once.
std::optional<Failure> WatchProgress(const Arguments& arguments, Client* client,
                                     const Interrupt& interrupt, Output* output);

}  // namespace outpost::cli

#endif  // OUTPOST_CLI_WATCH_PROGRESS_H_
