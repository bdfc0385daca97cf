#include "server/rpc/rights.h"

#include <algorithm>
#include <iterator>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "nlohmann/json.hpp"
#include "outpost/v1/commands.pb.h"
#include "outpost/v1/config.pb.h"
#include "outpost/v1/key_value.pb.h"
#include "outpost/v1/remote.pb.h"

namespace outpost::rpc {
namespace {

using Kind = Right::Kind;
using auth::kRead;
using auth::kWrite;
constexpr auth::Access kReadWrite = kRead | kWrite;

template <typename Request>
Request Parsed(absl::string_view bytes) {
  Request request;  // what can't be parsed names nothing; the service refuses it
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) request.Clear();
  return request;
}

// The module of "mgr/<module>/<option>"; of "<option>" the caller, who is not named.
std::string ModuleOfOption(const std::string& key) {
  const std::vector<std::string> parts = absl::StrSplit(key, '/');
  return parts.size() >= 3 && parts[0] == "mgr" ? parts[1] : "";
}

// An option that no module is named for: a module's own, or (global/…) everybody's.
Subject OptionOf(const std::string& key) {
  Subject subject;
  subject.module = ModuleOfOption(key);
  if (subject.module.empty() && absl::StrContains(key, '/')) subject.module = "*";
  return subject;
}

template <typename Request>
Subject ByKey(absl::string_view bytes) {
  return OptionOf(Parsed<Request>(bytes).key());
}

template <typename Request>
Subject ByModule(absl::string_view bytes) {
  return {.service = "", .module = Parsed<Request>(bytes).module(), .command = ""};
}

// Without a module: of all.
template <typename Request>
Subject ByModuleOrAll(absl::string_view bytes) {
  Subject subject = ByModule<Request>(bytes);
  if (subject.module.empty()) subject.module = "*";
  return subject;
}

Subject ByMethod(absl::string_view bytes) {
  return {.service = "none",  // a method of a module is no service
          .module = Parsed<v1::RemoteCallRequest>(bytes).module(),
          .command = ""};
}

Subject ByDaemon(absl::string_view bytes) {
  const auto request = Parsed<v1::SendClusterCommandRequest>(bytes);
  Subject subject = {.service = request.service_type(),
                     .module = "",
                     .command = PrefixInJson(request.command_json())};
  if (const std::optional<Guard> guard = GuardOf(subject.command)) {
    subject.service = std::string(guard->service);
    subject.more = guard->more;
  }
  return subject;
}

constexpr Right Anybody(absl::string_view method) {
  return {.method = method, .kind = Kind::kAnybody};
}
constexpr Right Own(absl::string_view method) { return {.method = method, .kind = Kind::kOwn}; }
constexpr Right Needs(absl::string_view method, absl::string_view service, auth::Access access) {
  return {.method = method, .kind = Kind::kNeed, .service = service, .access = access};
}
// What is the calling module's own is free to it.
constexpr Right NeedsUnlessOwn(absl::string_view method, absl::string_view service,
                               auth::Access access, Subject (*of)(absl::string_view)) {
  return {.method = method,
          .kind = Kind::kNeed,
          .service = service,
          .access = access,
          .of = of,
          .own_is_free = true};
}

constexpr Right kRights[] = {
    {.method = "outpost.v1.ModuleHost.Attach", .kind = Kind::kByModule},

    Anybody("outpost.v1.Commands.List"),
    {.method = "outpost.v1.Commands.Run", .kind = Kind::kByCommand},
    Anybody("outpost.v1.Commands.Complete"),
    {.method = "outpost.v1.Commands.SendClusterCommand",
     .kind = Kind::kNeed,
     .service = "",
     .access = kReadWrite,
     .of = ByDaemon},

    Own("outpost.v1.Auth.IsAuthorized"),
    Needs("outpost.v1.Auth.TailAudit", "audit", kRead | auth::kExecute),

    {.method = "outpost.v1.Remote.Call",
     .kind = Kind::kNeed,
     .service = "",
     .access = kReadWrite,
     .of = ByMethod,
     .own_is_free = true},

    NeedsUnlessOwn("outpost.v1.Config.Get", "config", kRead, ByKey<v1::ConfigGetRequest>),
    NeedsUnlessOwn("outpost.v1.Config.Set", "config", kReadWrite, ByKey<v1::ConfigSetRequest>),
    NeedsUnlessOwn("outpost.v1.Config.Remove", "config", kReadWrite,
                   ByKey<v1::ConfigRemoveRequest>),
    NeedsUnlessOwn("outpost.v1.Config.List", "config", kRead, ByModuleOrAll<v1::ConfigListRequest>),
    NeedsUnlessOwn("outpost.v1.Config.Watch", "config", kRead,
                   ByModuleOrAll<v1::ConfigWatchRequest>),
    Needs("outpost.v1.Config.History", "config", kRead),
    Needs("outpost.v1.Config.GetClusterOption", "cluster", kRead),

    NeedsUnlessOwn("outpost.v1.KeyValue.Get", "config-key", kRead,
                   ByModule<v1::KeyValueGetRequest>),
    NeedsUnlessOwn("outpost.v1.KeyValue.Put", "config-key", kReadWrite,
                   ByModule<v1::KeyValuePutRequest>),
    NeedsUnlessOwn("outpost.v1.KeyValue.Delete", "config-key", kReadWrite,
                   ByModule<v1::KeyValueDeleteRequest>),
    NeedsUnlessOwn("outpost.v1.KeyValue.List", "config-key", kRead,
                   ByModule<v1::KeyValueListRequest>),
    NeedsUnlessOwn("outpost.v1.KeyValue.Batch", "config-key", kReadWrite,
                   ByModule<v1::KeyValueBatchRequest>),
    NeedsUnlessOwn("outpost.v1.KeyValue.Watch", "config-key", kRead,
                   ByModule<v1::KeyValueWatchRequest>),

    Needs("outpost.v1.Cluster.Get", "cluster", kRead),
    Needs("outpost.v1.Cluster.List", "cluster", kRead),
    Needs("outpost.v1.Cluster.GetServer", "cluster", kRead),
    Needs("outpost.v1.Cluster.ListServers", "cluster", kRead),
    Needs("outpost.v1.Cluster.GetMetadata", "cluster", kRead),
    Needs("outpost.v1.Cluster.GetDaemonStatus", "cluster", kRead),
    Needs("outpost.v1.Cluster.GetPerfSchema", "cluster", kRead),
    Needs("outpost.v1.Cluster.GetCounters", "cluster", kRead),
    Needs("outpost.v1.Cluster.GetDaemonHealthMetrics", "cluster", kRead),

    Needs("outpost.v1.Notifications.Subscribe", "cluster", kRead),
    Own("outpost.v1.Notifications.Acknowledge"),
    Needs("outpost.v1.Notifications.ListSubscriptions", "mgr", kRead),

    Own("outpost.v1.Health.Set"),
    Needs("outpost.v1.Health.Get", "health", kRead),
    Needs("outpost.v1.Health.Mute", "health", kReadWrite),
    Needs("outpost.v1.Health.Unmute", "health", kReadWrite),
    Needs("outpost.v1.Health.History", "health", kRead),

    Own("outpost.v1.Progress.Update"),
    Own("outpost.v1.Progress.Complete"),
    {.method = "outpost.v1.Progress.Clear",  // a module's own; an operator's: all
     .kind = Kind::kNeed,
     .service = "progress",
     .access = kReadWrite,
     .own_is_free = true},
    Needs("outpost.v1.Progress.List", "progress", kRead),

    Needs("outpost.v1.Manager.GetStatus", "mgr", kRead),
    Needs("outpost.v1.Manager.ListManagers", "mgr", kRead),
    Needs("outpost.v1.Manager.FailManager", "mgr", kReadWrite),
    Needs("outpost.v1.Manager.ListModules", "mgr", kRead),
    Needs("outpost.v1.Manager.DescribeModule", "mgr", kRead),
    Needs("outpost.v1.Manager.EnableModule", "mgr", kReadWrite),
    Needs("outpost.v1.Manager.DisableModule", "mgr", kReadWrite),
    Needs("outpost.v1.Manager.RestartModule", "mgr", kReadWrite),
    Needs("outpost.v1.Manager.UpgradeModule", "mgr", kReadWrite),
    Needs("outpost.v1.Manager.TailLog", "log", kRead),
    Needs("outpost.v1.Manager.TailEvents", "mgr", kRead),
    Own("outpost.v1.Manager.SetUri"),

    Needs("outpost.v1.Ingest.Report", "report", kWrite),

    Needs("outpost.v1.Orchestrator.GetOrchestratorStatus", "orchestrator", kRead),
    Needs("outpost.v1.Orchestrator.ListOrchestratorFeatures", "orchestrator", kRead),
    Needs("outpost.v1.Orchestrator.ListOrchestratorBackends", "orchestrator", kRead),
    Needs("outpost.v1.Orchestrator.PauseOrchestrator", "orchestrator", kReadWrite),
    Needs("outpost.v1.Orchestrator.ResumeOrchestrator", "orchestrator", kReadWrite),
    Needs("outpost.v1.Orchestrator.CancelCompletions", "orchestrator", kReadWrite),
    Needs("outpost.v1.Orchestrator.AddHost", "orchestrator", kReadWrite),
    Needs("outpost.v1.Orchestrator.RemoveHost", "orchestrator", kReadWrite),
    Needs("outpost.v1.Orchestrator.ListHosts", "orchestrator", kRead),
    Needs("outpost.v1.Orchestrator.UpdateHostAddress", "orchestrator", kReadWrite),
    Needs("outpost.v1.Orchestrator.AddHostLabel", "orchestrator", kReadWrite),
    Needs("outpost.v1.Orchestrator.RemoveHostLabel", "orchestrator", kReadWrite),
    Needs("outpost.v1.Orchestrator.DrainHost", "orchestrator", kReadWrite),
    Needs("outpost.v1.Orchestrator.CheckHostOkToStop", "orchestrator", kRead),
    Needs("outpost.v1.Orchestrator.EnterHostMaintenance", "orchestrator", kReadWrite),
    Needs("outpost.v1.Orchestrator.ExitHostMaintenance", "orchestrator", kReadWrite),
    Needs("outpost.v1.Orchestrator.RescanHost", "orchestrator", kReadWrite),
    Needs("outpost.v1.Orchestrator.ListHostFacts", "orchestrator", kRead),
    Needs("outpost.v1.Orchestrator.ListInventory", "orchestrator", kRead),
    Needs("outpost.v1.Orchestrator.SetDeviceLights", "orchestrator", kReadWrite),
    Needs("outpost.v1.Orchestrator.ZapDevice", "orchestrator", kReadWrite),
    Needs("outpost.v1.Orchestrator.ApplySpecs", "orchestrator", kReadWrite),
    Needs("outpost.v1.Orchestrator.PlanSpecs", "orchestrator", kRead),
    Needs("outpost.v1.Orchestrator.DescribeServices", "orchestrator", kRead),
    Needs("outpost.v1.Orchestrator.RemoveService", "orchestrator", kReadWrite),
    Needs("outpost.v1.Orchestrator.PerformServiceAction", "orchestrator", kReadWrite),
    Needs("outpost.v1.Orchestrator.SetServiceUnmanaged", "orchestrator", kReadWrite),
    Needs("outpost.v1.Orchestrator.ListDaemons", "orchestrator", kRead),
    Needs("outpost.v1.Orchestrator.AddDaemons", "orchestrator", kReadWrite),
    Needs("outpost.v1.Orchestrator.RemoveDaemons", "orchestrator", kReadWrite),
    Needs("outpost.v1.Orchestrator.PerformDaemonAction", "orchestrator", kReadWrite),
    Needs("outpost.v1.Orchestrator.CreateOsds", "orchestrator", kReadWrite),
    Needs("outpost.v1.Orchestrator.PreviewOsds", "orchestrator", kRead),
    Needs("outpost.v1.Orchestrator.RemoveOsds", "orchestrator", kReadWrite),
    Needs("outpost.v1.Orchestrator.StopRemoveOsds", "orchestrator", kReadWrite),
    Needs("outpost.v1.Orchestrator.ListOsdRemovals", "orchestrator", kRead),
    Needs("outpost.v1.Orchestrator.CheckUpgrade", "orchestrator", kRead),
    Needs("outpost.v1.Orchestrator.ListUpgradeImages", "orchestrator", kRead),
    Needs("outpost.v1.Orchestrator.ListUpgradeVersions", "orchestrator", kRead),
    Needs("outpost.v1.Orchestrator.StartUpgrade", "orchestrator", kReadWrite),
    Needs("outpost.v1.Orchestrator.PauseUpgrade", "orchestrator", kReadWrite),
    Needs("outpost.v1.Orchestrator.ResumeUpgrade", "orchestrator", kReadWrite),
    Needs("outpost.v1.Orchestrator.StopUpgrade", "orchestrator", kReadWrite),
    Needs("outpost.v1.Orchestrator.GetUpgradeStatus", "orchestrator", kRead),
};

}  // namespace

std::vector<absl::string_view> MethodsThatChange() {
  std::vector<absl::string_view> methods;
  for (const Right& right : kRights) {
    if (IsChange(right)) methods.push_back(right.method);
  }
  return methods;
}

const Right* FindRight(absl::string_view method) {
  static const auto* const kByMethod = [] {
    auto* const map = new absl::flat_hash_map<absl::string_view, const Right*>;
    for (const Right& right : kRights) map->emplace(right.method, &right);
    return map;
  }();
  const auto it = kByMethod->find(method);
  return it == kByMethod->end() ? nullptr : it->second;
}

absl::string_view ServiceOfCommand(absl::string_view prefix) {
  const absl::string_view word = prefix.substr(0, prefix.find(' '));
  for (const absl::string_view same :
       {"auth", "audit", "config", "config-key", "health", "log", "progress"}) {
    if (word == same) return same;
  }
  for (const absl::string_view data : {"counter", "get", "perf", "structures", "tell"}) {
    if (word == data) return "cluster";
  }
  return "mgr";
}

std::optional<Guard> GuardOf(absl::string_view prefix) {
  const std::string lower = absl::AsciiStrToLower(prefix);
  const std::vector<absl::string_view> words =
      absl::StrSplit(lower, absl::ByAnyChar(" \t\n\r\v\f"), absl::SkipEmpty());
  if (words.empty()) return std::nullopt;
  if (words[0] == "auth" || (words.size() > 1 && words[0] == "fs" && words[1] == "authorize")) {
    return Guard{.service = "auth", .more = auth::kExecute};
  }
  if (words[0] == "config-key") return Guard{.service = "config-key"};
  return std::nullopt;
}

std::string PrefixInJson(absl::string_view command_json) {
  const auto command =
      nlohmann::json::parse(command_json.begin(), command_json.end(), nullptr, false);
  if (!command.is_object()) return "";
  const auto prefix = command.find("prefix");
  if (prefix == command.end()) return "";
  if (prefix->is_string()) return prefix->get<std::string>();
  // No daemon takes a list; if one did, it would be of the words.
  std::string joined;
  if (!prefix->is_array()) return joined;
  for (const nlohmann::json& word : *prefix) {
    if (!word.is_string()) continue;
    absl::StrAppend(&joined, joined.empty() ? "" : " ", word.get_ref<const std::string&>());
  }
  return joined;
}

}  // namespace outpost::rpc
