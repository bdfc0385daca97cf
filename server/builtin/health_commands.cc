// health, health detail, health mute, health unmute, health history.
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "outpost/table.h"
#include "server/builtin/builtin_commands.h"
#include "server/builtin/health_text.h"
#include "server/builtin/render.h"
#include "server/config/option_value.h"
#include "server/event/proto_time.h"

namespace outpost::builtin {
namespace {

using command::BuiltinCall;
using command::ResultCallback;
using google::protobuf::util::TimeUtil;
using nlohmann::json;

// "59m": how long a mute still lasts, in its largest unit.
std::string TimeLeft(const v1::HealthMute& mute) {
  const absl::Duration left =
      std::max(event::FromProto(mute.until()) - absl::Now(), absl::ZeroDuration());
  if (left >= absl::Hours(48)) return absl::StrCat(left / absl::Hours(24), "d");
  if (left >= absl::Hours(2)) return absl::StrCat(left / absl::Hours(1), "h");
  if (left >= absl::Minutes(2)) return absl::StrCat(left / absl::Minutes(1), "m");
  return absl::StrCat(left / absl::Seconds(1), "s");
}

const v1::HealthMute* FindMute(const health::Report& report, const std::string& code) {
  const auto mute = std::find_if(report.mutes.begin(), report.mutes.end(),
                                 [&](const auto& m) { return m.code() == code; });
  return mute == report.mutes.end() ? nullptr : &*mute;
}

json HistoryJson(const std::vector<v1::HealthEvent>& events) {
  json data = json::array();
  for (const auto& event : events) {
    data.push_back({{"time", TimeUtil::ToString(event.time())},
                    {"code", event.check().code()},
                    {"severity", health::SeverityName(event.check().severity()).data()},
                    {"summary", event.check().summary()},
                    {"count", event.check().count()},
                    {"source", event.check().source()},
                    {"cleared", event.cleared()},
                    {"changed", event.changed()}});
  }
  return data;
}

const char* What(const v1::HealthEvent& event) {
  if (event.cleared()) return "cleared";
  return event.changed() ? "changed" : "raised";
}

std::string HistoryTable(const std::vector<v1::HealthEvent>& events) {
  Table table({{"TIME"}, {"WHAT"}, {"CHECK"}, {"SUMMARY"}, {"SOURCE"}});
  for (const auto& event : events) {
    table.AddRow({absl::FormatTime("%Y-%m-%d %H:%M:%S", event::FromProto(event.time()),
                                   absl::LocalTimeZone()),
                  What(event), event.check().code(), event.check().summary(),
                  event.check().source()});
  }
  return table.Print();
}

void AddMute(const Subjects& s, command::Dispatcher* dispatcher) {
  dispatcher->AddBuiltin(
      {"health mute name=code,type=CephString name=ttl,type=CephString,req=false "
       "name=sticky,type=CephBool,req=false",
       "keep a health check from counting, for a time (\"30m\", \"2h\", \"1w\") or until it "
       "clears; with --sticky also when it comes back",
       "rw"},
      [s](const BuiltinCall& call, ResultCallback done) {
        std::optional<absl::Duration> ttl;
        if (call.args.contains("ttl")) {
          const std::string text = call.args["ttl"];
          const auto parsed = config::ParseValue(v1::OPTION_TYPE_SECS, text);
          if (!parsed.ok()) {
            return done(Failure(absl::InvalidArgumentError(
                absl::StrCat("ttl: \"", text, "\" ", parsed.status().message()))));
          }
          ttl = absl::Seconds(std::get<double>(parsed->number));
        }
        s.health->Mute(call.args["code"], ttl, call.args.value("sticky", false),
                       [done = std::move(done)](const absl::Status& status) mutable {
                         done(status.ok() ? command::Result{} : Failure(status));
                       });
      });
  dispatcher->AddBuiltin(
      {"health unmute name=code,type=CephString,req=false",
       "let a muted health check count again; without a code, all", "rw"},
      [s](const BuiltinCall& call, ResultCallback done) {
        if (call.args.contains("code")) {
          return s.health->Unmute(call.args["code"],
                                  [done = std::move(done)](const absl::Status& status) mutable {
                                    done(status.ok() ? command::Result{} : Failure(status));
                                  });
        }
        const std::vector<v1::HealthMute> mutes = s.health->Get().mutes;
        if (mutes.empty()) return done({});
        // Writes are applied in order: the last one ends last.
        for (size_t i = 0; i + 1 < mutes.size(); ++i) {
          s.health->Unmute(mutes[i].code(), [](const absl::Status&) {});
        }
        s.health->Unmute(mutes.back().code(),
                         [done = std::move(done)](const absl::Status& status) mutable {
                           done(status.ok() ? command::Result{} : Failure(status));
                         });
      });
}

}  // namespace

json HealthJson(const health::Report& report) {
  json checks = json::object();
  for (const auto& check : report.checks) {
    json detail = json::array();
    for (const auto& line : check.detail()) detail.push_back({{"message", line}});
    checks[check.code()] = {
        {"severity", health::SeverityName(check.severity()).data()},
        {"summary", {{"message", check.summary()}, {"count", check.count()}}},
        {"detail", std::move(detail)},
        {"source", check.source()},
        {"muted", check.muted()},
    };
  }
  json mutes = json::array();
  for (const auto& mute : report.mutes) {
    json& shown = mutes.emplace_back(
        json{{"code", mute.code()}, {"sticky", mute.sticky()}, {"count", mute.count()}});
    if (mute.has_until()) shown["ttl"] = TimeUtil::ToString(mute.until());
  }
  return {{"status", health::SeverityName(report.status).data()},
          {"checks", std::move(checks)},
          {"mutes", std::move(mutes)}};
}

std::string MutedCodes(const health::Report& report) {
  std::set<std::string> codes;
  for (const auto& check : report.checks) {
    if (!check.muted()) continue;
    const v1::HealthMute* const mute = FindMute(report, check.code());
    codes.insert(mute != nullptr && mute->has_until()
                     ? absl::StrCat(check.code(), "(", TimeLeft(*mute), ")")
                     : check.code());
  }
  return codes.empty() ? "" : absl::StrCat("(muted: ", absl::StrJoin(codes, " "), ")");
}

std::string HealthLine(const health::Report& report) {
  std::vector<std::string> parts;
  for (const auto& check : report.checks) {
    if (!check.muted()) parts.push_back(check.summary());
  }
  if (std::string muted = MutedCodes(report); !muted.empty()) parts.push_back(std::move(muted));
  return absl::StrCat(health::SeverityName(report.status), parts.empty() ? "" : " ",
                      absl::StrJoin(parts, "; "));
}

std::string HealthDetail(const health::Report& report) {
  std::string text = HealthLine(report);
  for (const auto& check : report.checks) {
    absl::StrAppend(&text, "\n");
    if (check.muted()) {
      const v1::HealthMute* const mute = FindMute(report, check.code());
      absl::StrAppend(
          &text, "(MUTED",
          mute != nullptr && mute->has_until() ? absl::StrCat(" ttl ", TimeLeft(*mute)) : "",
          mute != nullptr && mute->sticky() ? ", STICKY" : "", ") ");
    }
    absl::StrAppend(&text, "[", check.severity() == v1::SEVERITY_ERROR ? "ERR" : "WRN", "] ",
                    check.code(), ": ", check.summary());
    for (const auto& line : check.detail()) {
      // A check of one thing may say no more in its detail.
      if (line != check.summary()) absl::StrAppend(&text, "\n    ", line);
    }
  }
  return text;
}

void AddHealthCommands(const Subjects& subjects, command::Dispatcher* dispatcher) {
  dispatcher->AddBuiltin({"health name=detail,type=CephChoices,strings=detail,req=false",
                          "show what is wrong; with `detail`, all of it", "r"},
                         [s = subjects](const BuiltinCall& call, ResultCallback done) {
                           const health::Report report = s.health->Get();
                           const bool detail = call.args.contains("detail");
                           done(Render(call.format, HealthJson(report), [&] {
                             return detail ? HealthDetail(report) : HealthLine(report);
                           }));
                         });
  AddMute(subjects, dispatcher);
  dispatcher->AddBuiltin(
      {"health history name=num,type=CephInt,range=1,req=false",
       "show when health checks came and went, the newest first", "r"},
      [s = subjects](const BuiltinCall& call, ResultCallback done) {
        const auto events = s.health->History(call.args.value("num", size_t{20}));
        done(Render(call.format, HistoryJson(events), [&] { return HistoryTable(events); }));
      });
}

}  // namespace outpost::builtin
