// The errno that a command fails with for each kind of error.
#ifndef OUTPOST_SERVER_COMMAND_STATUS_ERRNO_H_
#define OUTPOST_SERVER_COMMAND_STATUS_ERRNO_H_

#include "absl/status/status.h"

namespace outpost::command {

// Positive; 0 for OK.
int ErrnoOf(absl::StatusCode code);

}  // namespace outpost::command

#endif  // OUTPOST_SERVER_COMMAND_STATUS_ERRNO_H_
