#include "cli/notify.h"

#include <errno.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace outpost::cli {
namespace {

std::string TimeText(const google::protobuf::Timestamp& time) {
  const absl::Time at = absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", at, absl::UTCTimeZone());
}

// State-like notifications have a version, event-like ones a payload.
std::string PlainLine(const v1::Notification& notification) {
  std::string line =
      absl::StrCat(TimeText(notification.time()), " ", notification.type(), " ",
                   notification.id().empty() ? "-" : notification.id(), " ",
                   notification.payload_json().empty() ? absl::StrCat(notification.version())
                                                       : notification.payload_json());
  if (notification.missed() > 0) absl::StrAppend(&line, " (", notification.missed(), " missed)");
  return line;
}

std::string JsonLine(const v1::Notification& notification) {
  nlohmann::ordered_json line = {{"time", TimeText(notification.time())},
                                 {"type", notification.type()},
                                 {"id", notification.id()},
                                 {"version", notification.version()},
                                 {"sequence", notification.sequence()},
                                 {"missed", notification.missed()}};
  if (const std::string& payload = notification.payload_json(); !payload.empty()) {
    auto value = nlohmann::ordered_json::parse(payload, nullptr, false);
    line["payload"] = value.is_discarded() ? nlohmann::ordered_json(payload) : std::move(value);
  }
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace

std::optional<Failure> Notify(const LocalCall& call) {
  const Arguments& arguments = call.arguments;
  const bool json = absl::StartsWith(arguments.format, "json");
  if (!json && !arguments.format.empty() && arguments.format != "plain") {
    return ErrnoFailure(EINVAL, absl::StrCat("notify: no ", arguments.format,
                                             " is made of a stream; use --format plain or json"));
  }
  std::vector<std::string> types;
  for (auto word = arguments.words.begin() + 1; word != arguments.words.end(); ++word) {
    if (*word != "--follow") types.push_back(*word);  // it does, anyway
  }
  for (const std::string& type : types) {
    if (absl::StartsWith(type, "-")) {
      return ErrnoFailure(EINVAL, absl::StrCat("notify: there is no flag ", type));
    }
  }
  Failure end = call.client->Subscribe(
      types, [json, output = call.output](const v1::Notification& notification) {
        return output->Write(
            absl::StrCat(json ? JsonLine(notification) : PlainLine(notification), "\n"));
      });
  if (call.interrupt->signal() != 0) return std::nullopt;
  return end;
}

}  // namespace outpost::cli
