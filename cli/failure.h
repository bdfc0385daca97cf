// Why something did not work, ready to be printed and to be an exit status.
//
// **Thread safety.** Plain values and functions of their arguments.
#ifndef OUTPOST_CLI_FAILURE_H_
#define OUTPOST_CLI_FAILURE_H_

#include <string>

#include "absl/strings/string_view.h"

namespace outpost::cli {

struct Failure {
  int exit_status = 1;
  // For standard error, without a newline at the end. Empty: there is nothing to
  // say (the user interrupted; the reader of a pipe went away).
  std::string text;
};

// "ENOENT" for 2; the number for an errno without a name.
std::string ErrnoName(int error);

// "Error ENOENT: <message>", with exit status 2; a message that is empty becomes
// what strerror says. `error` is a positive errno.
Failure ErrnoFailure(int error, absl::string_view message);

// What a shell reports for a program that a signal ended.
Failure SignalFailure(int signal);

}  // namespace outpost::cli

#endif  // OUTPOST_CLI_FAILURE_H_
