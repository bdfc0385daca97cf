// Events of modules as people and scripts read them: `outpost module events`.
//
// **Thread safety.** Pure functions: any thread.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_EVENT_TEXT_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_EVENT_TEXT_H_

#include <string>

#include "nlohmann/json.hpp"
#include "outpost/v1/manager.pb.h"

namespace outpost::internal {

// A line: when, who, what; a line before it says how many the reader has missed. With
// `detail`, below it what the process wrote last, and the traceback. No newline at its end.
std::string EventText(const v1::TailEventsResponse& event, bool detail);

// The same as an object. `exit`, `next_start` and `missed` are there only where they say
// something.
nlohmann::ordered_json EventJson(const v1::TailEventsResponse& event);

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_EVENT_TEXT_H_
