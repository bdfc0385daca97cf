#include "server/config/option_schema.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace outpost::config {
namespace {

constexpr size_t kLongestName = 128;
constexpr size_t kLongestModuleName = 64;
constexpr size_t kLongestValue = 64 << 10;  // bytes
constexpr size_t kLongestQuoted = 100;

bool IsNameCharacter(char c, absl::string_view others) {
  return absl::ascii_isalnum(c) || others.find(c) != absl::string_view::npos;
}

bool IsName(absl::string_view name, absl::string_view others, size_t longest) {
  return !name.empty() && name.size() <= longest &&
         std::all_of(name.begin(), name.end(), [&](char c) { return IsNameCharacter(c, others); });
}

// A name or value as an error text shows it.
std::string Quoted(absl::string_view text) {
  const bool cut = text.size() > kLongestQuoted;
  return absl::StrCat("\"", absl::Utf8SafeCHexEscape(text.substr(0, kLongestQuoted)),
                      cut ? "…" : "", "\"");
}

template <typename... Words>
absl::Status Invalid(absl::string_view key, const Words&... words) {
  return absl::InvalidArgumentError(absl::StrCat("option ", key, ": ", words...));
}

std::string Key(absl::string_view module, absl::string_view name) {
  return absl::StrCat("mgr/", module, "/", name);
}

v1::OptionDescriptor LogOption(const char* name, v1::OptionType type, const char* value,
                               const char* description) {
  v1::OptionDescriptor option;
  option.set_name(name);
  option.set_type(type);
  option.set_level(v1::OPTION_LEVEL_ADVANCED);
  option.set_default_value(value);
  option.set_description(description);
  option.set_runtime(true);
  if (type == v1::OPTION_TYPE_STR) {
    for (const char* level : {"", "debug", "info", "warning", "error", "critical"}) {
      option.add_enum_allowed(level);
    }
  }
  return option;
}

}  // namespace

std::vector<v1::OptionDescriptor> OptionsOfEveryModule() {
  return {
      LogOption("log_level", v1::OPTION_TYPE_STR, "",
                "The least grave log lines to keep; empty: as the manager's own"),
      LogOption("log_to_file", v1::OPTION_TYPE_BOOL, "false",
                "Write the module's log to a file of its own"),
      LogOption("log_to_cluster", v1::OPTION_TYPE_BOOL, "false",
                "Write the module's log to the cluster log, too"),
      LogOption("log_to_cluster_level", v1::OPTION_TYPE_STR, "info",
                "The least grave lines to write to the cluster log"),
  };
}

absl::StatusOr<OptionSchema> OptionSchema::Create(absl::string_view module,
                                                  const v1::OptionDescriptor& descriptor) {
  if (!IsName(descriptor.name(), "_-.", kLongestName)) {
    return absl::InvalidArgumentError(
        absl::StrCat("option of module ", module, ": name: ", Quoted(descriptor.name()),
                     " is not a name (1 to ", kLongestName, " letters, digits, '_', '-' and '.')"));
  }
  const std::string key = Key(module, descriptor.name());
  OptionSchema schema(descriptor);
  if (descriptor.type() == v1::OPTION_TYPE_UNSPECIFIED) {
    schema.descriptor_.set_type(v1::OPTION_TYPE_STR);
  }
  if (descriptor.level() == v1::OPTION_LEVEL_UNSPECIFIED) {
    schema.descriptor_.set_level(v1::OPTION_LEVEL_ADVANCED);
  }
  const v1::OptionType type = schema.descriptor_.type();
  if (!v1::OptionType_IsValid(type)) {
    return Invalid(key, "type: ", static_cast<int>(type), " is not a type that this manager knows");
  }

  auto bound = [&](const char* field, bool has, const std::string& text,
                   std::optional<ParsedValue>& result) -> absl::Status {
    if (!has) return absl::OkStatus();
    if (!IsNumeric(type)) {
      return Invalid(key, field, ": only numbers have bounds, and the type is ", TypeName(type));
    }
    auto parsed = ParseValue(type, text);
    if (!parsed.ok())
      return Invalid(key, field, ": ", Quoted(text), " ", parsed.status().message());
    result = *std::move(parsed);
    return absl::OkStatus();
  };
  absl::Status status = bound("min", descriptor.has_min(), descriptor.min(), schema.min_);
  if (!status.ok()) return status;
  status = bound("max", descriptor.has_max(), descriptor.max(), schema.max_);
  if (!status.ok()) return status;
  if (schema.min_ && schema.max_ && schema.min_->number > schema.max_->number) {
    return Invalid(key, "min: ", descriptor.min(), " is above max, ", descriptor.max());
  }

  for (const std::string& text : descriptor.enum_allowed()) {
    auto parsed = ParseValue(type, text);
    if (!parsed.ok()) {
      return Invalid(key, "enum_allowed: ", Quoted(text), " ", parsed.status().message());
    }
    schema.allowed_.push_back(std::move(parsed->canonical));
  }

  if (descriptor.has_default_value()) {
    auto value =
        schema.Canonicalize(absl::StrCat(key, ": default_value"), descriptor.default_value());
    if (!value.ok()) return value.status();
    schema.default_value_ = *std::move(value);
  }
  return schema;
}

absl::StatusOr<std::string> OptionSchema::Canonicalize(absl::string_view key,
                                                       absl::string_view text) const {
  const std::string shown = secret() ? "the value (not shown, it is secret)" : Quoted(text);
  if (text.size() > kLongestValue) {
    return Invalid(key, shown, " has ", text.size(), " bytes, and a value at most ", kLongestValue);
  }
  auto parsed = ParseValue(descriptor_.type(), text);
  if (!parsed.ok()) return Invalid(key, shown, " ", parsed.status().message());
  if (min_ && parsed->number < min_->number) {
    return Invalid(key, shown, " is below the minimum, ", min_->canonical);
  }
  if (max_ && parsed->number > max_->number) {
    return Invalid(key, shown, " is above the maximum, ", max_->canonical);
  }
  if (!allowed_.empty() &&
      std::find(allowed_.begin(), allowed_.end(), parsed->canonical) == allowed_.end()) {
    auto append = [](std::string* out, const std::string& value) {
      absl::StrAppend(out, value.empty() ? "\"\"" : value);
    };
    return Invalid(key, shown, " is not one of: ", absl::StrJoin(allowed_, ", ", append));
  }
  return std::move(parsed->canonical);
}

absl::StatusOr<OptionSchemas> CreateSchemas(
    absl::string_view module,
    const google::protobuf::RepeatedPtrField<v1::OptionDescriptor>& descriptors) {
  if (!IsName(module, "_-", kLongestModuleName) || !absl::ascii_isalpha(module[0])) {
    return absl::InvalidArgumentError(
        absl::StrCat("module ", Quoted(module), ": not a module's name (1 to ", kLongestModuleName,
                     " letters, digits, '_' and '-', a letter first)"));
  }
  OptionSchemas schemas;
  for (const v1::OptionDescriptor& descriptor : descriptors) {
    auto schema = OptionSchema::Create(module, descriptor);
    if (!schema.ok()) return schema.status();
    if (!schemas.emplace(descriptor.name(), *std::move(schema)).second) {
      return Invalid(Key(module, descriptor.name()), "name: is declared twice");
    }
  }
  for (const v1::OptionDescriptor& descriptor : OptionsOfEveryModule()) {
    if (schemas.contains(descriptor.name())) continue;
    auto schema = OptionSchema::Create(module, descriptor);
    if (!schema.ok()) return schema.status();
    schemas.emplace(descriptor.name(), *std::move(schema));
  }
  return schemas;
}

}  // namespace outpost::config
