// Where the lines of a conversation come from: a terminal, with editing, history and
// completion; or a pipe or a file, as they are.
//
// Editing is libedit's: a small C library of the BSDs, in every distribution, whose licence
// fits this program's (readline's does not).
//
// **Thread safety.** One thread at a time.
#ifndef OUTPOST_CLI_LINES_H_
#define OUTPOST_CLI_LINES_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "cli/interrupt.h"

namespace outpost::cli {

class Lines {
 public:
  enum class Read {
    kLine,
    kInterrupted,  // a signal came; the caller looks which, and makes Interrupt forget it
    kEnd,
  };

  virtual ~Lines() = default;

  // Gives the next line, without its newline. A terminal shows `prompt` before it.
  virtual Read Next(const std::string& prompt, std::string* line) = 0;

  // Whether a person types them.
  virtual bool is_terminal() const = 0;
};

// What the Tab key offers.
struct Completing {
  struct Candidate {
    std::string text;         // what takes the place of what is typed from `begin` on
    std::string description;  // may be empty
  };
  size_t begin = 0;  // in the part of the line before the cursor, in bytes
  std::vector<Candidate> candidates = {};
  // Follows a candidate when it is the only one.
  std::string after = " ";
};
using Completer = std::function<Completing(absl::string_view before_cursor)>;

// The lines of standard input; of a terminal, if both it and standard output are one.
// `history_file` keeps what is typed between programs, for its owner alone; empty: nothing is
// kept. `interrupt` outlives what is returned.
std::unique_ptr<Lines> OpenLines(const std::string& history_file, Completer completer,
                                 Interrupt* interrupt);

// "<$XDG_STATE_HOME or ~/.local/state>/outpost/<name>"; empty without a home.
std::string HistoryFile(absl::string_view name);

}  // namespace outpost::cli

#endif  // OUTPOST_CLI_LINES_H_
