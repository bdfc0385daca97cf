// progress, progress json, progress clear.
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/builtin/builtin_commands.h"
#include "server/builtin/progress_text.h"
#include "server/builtin/render.h"
#include "server/event/proto_time.h"

namespace outpost::builtin {
namespace {

using command::BuiltinCall;
using command::ResultCallback;
using google::protobuf::util::TimeUtil;
using nlohmann::json;

constexpr size_t kBarWidth = 28;  // characters

std::string Seconds(absl::Duration duration) {
  return absl::StrCat(absl::ToInt64Seconds(duration), "s");
}

json EventJson(const v1::ProgressEvent& event) {
  json data = {{"id", event.id()},
               {"message", event.message()},
               {"progress", event.progress()},
               {"add_to_ceph_s", event.in_status()},
               {"module", event.source()},
               {"started_at", TimeUtil::ToString(event.started())}};
  if (event.has_completed()) data["finished_at"] = TimeUtil::ToString(event.completed());
  return data;
}

std::string CompletedText(const std::vector<v1::ProgressEvent>& events) {
  std::string text;
  for (const auto& event : events) {
    absl::StrAppend(
        &text, text.empty() ? "" : "\n", "[Complete]: ", event.message(), " (",
        Seconds(event::FromProto(event.completed()) - event::FromProto(event.started())), ")");
  }
  return text;
}

json AllJson(const progress::ProgressRegistry& progress) {
  json events = json::array();
  json completed = json::array();
  for (const auto& event : progress.Events()) events.push_back(EventJson(event));
  for (const auto& event : progress.Completed()) completed.push_back(EventJson(event));
  return {{"events", std::move(events)}, {"completed", std::move(completed)}};
}

}  // namespace

json ProgressJson(const std::vector<v1::ProgressEvent>& events) {
  json data = json::object();
  for (const auto& event : events) data[event.id()] = EventJson(event);
  return data;
}

std::string ProgressText(const std::vector<v1::ProgressEvent>& events, bool in_status) {
  std::string text;
  for (const auto& event : events) {
    if (in_status && !event.in_status()) continue;
    absl::StrAppend(
        &text, text.empty() ? "" : "\n", "    ", event.message(), " (",
        Seconds(std::max(absl::Now() - event::FromProto(event.started()), absl::ZeroDuration())),
        ")\n      ", progress::Bar(event.progress(), kBarWidth));
  }
  return text;
}

// Ceph's module `progress` may provide them instead: its view of the cluster is another one.
void AddProgressCommands(const Subjects& subjects, command::Dispatcher* dispatcher) {
  progress::ProgressRegistry* const progress = subjects.progress;
  dispatcher->AddBuiltin(
      {.signature = "progress",
       .description = "show how far the modules' long work is, and what was done",
       .permissions = "r",
       .yields = true},
      [progress](const BuiltinCall& call, ResultCallback done) {
        done(Render(call.format, AllJson(*progress), [&] {
          std::string text = ProgressText(progress->Events(), /*in_status=*/false);
          const std::string completed = CompletedText(progress->Completed());
          if (text.empty() && completed.empty()) return std::string("Nothing in progress");
          return absl::StrCat(text, text.empty() || completed.empty() ? "" : "\n", completed);
        }));
      });
  dispatcher->AddBuiltin({.signature = "progress json",
                          .description = "show all progress as JSON",
                          .permissions = "r",
                          .yields = true},
                         [progress](const BuiltinCall&, ResultCallback done) {
                           done(Render("json-pretty", AllJson(*progress), nullptr));
                         });
  dispatcher->AddBuiltin({.signature = "progress clear",
                          .description = "forget all work that goes on",
                          .permissions = "rw",
                          .yields = true},
                         [progress](const BuiltinCall&, ResultCallback done) {
                           progress->Clear("");
                           done({});
                         });
}

}  // namespace outpost::builtin
