// A program, run as a shell would, with its output in hand.
//
// **Thread safety.** One thread at a time.
//
// **Invariants.**
// 1. The program does not outlive the Process, and no wait is longer than 30 s.
#ifndef OUTPOST_CLI_TESTING_PROCESS_H_
#define OUTPOST_CLI_TESTING_PROCESS_H_

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace outpost::cli {

// What a program left behind.
struct Outcome {
  int exit_status = -1;  // -1: ended by a signal
  std::string out;
  std::string err;
};

class Process {
 public:
  // Starts argv[0], a path, with `input` (no more than fits into a pipe) as its
  // standard input.
  explicit Process(std::vector<std::string> argv, absl::string_view input = "");
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void Signal(int signal);

  // Its next write to standard output gives EPIPE.
  void CloseStandardOutput();

  // Reads until standard output has `lines` lines; false when they don't come.
  bool WaitForLines(size_t lines);

  // Waits for its end. Once.
  Outcome Wait();

 private:
  // Reads until `done`, or both streams end; false, and the program is killed,
  // when that takes too long.
  bool ReadUntil(const std::function<bool()>& done);

  pid_t pid_ = -1;
  int out_ = -1;  // -1: ended
  int err_ = -1;  // -1: ended
  Outcome outcome_;
};

}  // namespace outpost::cli

#endif  // OUTPOST_CLI_TESTING_PROCESS_H_
