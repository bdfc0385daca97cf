#include "outpost/data_format.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "outpost/internal/xml_writer.h"
#include "outpost/internal/yaml_writer.h"
#include "outpost/table.h"

namespace outpost {
namespace {

constexpr std::pair<absl::string_view, Format> kFormats[] = {
    {"plain", Format::kPlain},
    {"json", Format::kJson},
    {"json-compact", Format::kJson},
    {"json-pretty", Format::kJsonPretty},
    {"yaml", Format::kYaml},
    {"xml", Format::kXml},
    {"xml-pretty", Format::kXmlPretty},
};

std::string ToJsonText(const Json& data, int indent) {
  return data.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

absl::StatusOr<Format> ParseFormat(absl::string_view name) {
  if (name.empty()) return Format::kPlain;
  std::string names;
  for (const auto& [known, format] : kFormats) {
    if (name == known) return format;
    absl::StrAppend(&names, names.empty() ? "" : ", ", known);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("Unknown format name: ", name, " (there are ", names, ")"));
}

std::string FormatData(Format format, const Json& data, const std::function<std::string()>& plain) {
  switch (format) {
    case Format::kPlain:
      return plain ? plain() : PrintTable(data);
    case Format::kJson:
      return ToJsonText(data, -1);
    case Format::kJsonPretty:
      return ToJsonText(data, 4);
    case Format::kYaml:
      return internal::ToYaml(data);
    case Format::kXml:
      return internal::ToXml(data, /*pretty=*/false);
    case Format::kXmlPretty:
      return internal::ToXml(data, /*pretty=*/true);
  }
  return "";
}

}  // namespace outpost
