#include "server/cluster/ceph/command_descriptions.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"

namespace outpost::cluster::ceph {
namespace {

using Json = nlohmann::ordered_json;

// Ceph's MonCommand flags.
constexpr uint64_t kObsolete = 2;
constexpr uint64_t kMgr = 8;
constexpr uint64_t kPoll = 16;
constexpr uint64_t kHidden = 32;

constexpr char kMgrModules[] = "mgr";  // the "module" of all commands of its modules

std::optional<std::string> Text(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

// One argument: "name=pool,type=CephPoolname,req=false"; empty if it is malformed.
std::string Argument(const Json& argument) {
  const std::optional<std::string> name = Text(argument, "name");
  const std::optional<std::string> type = Text(argument, "type");
  if (!name.has_value() || !type.has_value()) return "";
  std::string text = absl::StrCat("name=", *name, ",type=", *type);
  for (const auto& [key, value] : argument.items()) {
    if (key == "name" || key == "type") continue;
    const std::string word = value.is_string() ? value.get<std::string>() : value.dump();
    if (key == "req") {
      // As Ceph's own client reads it: what is not "true" is "false" (there is a "fasle").
      if (!absl::EqualsIgnoreCase(word, "true")) absl::StrAppend(&text, ",req=false");
      continue;
    }
    if (word.find_first_of(", ") != std::string::npos) return "";  // the grammar can't say it
    absl::StrAppend(&text, ",", key, "=", word);
  }
  return text;
}

struct Signature {
  std::string prefix;
  std::string text;
};

std::optional<Signature> ReadSignature(const Json& parts) {
  std::vector<std::string> words;
  std::vector<std::string> all;
  for (const Json& part : parts) {
    if (part.is_string()) {
      words.push_back(part.get<std::string>());
      all.push_back(words.back());
    } else {
      all.push_back(part.is_object() ? Argument(part) : "");
      if (all.back().empty()) return std::nullopt;
    }
  }
  if (words.empty()) return std::nullopt;
  return Signature{absl::StrJoin(words, " "), absl::StrJoin(all, " ")};
}

}  // namespace

absl::StatusOr<CommandDescriptions> ParseCommandDescriptions(absl::string_view json) {
  const Json parsed = Json::parse(json.begin(), json.end(), nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) {
    return absl::InvalidArgumentError("get_command_descriptions: not a JSON object");
  }
  CommandDescriptions descriptions;
  for (const auto& [id, command] : parsed.items()) {
    if (!command.is_object()) continue;
    const auto parts = command.find("sig");
    const auto flags_found = command.find("flags");
    if (parts == command.end() || !parts->is_array()) continue;
    const std::optional<Signature> signature = ReadSignature(*parts);
    if (!signature.has_value()) continue;
    const uint64_t flags = flags_found != command.end() && flags_found->is_number_unsigned()
                               ? flags_found->get<uint64_t>()
                               : 0;
    const bool by_mgr = (flags & kMgr) != 0;
    const std::string permissions = Text(command, "perm").value_or("");
    if (by_mgr) descriptions.served_by_mgr.insert(signature->prefix);
    if (permissions == "r") descriptions.read_only.insert(signature->prefix);
    if ((flags & (kObsolete | kHidden)) != 0) continue;
    if (by_mgr && Text(command, "module").value_or("") == kMgrModules) continue;
    descriptions.commands.push_back(
        {signature->text, Text(command, "help").value_or(""), permissions, (flags & kPoll) != 0});
  }
  return descriptions;
}

}  // namespace outpost::cluster::ceph
