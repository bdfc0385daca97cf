#include "outpost/format.h"

#include "outpost/command.h"

namespace outpost {

bool WantsJson(const CommandContext& context) {
  const absl::StatusOr<Format> format = ParseFormat(context.format());
  return format.ok() && (*format == Format::kJson || *format == Format::kJsonPretty);
}

CommandResult Render(const CommandContext& context, const Json& data,
                     const std::function<std::string()>& plain) {
  const absl::StatusOr<Format> format = ParseFormat(context.format());
  if (!format.ok()) return format.status();
  return CommandResult::Ok(FormatData(*format, data, plain));
}

}  // namespace outpost
