#include "outpost/arguments.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"

namespace outpost::internal {
namespace {

// Ceph's types of a text; the others have C++ types of their own.
constexpr std::array<absl::string_view, 12> kTextTypes = {
    "CephString",     "CephUUID", "CephIPAddr", "CephEntityAddr", "CephSocketpath", "CephPoolname",
    "CephObjectname", "CephPgid", "CephName",   "CephOsdName",    "CephFilepath",   "CephFragment"};

bool IsName(absl::string_view name) {
  if (name.empty() || absl::ascii_isdigit(static_cast<unsigned char>(name[0]))) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-';
  });
}

}  // namespace

absl::Status CheckArgWords(absl::string_view name, bool is_text,
                           const std::vector<std::string>& choices, absl::string_view goodchars,
                           absl::string_view type) {
  const auto wrong = [](const auto&... text) {
    return absl::InvalidArgumentError(absl::StrCat(text...));
  };
  if (!IsName(name)) return wrong("its name is not made of letters, digits, '_' and '-'");
  if (name == "prefix") return wrong("\"prefix\" is what the command's own words are called");
  if (!is_text && !(choices.empty() && goodchars.empty() && type.empty())) {
    return wrong("only texts have choices, goodchars or another type");
  }
  if (!choices.empty() && !(type.empty() && goodchars.empty())) {
    return wrong("choices go with neither goodchars nor another type");
  }
  for (const std::string& choice : choices) {
    if (choice.empty() || choice.find_first_of(" ,|=") != std::string::npos) {
      return wrong("the choice \"", choice, "\" is empty, or has one of \" ,|=\"");
    }
  }
  if (goodchars.find_first_of(" ,") != absl::string_view::npos) {
    return wrong("goodchars can't have spaces and commas");
  }
  if (!type.empty() && std::find(kTextTypes.begin(), kTextTypes.end(), type) == kTextTypes.end()) {
    return wrong("\"", type, "\" is no type of a text (", absl::StrJoin(kTextTypes, ", "), ")");
  }
  return absl::OkStatus();
}

absl::Status CheckArgPlace(const ArgOutline& arg, const std::vector<ArgOutline>& before) {
  for (const ArgOutline& other : before) {
    if (other.name == arg.name) return absl::InvalidArgumentError("its name is there twice");
    if (!arg.positional || !other.positional || !arg.required) continue;
    if (other.repeated) {
      return absl::InvalidArgumentError(absl::StrCat(
          "it comes after ", other.name,
          ", which takes all there is: let it be the last, or this one positional = false"));
    }
    if (!other.required) {
      return absl::InvalidArgumentError(absl::StrCat("it must be given, and comes after ",
                                                     other.name, ", which may be left out"));
    }
  }
  return absl::OkStatus();
}

absl::Status NotA(const Json& value, absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat(value.dump(-1, ' ', false, Json::error_handler_t::replace), " is not ", what));
}

absl::StatusOr<std::string> ArgElement<std::string>::FromJson(const Json& value) {
  if (!value.is_string()) return NotA(value, "a text");
  return value.get<std::string>();
}

absl::StatusOr<int64_t> ArgElement<int64_t>::FromJson(const Json& value) {
  if (!value.is_number_integer() ||
      (value.is_number_unsigned() &&
       value.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))) {
    return NotA(value, "an integer");
  }
  return value.get<int64_t>();
}

absl::StatusOr<double> ArgElement<double>::FromJson(const Json& value) {
  if (!value.is_number()) return NotA(value, "a number");
  return value.get<double>();
}

absl::StatusOr<bool> ArgElement<bool>::FromJson(const Json& value) {
  if (!value.is_boolean()) return NotA(value, "true or false");
  return value.get<bool>();
}

absl::StatusOr<ByteSize> ArgElement<ByteSize>::FromJson(const Json& value) {
  const bool negative = value.is_number_integer() && !value.is_number_unsigned() && value < 0;
  if (!value.is_number_integer() || negative) return NotA(value, "a number of bytes");
  return ByteSize{value.get<uint64_t>()};
}

}  // namespace outpost::internal
