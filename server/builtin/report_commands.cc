// report …: the daemons that report themselves.
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "outpost/table.h"
#include "server/builtin/builtin_commands.h"
#include "server/builtin/render.h"
#include "server/text/duration.h"
#include "server/text/nearest.h"

namespace outpost::builtin {
namespace {

using cluster::report::ReportedDaemons;
using cluster::report::ReportPace;
using command::BuiltinCall;
using command::ResultCallback;
using nlohmann::json;

constexpr size_t kNearestNamed = 3;

absl::Status NoReports() {
  return absl::UnimplementedError(
      "the manager takes no reports: --take-reports lets daemons report beside its source");
}

std::string NameOf(const ReportedDaemons::Info& daemon) {
  return absl::StrCat(daemon.type, ".", daemon.id);
}

// Those that `name` means: "backup.a", all of a type ("backup"), or all. NOT_FOUND names the
// nearest.
absl::StatusOr<std::vector<ReportedDaemons::Info>> Select(const ReportedDaemons& reports,
                                                          const std::string& name) {
  std::vector<ReportedDaemons::Info> all = reports.List();
  if (name.empty()) return all;
  std::vector<ReportedDaemons::Info> selected;
  std::set<std::string> known;
  for (ReportedDaemons::Info& daemon : all) {
    known.insert({daemon.type, NameOf(daemon)});
    if (daemon.type == name || NameOf(daemon) == name) selected.push_back(std::move(daemon));
  }
  if (!selected.empty()) return selected;
  const auto nearest = text::Nearest(name, {known.begin(), known.end()}, kNearestNamed);
  return absl::NotFoundError(absl::StrCat(
      "daemon \"", name, "\": none of that name or type reports itself",
      nearest.empty() ? "; `outpost report ls` lists those that do"
                      : absl::StrCat("; the nearest are ", absl::StrJoin(nearest, ", "))));
}

std::string State(const ReportedDaemons::Info& daemon) {
  if (!daemon.live) return "stale";
  return daemon.connected ? "live" : "away";  // its lease runs
}

std::string Short(absl::Duration time) {
  return text::DurationText(time, absl::Milliseconds(time < absl::Seconds(10) ? 1 : 100));
}

// "-", "+3s", "-1h0m0s".
std::string Ahead(const std::optional<absl::Duration>& clock) {
  if (!clock.has_value()) return "-";
  const bool behind = *clock < absl::ZeroDuration();
  return absl::StrCat(behind ? "-" : "+", Short(behind ? -*clock : *clock));
}

std::string Bytes(double bytes) {
  for (const char* unit : {"", "K", "M"}) {
    if (bytes < 1000) return absl::StrFormat("%.*f%s", *unit == 0 ? 0 : 1, bytes, unit);
    bytes /= 1024;
  }
  return absl::StrFormat("%.1fG", bytes);
}

json InSeconds(const std::optional<absl::Duration>& time) {
  return time.has_value() ? json(absl::ToDoubleSeconds(*time)) : json();
}

json ToJson(const ReportedDaemons::Info& daemon) {
  return {{"daemon", NameOf(daemon)},
          {"hostname", daemon.hostname},
          {"version", daemon.version},
          {"state", State(daemon)},
          {"age", absl::ToDoubleSeconds(daemon.age)},
          {"lease", absl::ToDoubleSeconds(daemon.lease)},
          {"drop_after", absl::ToDoubleSeconds(daemon.drop_after)},
          {"counters", daemon.counters},
          {"structures", daemon.structures},
          {"structure_bytes", daemon.structure_bytes},
          {"reports", daemon.messages},
          {"bytes", daemon.bytes},
          {"bytes_per_second", daemon.bytes_per_second},
          {"rejected", daemon.rejected},
          {"last_rejection", daemon.last_rejection},
          {"lag", InSeconds(daemon.lag)},
          {"clock_ahead", InSeconds(daemon.clock_ahead)}};
}

void AddLs(const Subjects& s, command::Dispatcher* dispatcher) {
  dispatcher->AddBuiltin(
      {"report ls name=reporter,type=CephString,req=false",
       "list the daemons that report themselves, all or by name or type: leases, counters, bytes, "
       "what was rejected, how late they are",
       "r"},
      [reports = s.reports](const BuiltinCall& call, ResultCallback done) {
        if (reports == nullptr) return done(Failure(NoReports()));
        const std::string name = call.args.value("reporter", std::string());
        const auto daemons = Select(*reports, name);
        if (!daemons.ok()) return done(Failure(daemons.status()));
        json data = json::array();
        Table table({{"DAEMON"},
                     {"HOST"},
                     {"STATE"},
                     {"AGE", Table::Align::kRight},
                     {"LEASE", Table::Align::kRight},
                     {"COUNTERS", Table::Align::kRight},
                     {"BYTES/S", Table::Align::kRight},
                     {"REPORTS", Table::Align::kRight},
                     {"REJECTED", Table::Align::kRight},
                     {"LAG", Table::Align::kRight},
                     {"CLOCK", Table::Align::kRight}});
        std::string below;
        for (const ReportedDaemons::Info& daemon : *daemons) {
          data.push_back(ToJson(daemon));
          table.AddRow(
              {NameOf(daemon), daemon.hostname, State(daemon), Short(daemon.age),
               Short(daemon.lease), absl::StrCat(daemon.counters), Bytes(daemon.bytes_per_second),
               absl::StrCat(daemon.messages), absl::StrCat(daemon.rejected),
               daemon.lag.has_value() ? Short(*daemon.lag) : "-", Ahead(daemon.clock_ahead)});
          if (!name.empty() && !daemon.last_rejection.empty()) {
            absl::StrAppend(&below, "\nlast rejected: ", daemon.last_rejection);
          }
        }
        done(Render(call.format, data, [&] { return table.Print() + below; }));
      });
}

command::Result ShowPace(const ReportedDaemons& reports, const std::string& format) {
  const ReportPace::State state = reports.pace();
  const json data = {{"interval", absl::ToDoubleSeconds(state.pace.interval)},
                     {"asked_interval", absl::ToDoubleSeconds(state.asked)},
                     {"min_priority", state.pace.min_priority},
                     {"reports", state.reports},
                     {"late", state.late},
                     {"max_lag", absl::ToDoubleSeconds(reports.options().max_lag)}};
  return Render(format, data, [&] {
    std::string text =
        absl::StrCat("a report every ", absl::FormatDuration(state.pace.interval), ", of counters ",
                     "with a priority of at least ", state.pace.min_priority, "; of the last ",
                     state.reports, " reports, ", state.late, " came more than ",
                     absl::FormatDuration(reports.options().max_lag), " late");
    if (state.pace.interval > state.asked) {
      absl::StrAppend(&text, "\nthe manager falls behind: without that it would be every ",
                      absl::FormatDuration(state.asked));
    }
    return text;
  });
}

void AddPace(const Subjects& s, command::Dispatcher* dispatcher) {
  dispatcher->AddBuiltin(
      {"report pace", "show how often daemons are asked to report, of which counters, and why",
       "r"},
      [reports = s.reports](const BuiltinCall& call, ResultCallback done) {
        if (reports == nullptr) return done(Failure(NoReports()));
        done(ShowPace(*reports, call.format));
      });
  dispatcher->AddBuiltin(
      {"report configure name=interval,type=CephFloat,req=false "
       "name=min_priority,type=CephInt,range=0|10,req=false",
       "ask all daemons to report every so many seconds, and only counters of at least that "
       "priority, until the manager ends",
       "rw"},
      [reports = s.reports](const BuiltinCall& call, ResultCallback done) {
        if (reports == nullptr) return done(Failure(NoReports()));
        std::optional<absl::Duration> interval;
        std::optional<uint32_t> min_priority;
        if (call.args.contains("interval")) {
          interval = absl::Seconds(call.args["interval"].get<double>());
        }
        if (call.args.contains("min_priority")) min_priority = call.args["min_priority"];
        if (auto status = reports->Configure(interval, min_priority); !status.ok()) {
          return done(Failure(status));
        }
        done(ShowPace(*reports, call.format));
      });
}

}  // namespace

void AddReportCommands(const Subjects& subjects, command::Dispatcher* dispatcher) {
  AddLs(subjects, dispatcher);
  AddPace(subjects, dispatcher);
}

}  // namespace outpost::builtin
