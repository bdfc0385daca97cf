// The words of a line, as a POSIX shell would split it: quotes, backslashes, and a
// comment from a "#" that begins a word.
//
// **Thread safety.** Functions of their arguments.
#ifndef OUTPOST_CLI_WORDS_H_
#define OUTPOST_CLI_WORDS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace outpost::cli {

// The words of a whole line. INVALID_ARGUMENT: a quote is not closed, or nothing
// follows the last backslash.
absl::StatusOr<std::vector<std::string>> SplitWords(absl::string_view line);

// The words of a line that is still being typed.
struct UnfinishedLine {
  std::vector<std::string> words;  // the last is unfinished; empty where a new word begins
  size_t last_at = 0;              // where the last word begins in the line, quotes included
};
UnfinishedLine SplitUnfinished(absl::string_view line);

// `word` so that a shell reads it as one word, unchanged.
std::string QuoteWord(absl::string_view word);

}  // namespace outpost::cli

#endif  // OUTPOST_CLI_WORDS_H_
