// `outpost repl`: Python, typed here and run within a module.
//
// The module is asked with a command that takes source text as its input and runs it as one
// statement of an interactive interpreter: `mgr self-test eval` of module selftest, or one
// like it. It answers with what was printed, and with the retval 0, 1 (an exception was
// raised; its traceback is on stderr) or 2 (the statement goes on in the next line).
//
// **Thread safety.** Blocking; one thread at a time.
#ifndef OUTPOST_CLI_REPL_H_
#define OUTPOST_CLI_REPL_H_

#include <optional>

#include "cli/failure.h"
#include "cli/local_commands.h"

namespace outpost::cli {

// At a terminal a conversation with history and completion, until ^D or exit(); else runs
// the code after -c, the script that is named, or standard input, and fails with exit status
// 1 if that raises. With --show-env, prints the environment in which the module's packages
// can be imported.
std::optional<Failure> Repl(const LocalCall& call);

}  // namespace outpost::cli

#endif  // OUTPOST_CLI_REPL_H_
