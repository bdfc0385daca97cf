// `outpost completion bash|zsh`: what makes a shell ask this program for completions.
//
// **Thread safety.** Blocking; one thread at a time.
#ifndef OUTPOST_CLI_COMPLETION_SCRIPTS_H_
#define OUTPOST_CLI_COMPLETION_SCRIPTS_H_

#include <optional>

#include "cli/failure.h"
#include "cli/local_commands.h"

namespace outpost::cli {

// Prints the script for a shell. The scripts come back with `completion for-bash LINE WORD`
// (what is typed before the cursor, and the part of its last word that bash will replace) and
// `completion for-zsh WORD...` (the words after the program's name). Then the first line of
// the answer is "words" or "files", and what follows are the candidates, a line each; for zsh
// each is "<word>:<description>" with the word's colons escaped.
std::optional<Failure> Completion(const LocalCall& call);

}  // namespace outpost::cli

#endif  // OUTPOST_CLI_COMPLETION_SCRIPTS_H_
