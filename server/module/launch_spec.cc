#include "server/module/launch_spec.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"

namespace outpost::module {
namespace {

using nlohmann::json;

json Parse(absl::string_view text) {
  return json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
}

std::string Dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

template <typename T>
T Get(const json& object, const char* key, T otherwise) {
  const auto it = object.find(key);
  if (it == object.end() || it->is_null()) return otherwise;
  if constexpr (std::is_same_v<T, std::string>) {
    return it->is_string() ? it->template get<T>() : otherwise;
  } else if constexpr (std::is_same_v<T, bool>) {
    return it->is_boolean() ? it->template get<T>() : otherwise;
  } else {
    return it->is_number() ? it->template get<T>() : otherwise;
  }
}

std::vector<std::string> Strings(const json& object, const char* key) {
  std::vector<std::string> result;
  const auto it = object.find(key);
  if (it == object.end() || !it->is_array()) return result;
  for (const json& word : *it) {
    if (word.is_string()) result.push_back(word.get<std::string>());
  }
  return result;
}

json ToJson(const std::vector<Measure>& measures) {
  json result = json::array();
  for (const Measure& m : measures) {
    result.push_back(
        {{"name", m.name}, {"wanted", m.wanted}, {"applied", m.applied}, {"how", m.how}});
  }
  return result;
}

std::vector<Measure> MeasuresOf(const json& list) {
  std::vector<Measure> result;
  if (!list.is_array()) return result;
  for (const json& m : list) {
    if (!m.is_object()) continue;
    result.push_back({.name = Get<std::string>(m, "name", ""),
                      .wanted = Get<std::string>(m, "wanted", ""),
                      .applied = Get(m, "applied", false),
                      .how = Get<std::string>(m, "how", "")});
  }
  return result;
}

}  // namespace

std::string ToText(const LaunchSpec& spec) {
  json groups = json::array();
  for (const WantedLimit& group : spec.groups) {
    groups.push_back({{"name", group.name},
                      {"wanted", group.wanted},
                      {"how", group.how},
                      {"procs", group.cgroup_procs}});
  }
  return Dump({{"argv", spec.argv},
               {"directory", spec.directory},
               {"groups", groups},
               {"kept", spec.kept},
               {"scheduling", spec.scheduling},
               {"memory", spec.limits.memory_bytes},
               {"cpu_weight", spec.limits.cpu_weight},
               {"cpu_idle", spec.limits.cpu_idle},
               {"pids", spec.limits.pids},
               {"open_files", spec.limits.open_files},
               {"no_new_privileges", spec.sandbox.no_new_privileges},
               {"user", spec.sandbox.user},
               {"read_only", spec.sandbox.read_only},
               {"writable", spec.sandbox.writable},
               {"private_tmp", spec.sandbox.private_tmp},
               {"landlock", spec.sandbox.landlock},
               {"seccomp", spec.sandbox.seccomp}});
}

std::optional<LaunchSpec> ParseLaunchSpec(absl::string_view text) {
  const json parsed = Parse(text);
  if (!parsed.is_object()) return std::nullopt;
  LaunchSpec spec;
  spec.argv = Strings(parsed, "argv");
  if (spec.argv.empty()) return std::nullopt;
  spec.directory = Get<std::string>(parsed, "directory", "");
  spec.kept = Strings(parsed, "kept");
  spec.scheduling = Get(parsed, "scheduling", 0);
  const auto groups = parsed.find("groups");
  if (groups != parsed.end() && groups->is_array()) {
    for (const json& group : *groups) {
      if (!group.is_object()) continue;
      spec.groups.push_back({.name = Get<std::string>(group, "name", ""),
                             .wanted = Get<std::string>(group, "wanted", ""),
                             .how = Get<std::string>(group, "how", ""),
                             .cgroup_procs = Get<std::string>(group, "procs", "")});
    }
  }
  spec.limits.memory_bytes = Get<uint64_t>(parsed, "memory", 0);
  spec.limits.cpu_weight = Get<uint64_t>(parsed, "cpu_weight", 0);
  spec.limits.cpu_idle = Get(parsed, "cpu_idle", false);
  spec.limits.pids = Get<uint64_t>(parsed, "pids", 0);
  spec.limits.open_files = Get<uint64_t>(parsed, "open_files", 0);
  spec.sandbox.no_new_privileges = Get(parsed, "no_new_privileges", true);
  spec.sandbox.user = Get<std::string>(parsed, "user", "");
  spec.sandbox.read_only = Get(parsed, "read_only", false);
  spec.sandbox.writable = Strings(parsed, "writable");
  spec.sandbox.private_tmp = Get(parsed, "private_tmp", false);
  spec.sandbox.landlock = Get(parsed, "landlock", false);
  spec.sandbox.seccomp = Get(parsed, "seccomp", false);
  return spec;
}

std::string ToText(const LaunchReport& report) {
  return Dump({{"measures", ToJson(report.measures)},
               {"error", report.error},
               {"no_directory", report.no_directory}});
}

std::optional<LaunchReport> ParseLaunchReport(absl::string_view text) {
  const json parsed = Parse(text);
  if (!parsed.is_object()) return std::nullopt;
  LaunchReport report;
  const auto measures = parsed.find("measures");
  if (measures != parsed.end()) report.measures = MeasuresOf(*measures);
  report.error = Get(parsed, "error", 0);
  report.no_directory = Get(parsed, "no_directory", false);
  return report;
}

std::string ToText(const std::vector<Measure>& measures) { return Dump(ToJson(measures)); }

std::vector<Measure> ParseMeasures(absl::string_view text) { return MeasuresOf(Parse(text)); }

std::string MemoryText(uint64_t bytes) {
  constexpr uint64_t kMebibyte = uint64_t{1} << 20;
  return bytes % kMebibyte == 0 ? absl::StrCat(bytes / kMebibyte, " MiB")
                                : absl::StrCat(bytes, " bytes");
}

}  // namespace outpost::module
