// Structured output: a command makes one value, and the SDK prints it as its
// caller asked for (--format). A handler that returns such a value (see command.h)
// needs nothing of this; one that also has a return code or a note renders itself:
//
//     outpost::CommandResult result = outpost::Render(context, data);
//     result.retval = -EAGAIN;
//
// **Thread safety.** Stateless.
#ifndef OUTPOST_SDK_CPP_OUTPOST_FORMAT_H_
#define OUTPOST_SDK_CPP_OUTPOST_FORMAT_H_

#include <functional>
#include <string>

#include "outpost/command_result.h"
#include "outpost/data_format.h"
#include "outpost/json.h"

namespace outpost {

class CommandContext;

// True: the caller wants JSON.
bool WantsJson(const CommandContext& context);

// FormatData as the caller of a command asked for; plain where he named no format.
// -EINVAL for a format that there is not.
CommandResult Render(const CommandContext& context, const Json& data,
                     const std::function<std::string()>& plain = nullptr);

}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_FORMAT_H_
