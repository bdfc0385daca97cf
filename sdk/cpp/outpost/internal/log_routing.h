// LogRouting is where the lines of a module's log go, as its options log_level,
// log_to_file, log_to_cluster and log_to_cluster_level say.
//
// **Thread safety.** Plain data.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_LOG_ROUTING_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_LOG_ROUTING_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "outpost/log.h"
#include "outpost/options.h"

namespace outpost::internal {

struct LogRouting {
  LogLevel level = LogLevel::kInfo;  // the least grave lines to keep
  // Where lines go instead of the manager's log; empty: nowhere else.
  std::string file = {};
  // The least grave lines that also go to the cluster's log; nullopt: none do.
  std::optional<LogLevel> cluster_level = {};
  // Why the options can't be followed to the letter; empty: they can.
  std::string problem = {};

  friend bool operator==(const LogRouting&, const LogRouting&) = default;
};

// `manager_file`: of the manager's log; empty: it logs to its standard error.
LogRouting RoutingOf(const OptionValues& options, absl::string_view module,
                     absl::string_view manager_file);

// "debug", …; nullopt for other words.
std::optional<LogLevel> ParseLogLevel(absl::string_view name);

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_LOG_ROUTING_H_
