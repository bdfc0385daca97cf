// The lines that a person types at a terminal, edited with libedit.
//
// **Thread safety.** One thread at a time.
//
// **Invariants.**
// 1. Between two calls of Next() the terminal is as it was found.
#ifndef OUTPOST_CLI_TERMINAL_LINES_H_
#define OUTPOST_CLI_TERMINAL_LINES_H_

#include <histedit.h>

#include <memory>
#include <string>

#include "cli/history.h"
#include "cli/interrupt.h"
#include "cli/lines.h"

namespace outpost::cli {

class TerminalLines : public Lines {
 public:
  TerminalLines(const std::string& history_file, Completer completer, Interrupt* interrupt);
  ~TerminalLines() override;

  Read Next(const std::string& prompt, std::string* line) override;
  bool is_terminal() const override { return true; }

 private:
  // libedit calls these; it keeps `this` for them.
  static int ReadCharacter(EditLine* edit, wchar_t* character);
  static unsigned char Complete(EditLine* edit, int key);
  static char* Prompt(EditLine* edit);
  static TerminalLines* Self(EditLine* edit);

  unsigned char Complete();
  void Insert(const std::string& typed, const std::string& text);

  const Completer completer_;
  Interrupt* const interrupt_;
  TypedHistory history_;
  std::string prompt_;
  bool ended_ = false;
  EditLine* const edit_;
};

}  // namespace outpost::cli

#endif  // OUTPOST_CLI_TERMINAL_LINES_H_
