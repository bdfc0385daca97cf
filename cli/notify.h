// `outpost notify [<types>...]`: shows notifications as they come.
//
// **Thread safety.** Blocking; one thread at a time.
#ifndef OUTPOST_CLI_NOTIFY_H_
#define OUTPOST_CLI_NOTIFY_H_

#include <optional>

#include "cli/failure.h"
#include "cli/local_commands.h"

namespace outpost::cli {

// Writes a line for each notification of the types that follow the command's name until a
// signal comes, which is no failure. With --format json a line is a JSON object.
std::optional<Failure> Notify(const LocalCall& call);

}  // namespace outpost::cli

#endif  // OUTPOST_CLI_NOTIFY_H_
