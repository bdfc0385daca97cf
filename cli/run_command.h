// Runs a command of the manager: once, or each period if it asks to be polled.
//
// **Thread safety.** Blocking; one thread at a time.
#ifndef OUTPOST_CLI_RUN_COMMAND_H_
#define OUTPOST_CLI_RUN_COMMAND_H_

#include <optional>
#include <string>

#include "cli/arguments.h"
#include "cli/client.h"
#include "cli/failure.h"
#include "cli/files.h"
#include "cli/interrupt.h"

namespace outpost::cli {

// What a command gave as a failure: its errno, if the retval is negative; a positive one is
// none, as with ceph.
std::optional<Failure> FailureOf(const v1::CommandsRunResponse& response);

// Writes the output of a command that did not fail, and the text beside it on standard error.
std::optional<Failure> ShowResult(const v1::CommandResult& result, Output* output);

// Runs arguments.words and shows what comes of it: the output on `output`, the
// text beside it on standard error. `inbuf` is the content of --in-file. A command
// that failed (a negative retval) is a Failure with its errno; a positive retval
// is none, as with ceph.
std::optional<Failure> RunCommand(const Arguments& arguments,
                                  const std::optional<std::string>& inbuf, Client* client,
                                  const Interrupt& interrupt, Output* output);

}  // namespace outpost::cli

#endif  // OUTPOST_CLI_RUN_COMMAND_H_
