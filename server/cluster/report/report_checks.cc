#include "server/cluster/report/report_checks.h"

#include <simdjson.h>

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace outpost::cluster::report {
namespace {

using v1::IngestRejected;

constexpr size_t kMaxServiceType = 64;     // characters
constexpr size_t kMaxDaemonId = 128;       // characters
constexpr size_t kMaxHostname = 253;       // characters
constexpr size_t kMaxInstance = 128;       // bytes
constexpr size_t kMaxVersion = 256;        // bytes
constexpr size_t kMaxKey = 128;            // bytes
constexpr size_t kMaxStructureName = 128;  // characters
constexpr size_t kShown = 80;              // of a bad value, in messages

std::string Shown(absl::string_view value) {
  return absl::StrCat("\"", absl::Utf8SafeCHexEscape(value.substr(0, kShown)),
                      value.size() > kShown ? "…" : "", "\"");
}

absl::Status BadHello(absl::string_view field, absl::string_view value, absl::string_view rule) {
  return absl::InvalidArgumentError(absl::StrCat("hello.", field, ": ", Shown(value), " ", rule));
}

bool IsServiceType(absl::string_view text) {
  return !text.empty() && text.size() <= kMaxServiceType && absl::ascii_islower(text[0]) &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_' || c == '-';
         });
}

bool IsPrintableWord(absl::string_view text, size_t max) {
  return !text.empty() && text.size() <= max &&
         std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return absl::ascii_isgraph(c) && c != '/'; });
}

bool IsStructureName(absl::string_view text) {
  return !text.empty() && text.size() <= kMaxStructureName &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return absl::ascii_isalnum(c) || c == '_' || c == '-' || c == '.';
         });
}

bool IsMetricType(absl::string_view text) {
  return !text.empty() && text.size() <= kMaxKey &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return absl::ascii_isupper(c) || absl::ascii_isdigit(c) || c == '_';
         });
}

Rejection OverLimit(std::string field, std::string message) {
  return {IngestRejected::REASON_LIMIT, std::move(field), std::move(message)};
}

Rejection Invalid(std::string field, std::string message) {
  return {IngestRejected::REASON_INVALID, std::move(field), std::move(message)};
}

}  // namespace

absl::Status CheckHello(const v1::IngestHello& hello) {
  if (!IsServiceType(hello.service_type())) {
    return BadHello("service_type", hello.service_type(),
                    absl::StrCat("is not a kind of daemon: lower-case letters, digits, '_' and "
                                 "'-', starting with a letter, at most ",
                                 kMaxServiceType, " characters"));
  }
  if (!IsPrintableWord(hello.daemon_id(), kMaxDaemonId)) {
    return BadHello("daemon_id", hello.daemon_id(),
                    absl::StrCat("names no daemon: printable ASCII without '/' and spaces, 1 to ",
                                 kMaxDaemonId, " characters"));
  }
  if (!IsPrintableWord(hello.hostname(), kMaxHostname) ||
      hello.hostname().find('.') != std::string::npos) {
    return BadHello("hostname", hello.hostname(),
                    "is not the bare name of a host: it is required, and has no domain behind it");
  }
  if (hello.version().size() > kMaxVersion) {
    return BadHello("version", hello.version(),
                    absl::StrCat("is too long: at most ", kMaxVersion, " bytes"));
  }
  if (hello.instance().empty() || hello.instance().size() > kMaxInstance) {
    return BadHello("instance", hello.instance(),
                    absl::StrCat("is not a name of this start of the process: it is required, and "
                                 "has at most ",
                                 kMaxInstance, " bytes; a random UUID is good"));
  }
  if (hello.has_lease()) {
    const auto& lease = hello.lease();
    const bool in_range = lease.seconds() >= 0 && lease.nanos() >= 0 &&
                          lease.seconds() <= 315'576'000'000 && lease.nanos() <= 999'999'999 &&
                          (lease.seconds() > 0 || lease.nanos() > 0);
    if (!in_range) {
      return BadHello("lease", lease.ShortDebugString(),
                      "is not a positive time; leave it out to get the manager's");
    }
  }
  if (hello.protocol_versions().empty()) {
    return absl::InvalidArgumentError(
        "hello.protocol_versions: is empty: name the versions of the protocol that the daemon "
        "speaks; now there is 1");
  }
  return absl::OkStatus();
}

std::optional<Rejection> CheckEntries(const Entries& entries, absl::string_view field,
                                      const ReportOptions& options) {
  if (entries.size() > options.max_entries) {
    return OverLimit(std::string(field),
                     absl::StrCat(entries.size(), " entries are more than ", options.max_entries));
  }
  for (const auto& [key, value] : entries) {
    const std::string entry = absl::StrCat(field, "[", Shown(key), "]");
    if (key.empty() || key.size() > kMaxKey) {
      return Invalid(entry, absl::StrCat("a key of ", key.size(), " bytes: it has 1 to ", kMaxKey));
    }
    if (key.size() + value.size() > options.max_entry_bytes) {
      return OverLimit(entry, absl::StrCat("the key and its value have ", key.size() + value.size(),
                                           " bytes, more than ", options.max_entry_bytes));
    }
  }
  return std::nullopt;
}

std::optional<Rejection> CheckHealthMetrics(const v1::IngestHealthMetrics& metrics,
                                            const ReportOptions& options) {
  if (static_cast<uint32_t>(metrics.metrics_size()) > options.max_entries) {
    return OverLimit(
        "health_metrics.metrics",
        absl::StrCat(metrics.metrics_size(), " metrics are more than ", options.max_entries));
  }
  std::set<absl::string_view> types;
  for (int i = 0; i < metrics.metrics_size(); ++i) {
    const std::string& type = metrics.metrics(i).type();
    const std::string field = absl::StrCat("health_metrics.metrics[", i, "].type");
    if (!IsMetricType(type)) {
      return Invalid(field, absl::StrCat(Shown(type),
                                         " is no type of a metric: upper-case letters, digits and "
                                         "'_', as in SLOW_OPS"));
    }
    if (!types.insert(type).second) {
      return Invalid(field, absl::StrCat(type, " is there twice: give each type once"));
    }
  }
  return std::nullopt;
}

std::optional<Rejection> CheckStructure(const v1::IngestStructure& structure,
                                        const ReportOptions& options) {
  if (!IsStructureName(structure.name())) {
    return Invalid("structure.name",
                   absl::StrCat(Shown(structure.name()),
                                " is no name of a structure: letters, digits, '_', '-' and '.', 1 "
                                "to ",
                                kMaxStructureName, " characters"));
  }
  if (structure.json().size() > options.max_structure_bytes) {
    return OverLimit("structure.json",
                     absl::StrCat(structure.name(), " has ", structure.json().size(),
                                  " bytes, more than ", options.max_structure_bytes));
  }
  if (structure.json().empty()) return std::nullopt;
  simdjson::dom::parser parser;
  const simdjson::error_code error =
      parser.parse(structure.json().data(), structure.json().size()).error();
  if (error == simdjson::SUCCESS) return std::nullopt;
  return Invalid(
      "structure.json",
      absl::StrCat(structure.name(), " is not one JSON value: ", simdjson::error_message(error)));
}

}  // namespace outpost::cluster::report
