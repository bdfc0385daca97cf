#include "outpost/internal/audit_text.h"

#include <string.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"

namespace outpost::internal {
namespace {

using nlohmann::ordered_json;

// A string as it is, all else as JSON.
std::string Text(const ordered_json& value) {
  return value.is_string() ? value.get<std::string>()
                           : value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

std::string Member(const ordered_json& entry, const char* name) {
  const auto found = entry.find(name);
  return found == entry.end() ? "" : Text(*found);
}

// By the clock on the wall here, as other lines have it.
std::string When(const std::string& time) {
  absl::Time at;
  if (!absl::ParseTime(absl::RFC3339_full, time, &at, nullptr)) return time;
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3S%z", at, absl::LocalTimeZone());
}

// `config set name=mgr/hello/place value=Oslo`, quoted where there are spaces.
std::string What(const ordered_json& entry) {
  const std::string command = Member(entry, "command");
  std::string what = command.empty() ? Member(entry, "method") : command;
  const auto arguments = entry.find("arguments");
  if (arguments == entry.end()) return what;
  if (!arguments->is_object()) return absl::StrCat(what, " ", Text(*arguments));
  for (const auto& [name, value] : arguments->items()) {
    if (name == "prefix" && Text(value) == command) continue;
    const std::string text = Text(value);
    const bool bare =
        !value.is_string() || (!text.empty() && text.find_first_of(" \t\"'") == std::string::npos);
    absl::StrAppend(
        &what, " ", name, "=",
        bare ? text : value.dump(-1, ' ', false, ordered_json::error_handler_t::replace));
  }
  return what;
}

// "ok", "EINVAL: why", "refused: why".
std::string Result(const ordered_json& entry) {
  const auto found = entry.find("result");
  const int64_t result =
      found != entry.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
  std::string text = "ok";
  if (entry.value("refused", ordered_json(false)) == true) {
    text = "refused";
  } else if (result < 0) {
    const char* name = result > -4096 ? strerrorname_np(static_cast<int>(-result)) : nullptr;
    text = name != nullptr ? name : absl::StrCat(result);
  } else if (result > 0) {
    text = absl::StrCat(result);
  }
  if (const std::string error = Member(entry, "error"); !error.empty()) {
    absl::StrAppend(&text, ": ", absl::StrReplaceAll(error, {{"\n", " "}}));
  }
  return text;
}

}  // namespace

std::string AuditText(const std::string& entry_json) {
  const ordered_json entry = ordered_json::parse(entry_json, nullptr, /*allow_exceptions=*/false);
  if (!entry.is_object()) return entry_json;
  std::vector<std::string> more = {Member(entry, "from")};
  if (more.back().empty()) more.clear();
  if (const auto seconds = entry.find("seconds"); seconds != entry.end() && seconds->is_number()) {
    more.push_back(absl::FormatDuration(
        absl::Microseconds(static_cast<int64_t>(std::lround(seconds->get<double>() * 1e6)))));
  }
  if (entry.value("replayed", ordered_json(false)) == true) {
    more.push_back("not run again: what came of the same request before");
  }
  if (entry.contains("refusals_not_written")) {
    more.push_back(absl::StrCat("and ", Member(entry, "refusals_not_written"),
                                " refusals that were not written"));
  }
  return absl::StrCat(When(Member(entry, "time")), " ", Member(entry, "who"), " ", What(entry),
                      " -> ", Result(entry), more.empty() ? "" : " (", absl::StrJoin(more, ", "),
                      more.empty() ? "" : ")");
}

}  // namespace outpost::internal
