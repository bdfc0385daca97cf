// What could be typed next: the global flags, the local commands, and, from the manager,
// every command, argument and choice.
//
// **Thread safety.** A blocking function.
#ifndef OUTPOST_CLI_COMPLETION_H_
#define OUTPOST_CLI_COMPLETION_H_

#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/client.h"
#include "cli/interrupt.h"

namespace outpost::cli {

struct Completions {
  std::vector<v1::Completion> words;  // each begins with what is typed
  // True: it is a file's name that is wanted, which the shell knows best.
  bool file = false;
};

// What could take the place of the last of `words`, which follow the program's name;
// without a manager, what is known without it. `defaults` are the flags that hold where
// the words have none. Takes two seconds at most.
Completions Complete(const std::vector<std::string>& words, const Arguments& defaults,
                     Interrupt* interrupt);

}  // namespace outpost::cli

#endif  // OUTPOST_CLI_COMPLETION_H_
