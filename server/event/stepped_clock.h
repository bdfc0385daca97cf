// StepWallClock sets the wall clock of this process, for tests: what asks for the time gets another
// one, and what waits for a time of the wall clock in the kernel (absl::CondVar) waits for the time
// that the clock showed. The steady clock goes on as it does.
//
// **Thread safety.** May be called from any thread.
#ifndef OUTPOST_SERVER_EVENT_STEPPED_CLOCK_H_
#define OUTPOST_SERVER_EVENT_STEPPED_CLOCK_H_

#include "absl/time/time.h"

namespace outpost::event {

// By how much it is ahead from now on.
void StepWallClock(absl::Duration step);

}  // namespace outpost::event

#endif  // OUTPOST_SERVER_EVENT_STEPPED_CLOCK_H_
