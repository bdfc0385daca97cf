// The commands that this program itself knows, because they are streams and
// conversations and not one answer. They come before the manager's.
//
// **Thread safety.** Constants and blocking functions.
#ifndef OUTPOST_CLI_LOCAL_COMMANDS_H_
#define OUTPOST_CLI_LOCAL_COMMANDS_H_

#include <optional>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/client.h"
#include "cli/failure.h"
#include "cli/files.h"
#include "cli/interrupt.h"

namespace outpost::cli {

// What a local command works with.
struct LocalCall {
  const Arguments& arguments;  // words[0] is the command's name
  Client* client;
  Interrupt* interrupt;
  Output* output;
  // Does what one command line asks for, as if it were this program's.
  std::optional<Failure> (*dispatch)(const Arguments& arguments, Interrupt* interrupt);
};

struct LocalCommand {
  const char* name;                    // the first word
  const char* usage;                   // "notify [<types>...]"
  const char* description;             // a sentence
  std::vector<const char*> arguments;  // words that may follow, for completion
  std::optional<Failure> (*run)(const LocalCall& call);
};

const std::vector<LocalCommand>& LocalCommands();

// The local command that `words` are, or nullptr.
const LocalCommand* FindLocalCommand(const std::vector<std::string>& words);

}  // namespace outpost::cli

#endif  // OUTPOST_CLI_LOCAL_COMMANDS_H_
