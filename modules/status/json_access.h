// Reads of cluster data that may not be there: a field that is missing, or of
// another type, gives a default and never an exception.
//
// **Thread safety.** Pure functions.
#ifndef OUTPOST_MODULES_STATUS_JSON_ACCESS_H_
#define OUTPOST_MODULES_STATUS_JSON_ACCESS_H_

#include <cstdint>
#include <string>

#include "outpost/json.h"

namespace status {

// The field, or a null value.
inline const outpost::Json& Field(const outpost::Json& object, const std::string& name) {
  static const outpost::Json kNull;
  if (!object.is_object()) return kNull;
  const auto it = object.find(name);
  return it == object.end() ? kNull : *it;
}

inline std::string Text(const outpost::Json& object, const std::string& name) {
  const outpost::Json& field = Field(object, name);
  return field.is_string() ? field.get<std::string>() : "";
}

inline int64_t Number(const outpost::Json& object, const std::string& name, int64_t missing = 0) {
  const outpost::Json& field = Field(object, name);
  return field.is_number() ? field.get<int64_t>() : missing;
}

}  // namespace status

#endif  // OUTPOST_MODULES_STATUS_JSON_ACCESS_H_
