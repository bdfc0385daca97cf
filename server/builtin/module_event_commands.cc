// module events; and the same after `mgr`.
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "outpost/internal/event_text.h"
#include "server/builtin/builtin_commands.h"
#include "server/builtin/render.h"
#include "server/module/event_log.h"

namespace outpost::builtin {
namespace {

using command::BuiltinCall;
using command::ResultCallback;

std::vector<module::EventPtr> Last(const module::EventLog& events, const std::string& module,
                                   size_t limit) {
  std::vector<module::EventPtr> found;
  uint64_t missed = 0;
  uint64_t next = events.Start(module, limit, 0);
  while (module::EventPtr event = events.Read(&next, module, &missed)) {
    found.push_back(std::move(event));
  }
  return found;
}

}  // namespace

void AddModuleEventCommands(const Subjects& subjects, command::Dispatcher* dispatcher) {
  for (const std::string words : {"module", "mgr module"}) {
    dispatcher->AddBuiltin(
        {words + " events name=module,type=CephString,req=false "
                 "name=last,type=CephInt,range=1,req=false "
                 "name=detail,type=CephBool,req=false",
         "show what has happened to a module, or to all and the manager; with --detail, also "
         "what failed processes wrote, and tracebacks",
         "r"},
        [s = subjects](const BuiltinCall& call, ResultCallback done) {
          const std::string name = call.args.value("module", "");
          const size_t last = call.args.value("last", std::numeric_limits<size_t>::max());
          const std::vector<module::EventPtr> found = Last(*s.events, name, last);
          if (found.empty() && !name.empty()) {
            const auto described = s.modules->Describe(name);
            if (!described.ok()) return done(Failure(described.status()));
          }
          nlohmann::json data = nlohmann::json::array();
          for (const auto& event : found)
            data.push_back(nlohmann::json(internal::EventJson(*event)));
          done(Render(call.format, data, [&] {
            const bool detail = call.args.value("detail", false);
            return absl::StrJoin(found, "\n", [&](std::string* out, const module::EventPtr& event) {
              absl::StrAppend(out, internal::EventText(*event, detail));
            });
          }));
        });
  }
}

}  // namespace outpost::builtin
