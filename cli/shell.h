// `outpost shell`: a prompt for commands.
//
// **Thread safety.** Blocking; one thread at a time.
#ifndef OUTPOST_CLI_SHELL_H_
#define OUTPOST_CLI_SHELL_H_

#include <optional>

#include "cli/failure.h"
#include "cli/local_commands.h"

namespace outpost::cli {

// Runs each line as the arguments of this program would be, with the flags of this call as
// defaults, until quit, ^D or the end of standard input. ^C ends the command that runs, and
// nothing else. What fails is told on standard error; the exit status is that of the last
// line when a pipe or a file gave them, and 0 when a person did.
std::optional<Failure> Shell(const LocalCall& call);

}  // namespace outpost::cli

#endif  // OUTPOST_CLI_SHELL_H_
