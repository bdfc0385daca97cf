// How the manager's own commands print what they know: as data, or as text for people.
#ifndef OUTPOST_SERVER_BUILTIN_RENDER_H_
#define OUTPOST_SERVER_BUILTIN_RENDER_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "server/command/command.h"

namespace outpost::builtin {

// `data` as JSON, YAML or XML; what `plain` prints for "plain" and "", with control
// characters shown and not obeyed: much of what is printed was written by modules. -EINVAL
// for a format that there is not, naming those that there are.
command::Result Render(const std::string& format, const nlohmann::json& data,
                       const std::function<std::string()>& plain);

// "4.2s ago".
std::string HowLongAgo(absl::Time time);

// A failed command: the errno that fits the status, and its message.
command::Result Failure(const absl::Status& status);

}  // namespace outpost::builtin

#endif  // OUTPOST_SERVER_BUILTIN_RENDER_H_
