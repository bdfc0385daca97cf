// What goes on until a signal comes: a stream of messages of the manager's, also over its
// restarts.
//
// **Thread safety.** Blocking; one thread at a time.
#ifndef OUTPOST_CLI_FOLLOW_H_
#define OUTPOST_CLI_FOLLOW_H_

#include <functional>
#include <optional>

#include "cli/arguments.h"
#include "cli/client.h"
#include "cli/failure.h"
#include "cli/interrupt.h"

namespace outpost::cli {

// Whether the arguments ask for JSON; a failure where they ask for a format that a stream
// does not have.
std::optional<Failure> StreamFormat(const Arguments& arguments, bool* json);

// Reads streams, one after the other, until a signal comes, which is no failure. A manager
// that goes away, having answered once, is waited for; one that cuts it off is asked again.
// `read` reads one, and says how it ended; it calls `answered` when the manager has begun to
// answer, and at each message.
std::optional<Failure> Follow(
    const Arguments& arguments, Client* client, Interrupt* interrupt,
    const std::function<Failure(const std::function<void()>& answered)>& read);

}  // namespace outpost::cli

#endif  // OUTPOST_CLI_FOLLOW_H_
