// The errno that stands for each kind of error, where the error itself names none: one table
// for the manager, the modules and the command line.
//
// **Thread safety.** A pure function: any thread.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_STATUS_ERRNO_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_STATUS_ERRNO_H_

#include "absl/status/status.h"

namespace outpost::internal {

// Positive; 0 for OK.
int ErrnoOf(absl::StatusCode code);

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_STATUS_ERRNO_H_
