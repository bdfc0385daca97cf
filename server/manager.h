// The manager, from its start to its end. Nothing else knows all of its parts.
#ifndef OUTPOST_SERVER_MANAGER_H_
#define OUTPOST_SERVER_MANAGER_H_

#include <signal.h>

#include "absl/status/status.h"
#include "server/settings.h"

namespace outpost {

// Makes and joins the parts, serves until one of `signals` comes, and ends what it started. SIGHUP
// does not end it: its log files are opened again. All of `signals` must be blocked in every
// thread. Errors say why it can't be started; DATA_LOSS: the store is damaged.
absl::Status RunManager(const Settings& settings, const sigset_t& signals);

}  // namespace outpost

#endif  // OUTPOST_SERVER_MANAGER_H_
