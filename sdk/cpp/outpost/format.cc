#include "outpost/format.h"

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "outpost/command.h"
#include "outpost/table.h"

namespace outpost {

bool WantsJson(const CommandContext& context) {
  return context.format() == "json" || context.format() == "json-pretty";
}

CommandResult Render(const CommandContext& context, const Json& data,
                     const std::function<std::string()>& plain) {
  if (WantsJson(context)) {
    const int indent = context.format() == "json" ? -1 : 4;
    return CommandResult::Ok(data.dump(indent, ' ', false, Json::error_handler_t::replace));
  }
  if (!context.format().empty() && context.format() != "plain") {
    return CommandResult::Error(
        EINVAL, absl::StrCat(context.prefix(), ": there is no format \"", context.format(),
                             "\" (plain, json, json-pretty)"));
  }
  return CommandResult::Ok(plain ? plain() : PrintTable(data));
}

}  // namespace outpost
