#include "outpost/internal/event_text.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"

namespace outpost::internal {
namespace {

constexpr char kIndent[] = "\n    ";

// "serve failed", of EVENT_KIND_SERVE_FAILED; "kind 99", of one that has no name here.
std::string Words(absl::string_view name, absl::string_view prefix, absl::string_view what,
                  int number) {
  if (name.empty()) return absl::StrCat(what, " ", number);
  std::string words(absl::StripPrefix(name, prefix));
  for (char& c : words) c = c == '_' ? ' ' : absl::ascii_tolower(c);
  return words;
}

std::string KindWords(v1::EventKind kind) {
  return Words(v1::EventKind_Name(kind), "EVENT_KIND_", "kind", kind);
}

std::string TimeText(const google::protobuf::Timestamp& time) {
  const absl::Time at = absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6S%z", at, absl::LocalTimeZone());
}

}  // namespace

std::string EventText(const v1::TailEventsResponse& event, bool detail) {
  std::string text;
  if (event.missed() > 0) absl::StrAppend(&text, "(", event.missed(), " events were missed)\n");
  // The manager's kinds begin with its name.
  absl::StrAppend(&text, TimeText(event.time()), " ", event.module(),
                  event.module().empty() ? "" : " ", KindWords(event.kind()));
  if (!event.message().empty()) absl::StrAppend(&text, ": ", event.message());
  std::vector<std::string> more;
  if (!event.by().empty()) more.push_back(absl::StrCat("by ", event.by()));
  if (event.pid() != 0) more.push_back(absl::StrCat("pid ", event.pid()));
  if (event.has_next_start()) {
    more.push_back(absl::StrCat("next start ", TimeText(event.next_start())));
  }
  if (!more.empty()) absl::StrAppend(&text, " (", absl::StrJoin(more, ", "), ")");
  if (detail) {
    for (const std::string& line : event.exit().output()) absl::StrAppend(&text, kIndent, line);
    for (const absl::string_view line : absl::StrSplit(event.traceback(), '\n')) {
      if (!line.empty()) absl::StrAppend(&text, kIndent, line);
    }
  }
  return text;
}

nlohmann::ordered_json EventJson(const v1::TailEventsResponse& event) {
  nlohmann::ordered_json json = {{"sequence", event.sequence()},
                                 {"time", TimeText(event.time())},
                                 {"module", event.module()},
                                 {"kind", KindWords(event.kind())},
                                 {"state", ""},
                                 {"message", event.message()},
                                 {"by", event.by()},
                                 {"pid", event.pid()},
                                 {"crashed", event.crashed()},
                                 {"by_hand", event.by_hand()},
                                 {"version", event.version()},
                                 {"host", event.host()},
                                 {"output", nlohmann::ordered_json::array()},
                                 {"traceback", event.traceback()}};
  if (event.state() != v1::MODULE_STATE_UNSPECIFIED) {
    json["state"] =
        Words(v1::ModuleState_Name(event.state()), "MODULE_STATE_", "state", event.state());
  }
  for (const std::string& line : event.exit().output()) json["output"].push_back(line);
  if (event.has_exit()) {
    const v1::ProcessExit& exit = event.exit();
    json["exit"] = {{"status", exit.exit_status()},
                    {"signal", exit.signal()},
                    {"core_dumped", exit.core_dumped()},
                    {"out_of_memory", exit.out_of_memory()},
                    {"reason", exit.reason()}};
  }
  if (event.has_next_start()) json["next_start"] = TimeText(event.next_start());
  if (event.missed() > 0) json["missed"] = event.missed();
  return json;
}

}  // namespace outpost::internal
