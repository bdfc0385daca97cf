// How large the terminal is.
//
// **Thread safety.** Functions of the environment.
#ifndef OUTPOST_CLI_TERMINAL_H_
#define OUTPOST_CLI_TERMINAL_H_

namespace outpost::cli {

struct TerminalSize {
  int columns = 80;
  int rows = 25;
};

// The size of the terminal that standard output is; else COLUMNS and LINES; else
// 80 by 25.
TerminalSize GetTerminalSize();

}  // namespace outpost::cli

#endif  // OUTPOST_CLI_TERMINAL_H_
