// How progress is printed.
#ifndef OUTPOST_SERVER_BUILTIN_PROGRESS_TEXT_H_
#define OUTPOST_SERVER_BUILTIN_PROGRESS_TEXT_H_

#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "outpost/v1/progress.pb.h"

namespace outpost::builtin {

// By id, as Ceph's `status` has it.
nlohmann::json ProgressJson(const std::vector<v1::ProgressEvent>& events);

// Two lines an event: what, and a bar. `in_status`: only those that are to be in
// `status`. Empty: there are none.
std::string ProgressText(const std::vector<v1::ProgressEvent>& events, bool in_status);

}  // namespace outpost::builtin

#endif  // OUTPOST_SERVER_BUILTIN_PROGRESS_TEXT_H_
