// JSON as YAML 1.1, as Python's yaml.safe_dump writes it: block style, keys in
// order, 80 columns, characters beyond ASCII escaped; so that a command prints the
// same whichever language its module is in. (A text, number or bool alone has no
// "..." after it here.)
//
// **Thread safety.** A pure function.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_YAML_WRITER_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_YAML_WRITER_H_

#include <string>

#include "outpost/json.h"

namespace outpost::internal {

// Ends with a newline. Bytes that are not UTF-8 become '?'.
std::string ToYaml(const Json& value);

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_YAML_WRITER_H_
