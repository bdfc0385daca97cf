// `outpost notify [<types>...]`: shows notifications as they come.
//
// **Thread safety.** Blocking; one thread at a time.
#ifndef OUTPOST_CLI_NOTIFY_H_
#define OUTPOST_CLI_NOTIFY_H_

#include <optional>

#include "cli/arguments.h"
#include "cli/client.h"
#include "cli/failure.h"
#include "cli/files.h"
#include "cli/interrupt.h"

namespace outpost::cli {

// Writes a line for each notification of the types in arguments.words[1:] until a
// signal comes, which is no failure. With --format json a line is a JSON object.
std::optional<Failure> Notify(const Arguments& arguments, Client* client,
                              const Interrupt& interrupt, Output* output);

}  // namespace outpost::cli

#endif  // OUTPOST_CLI_NOTIFY_H_
