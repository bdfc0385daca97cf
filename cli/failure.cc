#include "cli/failure.h"

#include <errno.h>
#include <string.h>

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace outpost::cli {
namespace {

constexpr int kLargestExitStatus = 255;
constexpr int kSignalExitStatus = 128;

}  // namespace

std::string ErrnoName(int error) {
  // Linux has one number for two names, and Ceph's command line prints this one.
  if (error == ENOTSUP) return "ENOTSUP";
  const char* name = strerrorname_np(error);
  return name == nullptr ? absl::StrCat(error) : name;
}

Failure ErrnoFailure(int error, absl::string_view message) {
  while (!message.empty() && message.back() == '\n') message.remove_suffix(1);
  const char* description = strerrordesc_np(error);
  if (message.empty()) message = description == nullptr ? "unknown error" : description;
  return {.exit_status = std::clamp(error, 1, kLargestExitStatus),
          .text = absl::StrCat("Error ", ErrnoName(error), ": ", message)};
}

Failure SignalFailure(int signal) {
  return {.exit_status = kSignalExitStatus + signal, .text = ""};
}

}  // namespace outpost::cli
