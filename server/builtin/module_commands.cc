// module ls, enable, disable, restart, reload, upgrade; and the same after `mgr`, as Ceph has them.
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "outpost/table.h"
#include "server/builtin/builtin_commands.h"
#include "server/builtin/module_usage.h"
#include "server/builtin/render.h"
#include "server/builtin/top_command.h"
#include "server/event/proto_time.h"
#include "server/module/installed_modules.h"
#include "server/text/duration.h"

namespace outpost::builtin {
namespace {

using command::BuiltinCall;
using command::ResultCallback;
using nlohmann::json;

// As long as `module enable` and `module restart` wait for the module to serve.
constexpr absl::Duration kReadyWait = absl::Seconds(10);

// "1m30s", "now": how long from now until `time`.
std::string Until(const google::protobuf::Timestamp& time) {
  const absl::Duration left =
      absl::Trunc(event::FromProto(time) - absl::Now(), absl::Milliseconds(100));
  return left <= absl::ZeroDuration() ? "now" : absl::FormatDuration(left);
}

std::string Mebibytes(uint64_t bytes) {
  return bytes == 0 ? "-" : absl::StrFormat("%.0f MiB", static_cast<double>(bytes) / (1 << 20));
}

json ModuleJson(const v1::ModuleInfo& m) {
  json result = {{"name", m.name()},
                 {"state", module::StateName(m.state())},
                 {"reason", m.reason()},
                 {"enabled", m.enabled()},
                 {"path", m.path()},
                 {"supervised", m.supervised()},
                 {"pid", m.pid()},
                 {"restarts", m.restarts()},
                 {"last_exit", m.last_exit()},
                 {"sdk", m.sdk()},
                 {"version", m.version()},
                 {"in_flight", m.in_flight()},
                 {"rss_bytes", m.rss_bytes()},
                 {"uri", m.uri()}};
  if (m.has_attached()) {
    result["attached"] = google::protobuf::util::TimeUtil::ToString(m.attached());
  }
  if (m.has_next_start()) {
    result["next_start"] = google::protobuf::util::TimeUtil::ToString(m.next_start());
  }
  result.update(UsageJson(m));
  result["restart_policy"] = m.restart_policy();
  result["failures"] = m.failures();
  if (m.has_last_process()) {
    const v1::ProcessExit& last = m.last_process();
    result["last_process"] = {
        {"time", google::protobuf::util::TimeUtil::ToString(last.time())},
        {"pid", last.pid()},
        {"exit_status", last.exit_status()},
        {"signal", last.signal()},
        {"core_dumped", last.core_dumped()},
        {"out_of_memory", last.out_of_memory()},
        {"reason", last.reason()},
        {"output", std::vector<std::string>(last.output().begin(), last.output().end())}};
  }
  result["isolation"] = json::array();
  for (const v1::IsolationMeasure& measure : m.isolation()) {
    result["isolation"].push_back({{"name", measure.name()},
                                   {"wanted", measure.wanted()},
                                   {"applied", measure.applied()},
                                   {"how", measure.how()}});
  }
  return result;
}

std::string Why(const v1::ModuleInfo& m) {
  std::string why = m.reason();
  if (m.has_next_start()) absl::StrAppend(&why, " (next start: ", Until(m.next_start()), ")");
  if (why.empty() && m.restarts() > 0 && !m.last_exit().empty()) {
    why = absl::StrCat("last ended with ", m.last_exit());
  }
  return why;
}

std::string ModuleTable(const std::vector<v1::ModuleInfo>& modules, bool detail) {
  using Align = Table::Align;
  std::vector<Table::Column> columns = {{"MODULE"},
                                        {"STATE"},
                                        {"PID", Align::kRight},
                                        {"UPTIME", Align::kRight},
                                        {"RESTARTS", Align::kRight},
                                        {"RSS", Align::kRight}};
  if (detail) {
    columns.insert(columns.end(), {{"IN FLIGHT", Align::kRight}, {"SDK"}, {"PATH"}, {"LAST EXIT"}});
  }
  columns.push_back({"WHY"});
  Table table(columns);
  for (const auto& m : modules) {
    std::vector<std::string> row = {
        m.name(),
        module::StateName(m.state()),
        m.pid() == 0 ? "-" : absl::StrCat(m.pid()),
        m.has_attached() ? text::DurationText(absl::Now() - event::FromProto(m.attached())) : "-",
        absl::StrCat(m.restarts()),
        Mebibytes(m.rss_bytes())};
    if (detail) {
      row.insert(row.end(), {absl::StrCat(m.in_flight()), m.sdk(),
                             m.path().empty() ? "(started by hand)" : m.path(), m.last_exit()});
    }
    row.push_back(Why(m));
    table.AddRow(std::move(row));
  }
  return table.Print();
}

// What each has been through, and what it is held to: a paragraph a module.
std::string ProcessesText(const std::vector<v1::ModuleInfo>& modules) {
  std::string text;
  for (const auto& m : modules) {
    if (!m.supervised() && !m.has_last_process() && !m.enabled()) continue;
    absl::StrAppend(&text, m.name(), ": restart ", m.restart_policy());
    if (m.failures() > 0) absl::StrAppend(&text, ", failed ", m.failures(), " times in a row");
    absl::StrAppend(&text, "\n");
    for (const v1::IsolationMeasure& measure : m.isolation()) {
      absl::StrAppend(&text, "  ", measure.name(), " ", measure.wanted(),
                      measure.applied() ? "" : ": NOT APPLIED", ": ", measure.how(), "\n");
    }
    if (!m.has_last_process()) continue;
    const v1::ProcessExit& last = m.last_process();
    absl::StrAppend(&text, "  process ", last.pid(), " ended at ",
                    google::protobuf::util::TimeUtil::ToString(last.time()), " with ",
                    m.last_exit(), last.reason().empty() ? "" : ", as it ", last.reason(), "\n");
    for (const std::string& line : last.output()) absl::StrAppend(&text, "    | ", line, "\n");
  }
  return text;
}

using SubscriptionPtr = std::shared_ptr<notify::Subscription>;

std::string LagText(absl::Duration lag) {
  return lag <= absl::ZeroDuration() ? "-" : text::DurationText(lag, absl::Milliseconds(1));
}

json SubscriptionsJson(const std::vector<SubscriptionPtr>& subscriptions, const std::string& name) {
  json result = json::array();
  for (const SubscriptionPtr& subscription : subscriptions) {
    if (subscription->owner() != absl::StrCat("module/", name)) continue;
    const notify::Subscription::Depth depth = subscription->depth();
    result.push_back({{"id", subscription->id()},
                      {"types", subscription->types()},
                      {"waiting", depth.waiting},
                      {"unacknowledged", depth.unacknowledged},
                      {"sent", depth.sent},
                      {"missed", depth.missed},
                      {"coalesced", depth.coalesced},
                      {"lag_seconds", absl::ToDoubleSeconds(depth.lag)}});
  }
  return result;
}

// Everybody's: an operator's own stream can lag, too.
std::string SubscriptionTable(const std::vector<SubscriptionPtr>& subscriptions) {
  using Align = Table::Align;
  Table table({{"SUBSCRIBER"},
               {"SENT", Align::kRight},
               {"WAITING", Align::kRight},
               {"UNACKED", Align::kRight},
               {"MISSED", Align::kRight},
               {"COALESCED", Align::kRight},
               {"LAG", Align::kRight},
               {"TYPES"}});
  for (const SubscriptionPtr& subscription : subscriptions) {
    const notify::Subscription::Depth depth = subscription->depth();
    table.AddRow({subscription->owner(), absl::StrCat(depth.sent), absl::StrCat(depth.waiting),
                  absl::StrCat(depth.unacknowledged), absl::StrCat(depth.missed),
                  absl::StrCat(depth.coalesced), LagText(depth.lag),
                  absl::StrJoin(subscription->types(), ",")});
  }
  return table.Print();
}

// What enable and restart tell once the module has settled.
command::Result Settled(const absl::StatusOr<v1::ModuleInfo>& module, absl::string_view done) {
  if (!module.ok()) return Failure(module.status());
  switch (module->state()) {
    case v1::MODULE_STATE_ENDED:
      return {.retval = 0,
              .out = "",
              .err = absl::StrCat("module '", module->name(), "' is ", done, ", and ",
                                  module->reason())};
    case v1::MODULE_STATE_RUNNING:
    case v1::MODULE_STATE_CONFIGURING:
    case v1::MODULE_STATE_STARTING:
      return {.retval = 0,
              .out = "",
              .err = module->state() == v1::MODULE_STATE_RUNNING
                         ? ""
                         : absl::StrCat("module '", module->name(), "' is ", done,
                                        ", and is still starting; see `outpost module ls`")};
    default:
      return {.retval = -EIO,
              .out = "",
              .err = absl::StrCat("module '", module->name(), "' is ", done, ", but is ",
                                  module::StateName(module->state()), ": ", Why(*module))};
  }
}

void AddLs(const Subjects& s, const std::string& words, command::Dispatcher* dispatcher) {
  dispatcher->AddBuiltin(
      {words + " ls name=detail,type=CephChoices,strings=detail,req=false "
               "name=verbose,type=CephBool,req=false",
       "list the modules: state, and why; with `detail`, all that is known; with --verbose, also "
       "what each uses and was asked, how far it is with its notifications, how its process is "
       "kept, and how the last ended",
       "r"},
      [s](const BuiltinCall& call, ResultCallback done) {
        const auto modules = s.modules->ListWithUsage();
        json data = json::array();
        for (const auto& m : modules) data.push_back(ModuleJson(m));
        const bool verbose = call.args.value("verbose", false);
        const bool detail = call.args.contains("detail") || verbose;
        std::vector<SubscriptionPtr> subscriptions;
        if (verbose) {
          subscriptions = s.hub->Subscriptions();
          for (json& m : data) {
            m["subscriptions"] = SubscriptionsJson(subscriptions, m["name"].get<std::string>());
          }
        }
        done(Render(call.format, data, [&] {
          std::string text = ModuleTable(modules, detail);
          if (verbose) {
            absl::StrAppend(&text, "\n", SubscriptionTable(subscriptions), "\n",
                            UsageTable(modules), "\n", ProcessesText(modules));
          }
          return text;
        }));
      });
}

void AddEnable(const Subjects& s, const std::string& words, command::Dispatcher* dispatcher) {
  dispatcher->AddBuiltin(
      {words + " enable name=module,type=CephString name=force,type=CephBool,req=false",
       "start a module, now and whenever the manager starts", "rw"},
      [s](const BuiltinCall& call, ResultCallback done) {
        const std::string name = call.args["module"];
        const auto modules = s.modules->List();
        const bool already = std::any_of(modules.begin(), modules.end(), [&](const auto& m) {
          return m.name() == name && m.enabled() && m.state() == v1::MODULE_STATE_RUNNING;
        });
        if (already) {
          return done({.retval = 0,
                       .out = "",
                       .err = absl::StrCat("module '", name, "' is already enabled")});
        }
        s.modules->Enable(name, call.caller, kReadyWait,
                          [name, modules = s.modules, done = std::move(done)](
                              const absl::StatusOr<v1::ModuleInfo>& m) mutable {
                            command::Result result = Settled(m, "enabled");
                            if (const auto asked = modules->AskedCaps(name); m.ok() && asked) {
                              absl::StrAppend(&result.err, result.err.empty() ? "" : "\n",
                                              "module '", name, "' asks for \"", asked->ToString(),
                                              "\"; `outpost auth caps module/", name,
                                              " mgr '…'` lets it do less");
                            }
                            done(std::move(result));
                          });
      });
}

void AddDisable(const Subjects& s, const std::string& words, command::Dispatcher* dispatcher) {
  dispatcher->AddBuiltin(
      {words + " disable name=module,type=CephString", "end a module, and keep it ended", "rw"},
      [s](const BuiltinCall& call, ResultCallback done) {
        const std::string name = call.args["module"];
        s.modules->Disable(
            name, call.caller,
            [name, done = std::move(done)](const absl::StatusOr<v1::ModuleInfo>& m) mutable {
              if (absl::IsNotFound(m.status())) {
                // As Ceph has it: the wish is fulfilled.
                return done({.retval = 0,
                             .out = "",
                             .err = absl::StrCat("module '", name, "' is already disabled")});
              }
              done(m.ok() ? command::Result{} : Failure(m.status()));
            });
      });
}

void AddRestart(const Subjects& s, const std::string& words, command::Dispatcher* dispatcher) {
  dispatcher->AddBuiltin(
      {words + " restart name=module,type=CephString", "end a module and start it again", "rw"},
      [s](const BuiltinCall& call, ResultCallback done) {
        s.modules->Restart(
            call.args["module"], call.caller, kReadyWait,
            [done = std::move(done)](const absl::StatusOr<v1::ModuleInfo>& m) mutable {
              done(Settled(m, "restarted"));
            });
      });
}

// A new process takes over from the running one: from the same directory, or another.
void AddUpgrade(const Subjects& s, const std::string& words, command::Dispatcher* dispatcher) {
  const auto upgrade = [s](const std::string& name, const std::string& path, const std::string& by,
                           ResultCallback done) {
    s.modules->Upgrade(name, path, by, absl::InfiniteDuration(),
                       [done = std::move(done)](const absl::StatusOr<v1::ModuleInfo>& m) mutable {
                         done(Settled(m, "upgraded"));
                       });
  };
  dispatcher->AddBuiltin(
      {words + " reload name=module,type=CephString",
       "start a module's program anew; commands go to the new process while the old one drains",
       "rw"},
      [upgrade](const BuiltinCall& call, ResultCallback done) {
        upgrade(call.args["module"], "", call.caller, std::move(done));
      });
  dispatcher->AddBuiltin(
      {words + " upgrade name=path,type=CephString name=module,type=CephString,req=false",
       "run a module from another directory from now on; if that does not get ready, all stays as "
       "it is",
       "rw"},
      [upgrade](const BuiltinCall& call, ResultCallback done) {
        const std::string path = call.args["path"];
        std::error_code error;
        if (!std::filesystem::path(path).is_absolute() ||
            !std::filesystem::is_directory(path, error)) {
          return done({.retval = -ENOENT,
                       .out = "",
                       .err = absl::StrCat("\"", path,
                                           "\" is not the absolute path of a directory on the "
                                           "manager's host")});
        }
        const module::InstalledModule installed = module::ReadModuleDirectory(path, {});
        upgrade(call.args.value("module", installed.name), path, call.caller, std::move(done));
      });
}

void AddServices(const Subjects& s, command::Dispatcher* dispatcher) {
  dispatcher->AddBuiltin({"mgr services", "show where modules serve (dashboards, exporters)", "r"},
                         [s](const BuiltinCall& call, ResultCallback done) {
                           json data = json::object();
                           for (const auto& m : s.modules->List()) {
                             if (!m.uri().empty()) data[m.name()] = m.uri();
                           }
                           // Ceph prints it so, too.
                           done(Render(call.format, data, [&] { return data.dump(4); }));
                         });
}

}  // namespace

void AddModuleCommands(const Subjects& subjects, command::Dispatcher* dispatcher) {
  for (const std::string words : {"module", "mgr module"}) {
    AddLs(subjects, words, dispatcher);
    AddEnable(subjects, words, dispatcher);
    AddDisable(subjects, words, dispatcher);
    AddRestart(subjects, words, dispatcher);
    AddUpgrade(subjects, words, dispatcher);
  }
  AddServices(subjects, dispatcher);
  AddTopCommand(subjects, dispatcher);
}

}  // namespace outpost::builtin
