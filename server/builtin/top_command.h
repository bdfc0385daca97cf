// top: what each module's process uses.
//
// **Thread safety.** To be called once, while nothing runs yet; the command itself may be
// run by many at once.
#ifndef OUTPOST_SERVER_BUILTIN_TOP_COMMAND_H_
#define OUTPOST_SERVER_BUILTIN_TOP_COMMAND_H_

#include "server/builtin/builtin_commands.h"

namespace outpost::builtin {

void AddTopCommand(const Subjects& subjects, command::Dispatcher* dispatcher);

}  // namespace outpost::builtin

#endif  // OUTPOST_SERVER_BUILTIN_TOP_COMMAND_H_
