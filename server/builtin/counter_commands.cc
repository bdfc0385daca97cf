// counter, perf: the performance counters of the cluster's daemons.
#include <cmath>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "outpost/table.h"
#include "server/builtin/builtin_commands.h"
#include "server/builtin/render.h"
#include "server/event/proto_time.h"
#include "server/text/nearest.h"
#include "server/text/sparkline.h"

namespace outpost::builtin {
namespace {

using command::BuiltinCall;
using command::ResultCallback;
using nlohmann::json;

constexpr size_t kNearestNamed = 3;

// As much as people want to see by default: Ceph's PRIO_USEFUL.
constexpr uint32_t kUseful = 5;

std::string NameOf(const v1::DaemonName& daemon) {
  return absl::StrCat(daemon.type(), ".", daemon.id());
}

// "osd.0", or "osd" for all of them.
v1::DaemonName ParseDaemon(const std::string& text) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits('.', 1));
  v1::DaemonName name;
  name.set_type(parts.first);
  name.set_id(parts.second);
  return name;
}

absl::Status Unknown(absl::string_view what, const std::string& name,
                     const std::set<std::string>& known) {
  const auto nearest = text::Nearest(name, {known.begin(), known.end()}, kNearestNamed);
  return absl::NotFoundError(absl::StrCat(
      what, " \"", name, "\": there is none with counters",
      nearest.empty() ? "; `outpost perf` lists those that there are"
                      : absl::StrCat("; the nearest are ", absl::StrJoin(nearest, ", "))));
}

// The schemas of `daemon`. NOT_FOUND names the nearest daemons.
absl::StatusOr<std::vector<v1::DaemonPerfSchema>> SchemasOf(const cluster::PerfCounters& counters,
                                                            const std::string& daemon) {
  auto schemas = counters.Schemas(ParseDaemon(daemon));
  if (!schemas.empty()) return schemas;
  std::set<std::string> known;
  for (const auto& schema : counters.Schemas({})) known.insert(NameOf(schema.daemon()));
  return Unknown("daemon", daemon, known);
}

// What there was between two samples: of a counter the rate, of an average its value, of
// a gauge where it is.
double Between(const v1::CounterSchema& schema, const v1::CounterSample& before,
               const v1::CounterSample& now) {
  if ((schema.type() & cluster::kLongRunAvg) != 0) {
    const double n = static_cast<double>(now.count()) - static_cast<double>(before.count());
    return n > 0 ? (now.value() - before.value()) / n : std::nan("");
  }
  if ((schema.type() & cluster::kCounter) == 0) return now.value();
  const double seconds =
      absl::ToDoubleSeconds(event::FromProto(now.time()) - event::FromProto(before.time()));
  // A daemon that was started again counts from 0.
  if (seconds <= 0 || now.value() < before.value()) return std::nan("");
  return (now.value() - before.value()) / seconds;
}

std::vector<double> Course(const v1::CounterSchema& schema, const v1::CounterSeries& series) {
  std::vector<double> course;
  for (int i = 1; i < series.samples_size(); ++i) {
    course.push_back(Between(schema, series.samples(i - 1), series.samples(i)));
  }
  return course;
}

std::string Number(double value) {
  if (!std::isfinite(value)) return "-";
  if (value == std::floor(value) && std::abs(value) < 1e15) return absl::StrFormat("%.0f", value);
  return absl::StrFormat("%.3g", value);
}

json SamplesJson(const v1::CounterSeries& series) {
  json samples = json::array();
  for (const auto& sample : series.samples()) {
    json one = {absl::ToDoubleSeconds(event::FromProto(sample.time()) - absl::UnixEpoch()),
                sample.value()};
    if (sample.has_count()) one.push_back(sample.count());
    samples.push_back(std::move(one));
  }
  return samples;
}

// The schema of one path; NOT_FOUND names the nearest.
absl::Status CheckPaths(const std::vector<v1::DaemonPerfSchema>& schemas,
                        const std::vector<std::string>& paths) {
  std::set<std::string> known;
  for (const auto& daemon : schemas) {
    for (const auto& counter : daemon.counters()) known.insert(counter.path());
  }
  for (const std::string& path : paths) {
    if (known.count(path) == 0) return Unknown("counter", path, known);
  }
  return absl::OkStatus();
}

void AddCounter(const Subjects& s, command::Dispatcher* dispatcher) {
  dispatcher->AddBuiltin(
      {"counter name=daemon,type=CephString name=counter,type=CephString,n=N,req=false",
       "show counters of a daemon (osd.0), or of all of a type (osd), and how they went", "r"},
      [counters = s.counters](const BuiltinCall& call, ResultCallback done) {
        const auto schemas = SchemasOf(*counters, call.args["daemon"].get<std::string>());
        if (!schemas.ok()) return done(Failure(schemas.status()));
        v1::GetCountersRequest request;
        *request.mutable_daemon() = ParseDaemon(call.args["daemon"].get<std::string>());
        const std::vector<std::string> paths =
            call.args.value("counter", std::vector<std::string>());
        if (auto status = CheckPaths(*schemas, paths); !status.ok()) return done(Failure(status));
        request.mutable_paths()->Assign(paths.begin(), paths.end());
        if (paths.empty()) request.set_min_priority(kUseful);
        std::map<std::pair<std::string, std::string>, v1::CounterSchema> of;
        for (const auto& daemon : *schemas) {
          for (const auto& counter : daemon.counters()) {
            of[{NameOf(daemon.daemon()), counter.path()}] = counter;
          }
        }
        json data = json::array();
        Table table({{"DAEMON"},
                     {"COUNTER"},
                     {"VALUE", Table::Align::kRight},
                     {"NOW", Table::Align::kRight},
                     {"", Table::Align::kLeft},
                     {"COURSE"}});
        for (const auto& series : counters->Series(request)) {
          const std::string daemon = NameOf(series.daemon());
          const v1::CounterSchema& schema = of[{daemon, series.path()}];
          const std::vector<double> course = Course(schema, series);
          data.push_back(
              {{"daemon", daemon}, {"counter", series.path()}, {"samples", SamplesJson(series)}});
          if (series.samples().empty()) continue;
          const bool average = (schema.type() & cluster::kLongRunAvg) != 0;
          const bool rate = !average && (schema.type() & cluster::kCounter) != 0;
          table.AddRow({daemon, series.path(), Number(series.samples().rbegin()->value()),
                        course.empty() ? "-" : Number(course.back()),
                        average ? "avg"
                        : rate  ? "/s"
                                : "",
                        text::Sparkline(course)});
        }
        done(Render(call.format, data, [&] { return table.Print(); }));
      });
}

void AddPerf(const Subjects& s, command::Dispatcher* dispatcher) {
  dispatcher->AddBuiltin(
      {"perf name=daemon,type=CephString,req=false",
       "list the daemons that have counters, and when they were last read, or describe those of "
       "one (osd.0)",
       "r"},
      [counters = s.counters](const BuiltinCall& call, ResultCallback done) {
        const std::string daemon = call.args.value("daemon", std::string());
        json data = json::array();
        if (daemon.empty()) {
          Table table(
              {{"DAEMON"}, {"COUNTERS", Table::Align::kRight}, {"SAMPLED", Table::Align::kRight}});
          for (const auto& schema : counters->Schemas({})) {
            const absl::Time sampled = counters->LastSample(schema.daemon());
            const bool never = sampled == absl::InfinitePast();
            data.push_back({{"daemon", NameOf(schema.daemon())},
                            {"counters", schema.counters_size()},
                            {"sampled", never ? json() : json(absl::FormatTime(sampled))}});
            table.AddRow({NameOf(schema.daemon()), absl::StrCat(schema.counters_size()),
                          never ? "never" : HowLongAgo(sampled)});
          }
          return done(Render(call.format, data, [&] { return table.Print(); }));
        }
        const auto schemas = SchemasOf(*counters, daemon);
        if (!schemas.ok()) return done(Failure(schemas.status()));
        Table table({{"DAEMON"},
                     {"COUNTER"},
                     {"NICK"},
                     {"PRIORITY", Table::Align::kRight},
                     {"UNIT"},
                     {"DESCRIPTION"}});
        for (const auto& schema : *schemas) {
          for (const auto& counter : schema.counters()) {
            data.push_back({{"daemon", NameOf(schema.daemon())},
                            {"counter", counter.path()},
                            {"type", counter.type()},
                            {"unit", counter.unit()},
                            {"priority", counter.priority()},
                            {"nick", counter.nick()},
                            {"description", counter.description()}});
            table.AddRow({NameOf(schema.daemon()), counter.path(), counter.nick(),
                          absl::StrCat(counter.priority()), counter.unit() == 0 ? "bytes" : "",
                          counter.description()});
          }
        }
        done(Render(call.format, data, [&] { return table.Print(); }));
      });
}

}  // namespace

void AddCounterCommands(const Subjects& subjects, command::Dispatcher* dispatcher) {
  AddCounter(subjects, dispatcher);
  AddPerf(subjects, dispatcher);
}

}  // namespace outpost::builtin
