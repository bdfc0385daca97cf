// status, version.
#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "server/builtin/builtin_commands.h"
#include "server/builtin/health_text.h"
#include "server/builtin/progress_text.h"
#include "server/builtin/render.h"
#include "server/text/duration.h"

namespace outpost::builtin {
namespace {

using command::BuiltinCall;
using command::ResultCallback;
using nlohmann::json;

constexpr size_t kModulesOfAState = 10;  // that `status` names

// A structure, parsed; null where there is none.
json Structure(const cluster::ClusterState& cluster, absl::string_view name) {
  const auto snapshot = cluster.Get(name);
  if (!snapshot.ok()) return nullptr;
  return json::parse((*snapshot)->json.begin(), (*snapshot)->json.end(), nullptr, false);
}

// {"osds": 3, "up": 3, "in": 2, "epoch": 17}; null where there is no osd_map.
json OsdSummary(const cluster::ClusterState& cluster) {
  const json map = Structure(cluster, "osd_map");
  if (!map.is_object() || !map.contains("osds")) return nullptr;
  int total = 0;
  int up = 0;
  int in = 0;
  for (const json& osd : map["osds"]) {
    ++total;
    up += osd.value("up", 0);
    in += osd.value("in", 0);
  }
  return {{"osds", total},
          {"up", up},
          {"in", in},
          {"epoch", map.value("epoch", 0)},
          {"pools", map.contains("pools") ? map["pools"].size() : 0},
          {"flags", map.value("flags", "")}};
}

json StatusJson(const Subjects& s, const health::Report& health,
                const std::vector<v1::ProgressEvent>& progress) {
  const cluster::Connection connection = s.cluster->connection();
  json modules = json::object();
  for (const auto& module : s.modules->List()) {
    modules[module::StateName(module.state())].push_back(module.name());
  }
  return {
      {"cluster_id", s.cluster->cluster_id()},
      {"health", HealthJson(health)},
      {"manager",
       {{"id", s.manager_id},
        {"version", s.version},
        {"uptime_seconds", absl::ToInt64Seconds(event::Moment::Now() - s.started)},
        {"store", std::string(s.store->name())}}},
      {"source",
       {{"name", std::string(s.source->name())},
        {"connected", connection.connected},
        {"reason", connection.reason}}},
      {"osdmap", OsdSummary(*s.cluster)},
      {"progress_events", ProgressJson(progress)},
      {"modules", std::move(modules)},
  };
}

std::string StatusText(const Subjects& s, const json& status, const health::Report& report,
                       const std::vector<v1::ProgressEvent>& events) {
  const auto& source = status["source"];
  std::string text = absl::StrCat("  cluster:\n    id:     ", s.cluster->cluster_id(),
                                  "\n    health: ", health::SeverityName(report.status));
  for (const auto& check : report.checks) {
    if (!check.muted()) absl::StrAppend(&text, "\n            ", check.summary());
  }
  if (const std::string muted = MutedCodes(report); !muted.empty()) {
    absl::StrAppend(&text, "\n            ", muted);
  }
  absl::StrAppend(
      &text, "\n\n  manager:\n    id:     ", s.manager_id, " (", s.version, ", up ",
      text::DurationText(absl::Seconds(status["manager"]["uptime_seconds"].get<int64_t>())),
      ")\n    source: ", source["name"].get<std::string>(),
      source["connected"].get<bool>()
          ? ", connected"
          : absl::StrCat(", NOT CONNECTED: ", source["reason"].get<std::string>(),
                         " (the last known state is shown)"),
      "\n    store:  ", std::string(s.store->name()));
  if (const json& osd = status["osdmap"]; osd.is_object()) {
    absl::StrAppend(&text, "\n\n  services:\n    osd: ", osd["osds"].get<int>(),
                    " osds: ", osd["up"].get<int>(), " up, ", osd["in"].get<int>(), " in; epoch ",
                    osd["epoch"].get<int>(), "\n    data: ", osd["pools"].get<int>(), " pools");
  }
  absl::StrAppend(&text, "\n\n  modules:");
  for (const auto& [state, of_state] : status["modules"].items()) {
    auto names = of_state.get<std::vector<std::string>>();
    const size_t more = names.size() - std::min(names.size(), kModulesOfAState);
    names.resize(names.size() - more);
    absl::StrAppend(&text, "\n    ", state, ": ", absl::StrJoin(names, ", "),
                    more == 0 ? "" : absl::StrCat(" and ", more, " more"));
  }
  if (status["modules"].empty()) absl::StrAppend(&text, " none installed");
  if (const std::string progress = ProgressText(events, /*in_status=*/true); !progress.empty()) {
    absl::StrAppend(&text, "\n\n  progress:\n", progress);
  }
  return text;
}

}  // namespace

void AddStatusCommands(const Subjects& subjects, command::Dispatcher* dispatcher) {
  dispatcher->AddBuiltin(
      {"status", "show the state of the cluster, the manager and its modules", "r"},
      [s = subjects](const BuiltinCall& call, ResultCallback done) {
        const health::Report health = s.health->Get();
        const auto progress = s.progress->Events();
        const json status = StatusJson(s, health, progress);
        done(Render(call.format, status, [&] { return StatusText(s, status, health, progress); }));
      });
  dispatcher->AddBuiltin(
      {"version", "show the version of the manager", "r"},
      [s = subjects](const BuiltinCall& call, ResultCallback done) {
        done(Render(call.format, {{"version", s.version}}, [&] { return s.version; }));
      });
}

}  // namespace outpost::builtin
