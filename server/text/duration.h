// How long something takes or has taken, for people.
//
// **Thread safety.** A pure function: any thread.
#ifndef OUTPOST_SERVER_TEXT_DURATION_H_
#define OUTPOST_SERVER_TEXT_DURATION_H_

#include <string>

#include "absl/time/time.h"

namespace outpost::text {

// "1h2m3s", "1.5s", "0s": a whole number of `resolution`, towards zero.
std::string DurationText(absl::Duration duration, absl::Duration resolution = absl::Seconds(1));

}  // namespace outpost::text

#endif  // OUTPOST_SERVER_TEXT_DURATION_H_
