#include "outpost/internal/reattach_policy.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "outpost/errors.h"

namespace outpost::internal {
namespace {

bool RefusalIsFinal(const absl::Status& status) {
  const std::string reason = ErrorReason(status);
  if (reason.empty()) {
    // Not from an Outpost manager, or an old one; a new try will not help either.
    return absl::IsInvalidArgument(status) || absl::IsAlreadyExists(status) ||
           absl::IsUnauthenticated(status) || absl::IsPermissionDenied(status) ||
           absl::IsFailedPrecondition(status) || absl::IsUnimplemented(status);
  }
  for (absl::string_view final_one : {"NAME_TAKEN", "COMMAND_TAKEN", "BAD_REGISTER", "BAD_TOKEN",
                                      "MODULE_DISABLED", "PROTOCOL_VERSION", "PROTOCOL_ERROR"}) {
    if (reason == final_one) return true;
  }
  return false;
}

}  // namespace

void ReattachPolicy::Attached(absl::Duration orphan_grace) {
  grace_ = orphan_grace;
  backoff_.Reset();
  outage_told_ = false;
}

std::optional<SessionOutcome> ReattachPolicy::StreamEnded(const absl::Status& status, bool reached,
                                                          absl::Time now) {
  const std::string reason = ErrorReason(status);
  if (RefusalIsFinal(status)) {
    return SessionOutcome{
        .exit_status = kExitRefused,
        .message = absl::StrCat(reason.empty() ? absl::StatusCodeToString(status.code()) : reason,
                                ": ", status.message())};
  }
  if (reached || reason == "NOT_ACTIVE") give_up_at_ = now + grace_;
  if (now < give_up_at_) return std::nullopt;
  return SessionOutcome{
      .exit_status = kExitNoManager,
      .message = absl::StrCat("no manager could be reached at ", address_, " for ",
                              absl::FormatDuration(grace_), ": ", status.message())};
}

absl::Time ReattachPolicy::NextTry(absl::Time now) {
  return std::min(now + backoff_.Next(), give_up_at_);
}

}  // namespace outpost::internal
