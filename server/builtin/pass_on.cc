#include "server/builtin/pass_on.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace outpost::builtin {

void PassOn(cluster::Source* source, absl::string_view prefix, command::BuiltinCall call,
            command::Result otherwise, command::ResultCallback done) {
  const std::vector<command::Declaration> commands = source->Commands();
  const bool known = std::any_of(commands.begin(), commands.end(), [&](const auto& declaration) {
    return declaration.signature == prefix ||
           absl::StartsWith(declaration.signature, absl::StrCat(prefix, " name="));
  });
  if (!known) return done(std::move(otherwise));
  call.args["prefix"] = std::string(prefix);
  if (!call.format.empty()) call.args["format"] = call.format;
  constexpr auto kReplace = nlohmann::json::error_handler_t::replace;
  source->RunCommand({.service_type = "mon",
                      .service_id = "",
                      .command_json = call.args.dump(-1, ' ', false, kReplace),
                      .inbuf = std::move(call.inbuf).value_or(""),
                      .deadline = call.deadline},
                     std::move(done));
}

}  // namespace outpost::builtin
