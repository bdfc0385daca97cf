// Formats in which a command prints a value: what a caller names with --format.
//
// **Thread safety.** Stateless.
#ifndef OUTPOST_SDK_CPP_OUTPOST_DATA_FORMAT_H_
#define OUTPOST_SDK_CPP_OUTPOST_DATA_FORMAT_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "outpost/json.h"

namespace outpost {

// "plain", "json" (or "json-compact"), "json-pretty", "yaml", "xml", "xml-pretty".
enum class Format { kPlain, kJson, kJsonPretty, kYaml, kXml, kXmlPretty };

// The format of this name; empty: plain. INVALID_ARGUMENT names those that there
// are.
absl::StatusOr<Format> ParseFormat(absl::string_view name);

// `data` in a format; for plain, what `plain` prints (none: a table of `data`, see
// table.h). YAML is as Python's yaml.safe_dump writes it.
std::string FormatData(Format format, const Json& data,
                       const std::function<std::string()>& plain = nullptr);

}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_DATA_FORMAT_H_
