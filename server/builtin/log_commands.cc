// log, log last, module logs.
#include <google/protobuf/util/time_util.h>

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "server/builtin/builtin_commands.h"
#include "server/builtin/render.h"
#include "server/event/proto_time.h"
#include "server/log/log.h"

namespace outpost::builtin {
namespace {

using command::BuiltinCall;
using command::ResultCallback;
using google::protobuf::util::TimeUtil;
using nlohmann::json;

constexpr size_t kLastLines = 20;     // of `log last`, as in Ceph
constexpr size_t kModuleLines = 100;  // of `module logs`

std::string Stamp(const v1::LogRecord& record) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6S%z", event::FromProto(record.time()),
                          absl::LocalTimeZone());
}

v1::LogLevel LevelNamed(const std::string& name) {
  static const auto* const levels =
      new std::map<std::string, v1::LogLevel>{{"debug", v1::LOG_LEVEL_DEBUG},
                                              {"info", v1::LOG_LEVEL_INFO},
                                              {"sec", v1::LOG_LEVEL_WARNING},
                                              {"warn", v1::LOG_LEVEL_WARNING},
                                              {"error", v1::LOG_LEVEL_ERROR}};
  const auto level = levels->find(name);
  return level == levels->end() ? v1::LOG_LEVEL_UNSPECIFIED : level->second;
}

json LinesJson(const std::vector<log::LinePtr>& lines) {
  json data = json::array();
  for (const auto& line : lines) {
    data.push_back({{"stamp", TimeUtil::ToString(line->record.time())},
                    {"name", line->source},
                    {"logger", line->record.logger()},
                    {"channel", line->record.channel()},
                    {"priority", absl::StrCat("[", log::ShortLevel(line->record.level()), "]")},
                    {"message", line->record.message()}});
  }
  return data;
}

std::string LinesText(const std::vector<log::LinePtr>& lines) {
  return absl::StrJoin(lines, "\n", [](std::string* out, const log::LinePtr& line) {
    const v1::LogRecord& record = line->record;
    absl::StrAppend(out, Stamp(record), " ", line->source,
                    record.logger().empty() ? "" : absl::StrCat("/", record.logger()), " ",
                    record.channel().empty() ? "" : absl::StrCat(record.channel(), " "), "[",
                    log::ShortLevel(record.level()), "] ", record.message());
  });
}

}  // namespace

void AddLogCommands(const Subjects& subjects, command::Dispatcher* dispatcher) {
  log::LogHistory* const history = subjects.log;
  dispatcher->AddBuiltin(
      {"log last name=num,type=CephInt,range=1,req=false "
       "name=level,type=CephChoices,strings=debug|info|sec|warn|error,req=false "
       "name=channel,type=CephString,req=false",
       "show the last lines of the cluster log (channel: cluster, audit, …, * for any)", "r"},
      [history](const BuiltinCall& call, ResultCallback done) {
        const auto lines =
            history->Last(call.args.value("num", kLastLines),
                          {.module = "",
                           .channel = call.args.value("channel", "cluster"),
                           .min_level = LevelNamed(call.args.value("level", "info"))},
                          nullptr);
        done(Render(call.format, LinesJson(lines), [&] { return LinesText(lines); }));
      });
  dispatcher->AddBuiltin(
      {"log name=logtext,type=CephString,n=N", "write a line into the cluster log", "rw"},
      [source = subjects.source](const BuiltinCall& call, ResultCallback done) {
        v1::LogRecord record;
        record.set_channel("cluster");
        record.set_message(
            absl::StrJoin(call.args["logtext"].get<std::vector<std::string>>(), " "));
        source->WriteLog(record);
        log::Write(call.caller, std::move(record));
        done({});
      });
  dispatcher->AddBuiltin(
      {"module logs name=module,type=CephString name=lines,type=CephInt,range=1,req=false",
       "show the last lines of a module: its log, and what its process wrote", "r"},
      [s = subjects, history](const BuiltinCall& call, ResultCallback done) {
        const std::string name = call.args["module"];
        const auto described = s.modules->Describe(name);
        if (!described.ok()) return done(Failure(described.status()));
        const auto lines = history->Last(call.args.value("lines", kModuleLines),
                                         {.module = name, .channel = "", .min_level = {}}, nullptr);
        done(Render(call.format, LinesJson(lines), [&] { return LinesText(lines); }));
      });
}

}  // namespace outpost::builtin
