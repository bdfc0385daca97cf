// The audit log as it grows: `outpost audit --follow`.
//
// **Thread safety.** Blocking; one thread at a time.
#ifndef OUTPOST_CLI_WATCH_AUDIT_H_
#define OUTPOST_CLI_WATCH_AUDIT_H_

#include <optional>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/client.h"
#include "cli/failure.h"
#include "cli/files.h"
#include "cli/interrupt.h"

namespace outpost::cli {

// Whether `words` ask for the entries as they come.
bool IsFollowingAudit(const std::vector<std::string>& words);

// Shows the last entries (--last N; 20 without), and those that come, a line each (--format json:
// an object each), until a signal comes. Also a manager that was away in between has those that
// were not shown.
std::optional<Failure> FollowAudit(const Arguments& arguments, Client* client, Interrupt* interrupt,
                                   Output* output);

}  // namespace outpost::cli

#endif  // OUTPOST_CLI_WATCH_AUDIT_H_
