#include "cli/watch.h"

#include <errno.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "cli/follow.h"
#include "cli/run_command.h"
#include "outpost/internal/printable.h"

namespace outpost::cli {
namespace {

constexpr uint32_t kOldLines = 20;

std::string TimeText(const google::protobuf::Timestamp& time) {
  const absl::Time at = absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6S%z", at, absl::LocalTimeZone());
}

// As Ceph's cluster log has them.
const char* SeverityText(v1::LogLevel level) {
  switch (level) {
    case v1::LOG_LEVEL_DEBUG:
      return "[DBG]";
    case v1::LOG_LEVEL_WARNING:
      return "[WRN]";
    case v1::LOG_LEVEL_ERROR:
    case v1::LOG_LEVEL_CRITICAL:
      return "[ERR]";
    default:
      return "[INF]";
  }
}

v1::LogLevel LeastLevel(const std::string& severity) {
  if (severity == "debug") return v1::LOG_LEVEL_DEBUG;
  if (severity == "warn") return v1::LOG_LEVEL_WARNING;
  if (severity == "error") return v1::LOG_LEVEL_ERROR;
  return v1::LOG_LEVEL_INFO;
}

// As `log last` and `module logs` print it.
std::string LineText(const v1::TailLogResponse& line) {
  const v1::LogRecord& record = line.record();
  std::string text;
  if (line.missed() > 0) absl::StrAppend(&text, "(", line.missed(), " lines were missed)\n");
  absl::StrAppend(&text, TimeText(record.time()), " ", line.source(),
                  record.logger().empty() ? "" : "/", record.logger(), " ", record.channel(),
                  record.channel().empty() ? "" : " ", SeverityText(record.level()), " ",
                  record.message(), "\n");
  return internal::Printable(text);
}

// The same, as an object with the keys that `log last --format json` has.
std::string LineJson(const v1::TailLogResponse& line) {
  const v1::LogRecord& record = line.record();
  const nlohmann::ordered_json json = {{"stamp", TimeText(record.time())},
                                       {"name", line.source()},
                                       {"logger", record.logger()},
                                       {"channel", record.channel()},
                                       {"priority", SeverityText(record.level())},
                                       {"message", record.message()},
                                       {"missed", line.missed()}};
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::optional<Failure> FollowLog(v1::TailLogRequest request, const Arguments& arguments,
                                 Client* client, Interrupt* interrupt, Output* output) {
  bool json = false;
  if (auto failure = StreamFormat(arguments, &json)) return failure;
  return Follow(arguments, client, interrupt, [&](const std::function<void()>& answered) {
    Failure end = client->TailLog(request, [&](const v1::TailLogResponse* line) {
      answered();
      if (line == nullptr) return std::optional<Failure>();
      return output->Write(json ? LineJson(*line) : LineText(*line));
    });
    request.set_lines(0);  // those were shown
    return end;
  });
}

}  // namespace

std::optional<Failure> Watch(const Arguments& arguments, Client* client, Interrupt* interrupt,
                             Output* output) {
  if (!arguments.words.empty()) {
    return ErrnoFailure(EINVAL, absl::StrCat("--watch goes with no command, but there is \"",
                                             arguments.words[0], "\""));
  }
  Arguments status = arguments;
  status.words = {"status"};
  if (std::optional<Failure> failure =
          RunCommand(status, std::nullopt, client, *interrupt, output)) {
    return failure;
  }
  if (std::optional<Failure> failure = output->Write("\n")) return failure;
  v1::TailLogRequest request;
  request.set_channel(arguments.watch_channel.empty() ? "cluster" : arguments.watch_channel);
  request.set_min_level(LeastLevel(arguments.watch_severity));
  request.set_follow(true);
  return FollowLog(std::move(request), arguments, client, interrupt, output);
}

bool IsFollowingLogs(const std::vector<std::string>& words) {
  size_t at = !words.empty() && words[0] == "mgr" ? 1 : 0;
  return words.size() > at + 1 && words[at] == "module" && words[at + 1] == "logs" &&
         std::count(words.begin(), words.end(), "--follow") > 0;
}

std::optional<Failure> FollowModuleLogs(const Arguments& arguments, Client* client,
                                        Interrupt* interrupt, Output* output) {
  std::vector<std::string> words = arguments.words;
  words.erase(words.begin(), std::find(words.begin(), words.end(), "logs") + 1);
  v1::TailLogRequest request;
  request.set_follow(true);
  request.set_lines(kOldLines);
  for (size_t i = 0; i < words.size(); ++i) {
    absl::string_view word = words[i];
    if (word == "--follow") continue;
    if (word == "--lines" && i + 1 < words.size()) {
      word = words[++i];
    } else if (!absl::ConsumePrefix(&word, "--lines=") &&
               (request.module().empty() || absl::StartsWith(word, "-"))) {
      if (absl::StartsWith(word, "-")) {
        return ErrnoFailure(EINVAL, absl::StrCat("module logs: unused argument \"", word,
                                                 "\"; module logs NAME [--lines N] [--follow]"));
      }
      request.set_module(words[i]);
      continue;
    }
    uint32_t lines = 0;
    if (!absl::SimpleAtoi(word, &lines)) {
      return ErrnoFailure(
          EINVAL, absl::StrCat("module logs: --lines: \"", word, "\" is not a number of lines"));
    }
    request.set_lines(lines);
  }
  if (request.module().empty()) {
    return ErrnoFailure(EINVAL, "module logs: of which module? module logs NAME [--follow]");
  }
  return FollowLog(std::move(request), arguments, client, interrupt, output);
}

}  // namespace outpost::cli
