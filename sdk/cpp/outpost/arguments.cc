#include "outpost/arguments.h"

namespace outpost::internal {

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

}  // namespace outpost::internal
