// Structured output: a command makes one value and prints it as its caller asked
// for (--format).
//
//     return outpost::Render(context, data, [&] { return table.Print(); });
//
// **Thread safety.** Stateless.
#ifndef OUTPOST_SDK_CPP_OUTPOST_FORMAT_H_
#define OUTPOST_SDK_CPP_OUTPOST_FORMAT_H_

#include <functional>
#include <string>

#include "absl/strings/string_view.h"
#include "outpost/command_result.h"
#include "outpost/json.h"

namespace outpost {

class CommandContext;

// True: the caller wants JSON ("json", "json-pretty").
bool WantsJson(const CommandContext& context);

// `data` as "json" or "json-pretty"; for "plain", and where the caller named no
// format, what `plain` prints (none: a table of `data`, see table.h). -EINVAL for
// any other format, naming those that there are.
CommandResult Render(const CommandContext& context, const Json& data,
                     const std::function<std::string()>& plain = nullptr);

}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_FORMAT_H_
