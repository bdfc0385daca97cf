// How errors travel: an absl::Status inside a program, an errno as the outcome
// of a command, a reason in what the manager answers.
//
// **Thread safety.** All functions may be called from any thread.
#ifndef OUTPOST_SDK_CPP_OUTPOST_ERRORS_H_
#define OUTPOST_SDK_CPP_OUTPOST_ERRORS_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace outpost {

// The (positive) errno that a command returns for `status`; 0 for OK. An errno
// that the status carries (see WithErrno; the manager's errors often do) comes
// first, else it is the nearest to the status code: NOT_FOUND is ENOENT,
// INVALID_ARGUMENT is EINVAL, …
int ToErrno(const absl::Status& status);

// `status` with an errno of one's choice (positive).
absl::Status WithErrno(absl::Status status, int errno_value);

// The reason that the manager gave beside an error, e.g. "MODULE_NOT_ENABLED"
// (the services' .proto files list them); empty where it gave none.
std::string ErrorReason(const absl::Status& status);

// How a method that was called by Module::Remote failed in the other module.
struct RemoteFailure {
  std::string kind;       // "METHOD_NOT_FOUND", "RAISED", "NOT_JSON"
  std::string type;       // of the exception, in the callee's language
  std::string message;    // of the exception
  std::string traceback;  // several lines; may be empty
};

// The failure in the other module; nullopt where `status` is something else.
std::optional<RemoteFailure> GetRemoteFailure(const absl::Status& status);

namespace internal {

absl::Status WithReason(absl::Status status, absl::string_view reason);
absl::Status RemoteFailureStatus(absl::string_view module, absl::string_view method,
                                 const RemoteFailure& failure);

}  // namespace internal
}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_ERRORS_H_
