#include "server/manager_events.h"

#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/host_address.h"
#include "server/module/installed_modules.h"

namespace outpost {

void TellOfManager(v1::EventKind kind, const std::string& version, module::EventLog* events) {
  module::Event told;
  told.set_kind(kind);
  told.set_version(version);
  told.set_pid(getpid());
  told.set_host(HostName());
  events->Add(std::move(told));
}

void TellOfHealth(const v1::HealthEvent& event, module::EventLog* events) {
  module::Event told;
  const v1::HealthCheck& check = event.check();
  // What is not a module has a name that no module may have.
  if (module::ValidateModuleName(check.source()).ok()) told.set_module(check.source());
  told.set_kind(event.cleared() ? v1::EVENT_KIND_HEALTH_CLEARED : v1::EVENT_KIND_HEALTH_RAISED);
  told.set_message(absl::StrCat(check.code(), ": ", check.summary()));
  events->Add(std::move(told));
}

}  // namespace outpost
