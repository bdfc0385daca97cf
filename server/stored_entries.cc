#include "server/stored_entries.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "outpost/v1/config.pb.h"
#include "outpost/v1/health.pb.h"
#include "outpost/v1/manager.pb.h"
#include "outpost/v1/module_host.pb.h"
#include "server/config/option_key.h"
#include "server/store/module_keys.h"

namespace outpost {
namespace {

using Rule = absl::Status (*)(absl::string_view rest, absl::string_view value);

struct Area {
  absl::string_view prefix;
  absl::string_view name;
  Rule rule;  // `rest`: of the key, behind the prefix
};

absl::Status Wrong(absl::string_view what) { return absl::InvalidArgumentError(what); }

absl::Status Anything(absl::string_view, absl::string_view) { return absl::OkStatus(); }

template <class Message>
absl::Status Encoded(absl::string_view, absl::string_view value) {
  Message message;
  if (message.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
    return absl::OkStatus();
  }
  return Wrong(absl::StrCat("its value is no ", Message::descriptor()->name()));
}

template <class Message>
absl::Status Numbered(absl::string_view rest, absl::string_view value) {
  uint64_t number = 0;
  if (rest.size() != 20 || !absl::SimpleAtoi(rest, &number)) {
    return Wrong("its key does not end in a number of 20 digits");
  }
  return Encoded<Message>(rest, value);
}

absl::Status Number(absl::string_view, absl::string_view value) {
  uint64_t number = 0;
  return absl::SimpleAtoi(value, &number) ? absl::OkStatus() : Wrong("its value is no number");
}

absl::Status Option(absl::string_view rest, absl::string_view) {
  return config::OptionKey::Parse(rest).status();
}

absl::Status ModuleKey(absl::string_view rest, absl::string_view value) {
  const size_t slash = rest.find('/');
  if (slash == 0 || slash == absl::string_view::npos) return Wrong("its key names no module");
  const absl::string_view key = rest.substr(slash + 1);
  if (auto status = store::CheckModuleKey(key); !status.ok()) return status;
  return store::CheckModuleValue(key, value);
}

absl::Status Boolean(absl::string_view, absl::string_view value) {
  return value == "true" || value == "false" ? absl::OkStatus()
                                             : Wrong("its value is neither true nor false");
}

absl::Status Json(absl::string_view, absl::string_view value) {
  return nlohmann::json::accept(value.begin(), value.end()) ? absl::OkStatus()
                                                            : Wrong("its value is no JSON");
}

constexpr Area kAreas[] = {
    {"config/", "options", Option},
    {"config-log/", "history of options", Numbered<v1::ConfigHistoryResponse>},
    {"config-log-forgotten", "history of options", Number},
    {"schema/", "declared options", Encoded<v1::ConfigListResponse>},
    {"kv/", "keys of modules", ModuleKey},
    {"module/enabled/", "modules", Boolean},
    {"module/register/", "modules", Encoded<v1::Register>},
    {"module/process/", "modules", Json},
    {"module/second_process/", "modules", Json},
    {"module/", "modules", Anything},
    {"events/", "events", Numbered<v1::TailEventsResponse>},
    {"command-run/", "commands with a key", Json},
    {"health/mute/", "mutes", Encoded<v1::HealthMute>},
    {"health/history/", "history of health", Numbered<v1::HealthEvent>},
    {"auth/", "users and rights", Anything},
};

const Area* Find(absl::string_view key) {
  for (const Area& area : kAreas) {
    if (absl::StartsWith(key, area.prefix)) return &area;
  }
  return nullptr;
}

}  // namespace

absl::string_view AreaOf(absl::string_view key) {
  const Area* area = Find(key);
  return area == nullptr ? "others" : area->name;
}

absl::Status CheckEntry(absl::string_view key, absl::string_view value) {
  if (const Area* area = Find(key)) return area->rule(key.substr(area->prefix.size()), value);
  for (const char c : key) {
    if (absl::ascii_iscntrl(c)) return Wrong("its key is no text");
  }
  return absl::OkStatus();
}

}  // namespace outpost
