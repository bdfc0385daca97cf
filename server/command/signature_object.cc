// Signature's check of a command_json's members.
#include <array>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/command/signature.h"
#include "server/text/nearest.h"

namespace outpost::command {
namespace {

using nlohmann::json;

// What callers may send with any command: which output they want, and for whom it is.
constexpr std::array<absl::string_view, 3> kForEveryCommand = {"format", "target", "width"};

absl::Status Invalid(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("Invalid command: ", what));
}

std::string Show(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

// The word that a caller would have typed for a scalar.
std::string WordFor(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) {
    const double number = value.get<double>();
    // 5.0 is an integer to the languages whose JSON has no other numbers.
    if (std::trunc(number) == number && std::fabs(number) < 9e15) {
      return absl::StrCat(static_cast<int64_t>(number));
    }
  }
  return Show(value);
}

absl::StatusOr<json> CheckScalar(const Param& param, const json& value) {
  if (value.is_structured()) {
    return Invalid(
        absl::StrCat("JSON array/object not allowed ", Show(value), " for ", param.ToString()));
  }
  absl::StatusOr<json> typed = param.type->parse(param, WordFor(value));
  if (!typed.ok()) {
    return Invalid(absl::StrCat(param.name, ": ", typed.status().message()));
  }
  return typed;
}

absl::StatusOr<json> CheckValue(const Param& param, const json& value) {
  if (!param.takes_many()) return CheckScalar(param, value);
  json values = json::array();
  const auto add = [&](const json& item) {
    absl::StatusOr<json> typed = CheckScalar(param, item);
    if (!typed.ok()) return typed.status();
    values.push_back(*std::move(typed));
    return absl::OkStatus();
  };
  if (!value.is_array()) {
    if (absl::Status added = add(value); !added.ok()) return added;
  } else {
    for (const json& item : value) {
      if (absl::Status added = add(item); !added.ok()) return added;
    }
  }
  if (param.repeated ? values.empty() && param.required
                     : values.size() != static_cast<size_t>(param.count)) {
    return Invalid(absl::StrCat("saw ", values.size(), " of ", param.ToString(), ", expected ",
                                param.repeated ? "at least " : "", param.count));
  }
  return values;
}

absl::Status UnknownKey(const std::string& key, const std::vector<Param>& params) {
  std::vector<std::string> names;
  names.reserve(params.size());
  for (const Param& param : params) names.push_back(param.name);
  const std::vector<std::string> near = text::Nearest(key, names, 1);
  std::string hint = "; the command takes no parameters";
  if (!near.empty()) {
    hint = absl::StrCat("; nearest: ", near.front());
  } else if (!names.empty()) {
    hint = absl::StrCat("; its parameters: ", absl::StrJoin(names, ", "));
  }
  return Invalid(absl::StrCat("unknown parameter \"", key, "\"", hint));
}

}  // namespace

absl::StatusOr<json> Signature::CheckObject(const json& object) const {
  if (!object.is_object()) return Invalid(absl::StrCat("not JSON object ", Show(object)));
  json checked = json::object();
  for (const auto& member : object.items()) {
    const std::string& key = member.key();
    const json& value = member.value();
    const auto param =
        absl::c_find_if(params_, [&](const Param& candidate) { return candidate.name == key; });
    if (param != params_.end()) {
      if (value.is_null()) continue;
      absl::StatusOr<json> typed = CheckValue(*param, value);
      if (!typed.ok()) return typed.status();
      checked[key] = *std::move(typed);
    } else if (absl::c_linear_search(kForEveryCommand, key)) {
      checked[key] = value;
    } else if (key != "prefix") {
      return UnknownKey(key, params_);
    }
  }
  for (const Param& param : params_) {
    if (param.required && !checked.contains(param.name)) {
      return Invalid(absl::StrCat("missing required parameter ", param.ToString()));
    }
  }
  return checked;
}

}  // namespace outpost::command
