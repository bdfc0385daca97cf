// CommandResult is what a command gives back: 0 or a negative errno, the output,
// and what there is to say beside it.
#ifndef OUTPOST_SDK_CPP_OUTPOST_COMMAND_RESULT_H_
#define OUTPOST_SDK_CPP_OUTPOST_COMMAND_RESULT_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "outpost/errors.h"

namespace outpost {

struct CommandResult {
  int retval = 0;   // 0, or a negative errno
  std::string out;  // the output; bytes that are not UTF-8 are fine
  std::string err;  // a warning, or the error; bytes that are not UTF-8 become '?'

  CommandResult() = default;
  CommandResult(int retval_in, std::string out_in, std::string err_in)
      : retval(retval_in), out(std::move(out_in)), err(std::move(err_in)) {}

  // A handler may return a status or a StatusOr of the output: an error becomes
  // its errno (see ToErrno) and its message.
  CommandResult(const absl::Status& status)  // NOLINT(google-explicit-constructor)
      : retval(-ToErrno(status)), err(status.message()) {}
  CommandResult(absl::StatusOr<std::string> text)  // NOLINT(google-explicit-constructor)
      : CommandResult(text.ok() ? Ok(*std::move(text)) : CommandResult(text.status())) {}

  static CommandResult Ok(std::string text = "", std::string note = "") {
    return CommandResult(0, std::move(text), std::move(note));
  }
  // `errno_value` is positive: EINVAL.
  static CommandResult Error(int errno_value, std::string text) {
    return CommandResult(-errno_value, "", std::move(text));
  }
};

}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_COMMAND_RESULT_H_
