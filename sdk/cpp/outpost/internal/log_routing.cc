#include "outpost/internal/log_routing.h"

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace outpost::internal {
namespace {

constexpr std::array<std::pair<absl::string_view, LogLevel>, 5> kLevels = {{
    {"debug", LogLevel::kDebug},
    {"info", LogLevel::kInfo},
    {"warning", LogLevel::kWarning},
    {"error", LogLevel::kError},
    {"critical", LogLevel::kCritical},
}};

}  // namespace

std::optional<LogLevel> ParseLogLevel(absl::string_view name) {
  for (const auto& [word, level] : kLevels) {
    if (name == word) return level;
  }
  return std::nullopt;
}

LogRouting RoutingOf(const OptionValues& options, absl::string_view module,
                     absl::string_view manager_file) {
  const auto level = [&options](absl::string_view name) {
    return ParseLogLevel(options.Get(name).value_or("")).value_or(LogLevel::kInfo);
  };
  LogRouting routing;
  routing.level = level("log_level");
  if (options.Get("log_to_file") == "true") {
    if (manager_file.empty()) {
      routing.problem =
          "log_to_file has no effect, as the manager's own log is no file (start it with "
          "--log-file); lines go to the manager's log";
    } else {
      routing.file = absl::StrCat(absl::StripSuffix(manager_file, ".log"), ".", module, ".log");
    }
  }
  if (options.Get("log_to_cluster") == "true")
    routing.cluster_level = level("log_to_cluster_level");
  return routing;
}

}  // namespace outpost::internal
