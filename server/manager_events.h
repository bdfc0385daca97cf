// The manager's own part of what module::EventLog keeps.
#ifndef OUTPOST_SERVER_MANAGER_EVENTS_H_
#define OUTPOST_SERVER_MANAGER_EVENTS_H_

#include <string>

#include "outpost/v1/health.pb.h"
#include "outpost/v1/manager.pb.h"
#include "server/module/event_log.h"

namespace outpost {

// The manager has started, or ends; `version` is its own ("outpost 0.1.0").
void TellOfManager(v1::EventKind kind, const std::string& version, module::EventLog* events);

// A health check of a module's, or of the manager's, came, changed or went.
void TellOfHealth(const v1::HealthEvent& event, module::EventLog* events);

}  // namespace outpost

#endif  // OUTPOST_SERVER_MANAGER_EVENTS_H_
