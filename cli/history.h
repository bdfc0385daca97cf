// What was typed at a terminal, kept in a file between programs.
//
// **Thread safety.** One thread at a time; programs at the same file add to it a line each.
//
// **Invariants.**
// 1. The file is its owner's alone (mode 0600), and so is its directory if it is made here.
// 2. A line that begins with a space is in no file, and neither is a repetition of the last.
#ifndef OUTPOST_CLI_HISTORY_H_
#define OUTPOST_CLI_HISTORY_H_

#include <histedit.h>

#include <string>

namespace outpost::cli {

class TypedHistory {
 public:
  // Reads what `file` has; what can't be read is left out. Empty: nothing is kept.
  explicit TypedHistory(std::string file);
  ~TypedHistory();
  TypedHistory(const TypedHistory&) = delete;
  TypedHistory& operator=(const TypedHistory&) = delete;

  void Add(const std::string& line);

  // For libedit, which moves in it.
  History* handle() const { return history_; }

 private:
  void Load();

  const std::string file_;
  History* const history_;
  std::string last_;
};

}  // namespace outpost::cli

#endif  // OUTPOST_CLI_HISTORY_H_
