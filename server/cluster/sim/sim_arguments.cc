#include "server/cluster/sim/sim_arguments.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace outpost::cluster::sim {
namespace {

absl::Status BadField(absl::string_view key) {
  return absl::InvalidArgumentError(absl::StrCat("bad or missing field '", key, "'"));
}

}  // namespace

Arguments::Arguments(nlohmann::json object) : object_(std::move(object)) {}

absl::StatusOr<Arguments> Arguments::Parse(absl::string_view command_json) {
  nlohmann::json object = nlohmann::json::parse(command_json.begin(), command_json.end(), nullptr,
                                                /*allow_exceptions=*/false);
  if (object.is_discarded()) {
    return absl::InvalidArgumentError(absl::StrCat("unparseable JSON ", command_json));
  }
  if (!object.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat("not JSON object ", command_json));
  }
  Arguments arguments(std::move(object));
  if (arguments.Find("prefix") == nullptr) {
    return absl::InvalidArgumentError("command prefix not found");
  }
  absl::StatusOr<std::string> prefix = arguments.Text("prefix");
  if (!prefix.ok()) return prefix.status();
  if (prefix->empty()) return absl::InvalidArgumentError("command prefix must not be empty");
  absl::StatusOr<std::string> format = arguments.Text("format");
  if (!format.ok()) return format.status();
  arguments.prefix_ = *std::move(prefix);
  arguments.pretty_ = *format == "json-pretty";
  arguments.json_ = *format == "json" || arguments.pretty_;
  return arguments;
}

const nlohmann::json* Arguments::Find(absl::string_view key) const {
  const auto found = object_.find(std::string(key));
  return found == object_.end() ? nullptr : &*found;
}

absl::StatusOr<std::string> Arguments::Text(absl::string_view key,
                                            absl::string_view otherwise) const {
  const nlohmann::json* value = Find(key);
  if (value == nullptr) return std::string(otherwise);
  if (!value->is_string()) return BadField(key);
  return value->get<std::string>();
}

absl::StatusOr<int64_t> Arguments::Int(absl::string_view key, int64_t otherwise) const {
  const nlohmann::json* value = Find(key);
  if (value == nullptr) return otherwise;
  if (!value->is_number_integer()) return BadField(key);
  return value->get<int64_t>();
}

absl::StatusOr<bool> Arguments::Bool(absl::string_view key) const {
  const nlohmann::json* value = Find(key);
  if (value == nullptr) return false;
  if (!value->is_boolean()) return BadField(key);
  return value->get<bool>();
}

absl::StatusOr<std::vector<std::string>> Arguments::List(absl::string_view key) const {
  const nlohmann::json* value = Find(key);
  std::vector<std::string> list;
  if (value == nullptr) return list;
  if (!value->is_array()) return BadField(key);
  for (const nlohmann::json& element : *value) {
    if (!element.is_string()) return BadField(key);
    list.push_back(element.get<std::string>());
  }
  return list;
}

}  // namespace outpost::cluster::sim
