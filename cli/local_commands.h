// The commands that this program itself knows, because they are streams and not
// one answer. They come before the manager's.
//
// **Thread safety.** Constants and blocking functions.
#ifndef OUTPOST_CLI_LOCAL_COMMANDS_H_
#define OUTPOST_CLI_LOCAL_COMMANDS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "cli/arguments.h"
#include "cli/client.h"
#include "cli/failure.h"
#include "cli/files.h"
#include "cli/interrupt.h"

namespace outpost::cli {

struct LocalCommand {
  const char* name;         // the first word
  const char* usage;        // "notify [<types>...]"
  const char* description;  // a sentence
  // Does it; arguments.words[0] is `name`.
  std::optional<Failure> (*run)(const Arguments& arguments, Client* client,
                                const Interrupt& interrupt, Output* output);
};

absl::Span<const LocalCommand> LocalCommands();

// The local command that `words` are, or nullptr.
const LocalCommand* FindLocalCommand(const std::vector<std::string>& words);

}  // namespace outpost::cli

#endif  // OUTPOST_CLI_LOCAL_COMMANDS_H_
