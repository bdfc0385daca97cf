#include "server/cluster/ceph/command_json.h"

#include <nlohmann/json.hpp>

namespace outpost::cluster::ceph {

std::optional<CommandJson> ReadCommand(absl::string_view command_json) {
  const nlohmann::json command = nlohmann::json::parse(command_json.begin(), command_json.end(),
                                                       nullptr, /*allow_exceptions=*/false);
  if (!command.is_object()) return std::nullopt;
  const auto prefix = command.find("prefix");
  if (prefix == command.end() || !prefix->is_string()) return std::nullopt;
  return CommandJson{.prefix = prefix->get<std::string>(), .text = command.dump()};
}

}  // namespace outpost::cluster::ceph
