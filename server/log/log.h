// The manager's log: one sink (stderr or a file), a level for each component, and
// the last lines in memory.
//
// **Thread safety.** Get and the loggers may be used from any thread. Configure
// is called once, before other threads start; Reopen at any time.
#ifndef OUTPOST_SERVER_LOG_LOG_H_
#define OUTPOST_SERVER_LOG_LOG_H_

#include <spdlog/spdlog.h>

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/log/log_history.h"

namespace outpost::log {

// The manager's own loggers: "main", "module", "rpc", …
std::vector<std::string> Components();

struct Settings {
  std::string file;                           // empty: stderr
  std::string level = "info";                 // trace, debug, info, warning, error, critical, off
  std::map<std::string, std::string> levels;  // by component, stronger than `level`
};

// Applies `settings`. INVALID_ARGUMENT names an unknown level or component;
// other errors say why the file can't be opened.
absl::Status Configure(const Settings& settings);

// Opens the log file again, under its name (after it was rotated away); where that
// fails, goes on with the old one. Does nothing when the log goes to stderr.
absl::Status Reopen();

// The logger of `component` ("module", "rpc", "store", …), made when first asked
// for. It lives as long as the process.
spdlog::logger& Get(absl::string_view component);

// Writes a line of `source`: of a module, or of the cluster log (it has a channel).
// It goes to the history, and to the sink where the level of "module" allows it.
void Write(const std::string& source, v1::LogRecord record);

// The last lines that passed the levels, and those of Write.
LogHistory& History();

}  // namespace outpost::log

#endif  // OUTPOST_SERVER_LOG_LOG_H_
