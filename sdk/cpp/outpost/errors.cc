#include "outpost/errors.h"

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "outpost/internal/status_errno.h"
#include "outpost/json.h"

namespace outpost {
namespace {

constexpr char kErrnoPayload[] = "outpost/errno";
constexpr char kReasonPayload[] = "outpost/reason";
constexpr char kRemotePayload[] = "outpost/remote";

std::optional<std::string> Payload(const absl::Status& status, absl::string_view key) {
  const auto payload = status.GetPayload(key);
  if (!payload.has_value()) return std::nullopt;
  return std::string(*payload);
}

}  // namespace

int ToErrno(const absl::Status& status) {
  int value = 0;
  if (const auto text = Payload(status, kErrnoPayload); text && absl::SimpleAtoi(*text, &value)) {
    return value;
  }
  return internal::ErrnoOf(status.code());
}

absl::Status WithErrno(absl::Status status, int errno_value) {
  status.SetPayload(kErrnoPayload, absl::Cord(absl::StrCat(errno_value)));
  return status;
}

std::string ErrorReason(const absl::Status& status) {
  return Payload(status, kReasonPayload).value_or("");
}

std::optional<RemoteFailure> GetRemoteFailure(const absl::Status& status) {
  const auto text = Payload(status, kRemotePayload);
  if (!text) return std::nullopt;
  const Json json = Json::parse(*text, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  return RemoteFailure{.kind = json.value("kind", ""),
                       .type = json.value("type", ""),
                       .message = json.value("message", ""),
                       .traceback = json.value("traceback", "")};
}

namespace internal {

absl::Status WithReason(absl::Status status, absl::string_view reason) {
  if (!reason.empty()) status.SetPayload(kReasonPayload, absl::Cord(reason));
  return status;
}

absl::Status RemoteFailureStatus(absl::string_view module, absl::string_view method,
                                 const RemoteFailure& failure) {
  const bool missing = failure.kind == "METHOD_NOT_FOUND";
  absl::Status status(missing ? absl::StatusCode::kNotFound : absl::StatusCode::kUnknown,
                      missing ? absl::StrCat(module, ".", method, ": ", failure.message)
                              : absl::StrCat(module, ".", method, " failed: ", failure.type,
                                             failure.type.empty() ? "" : ": ", failure.message));
  const Json json = {{"kind", failure.kind},
                     {"type", failure.type},
                     {"message", failure.message},
                     {"traceback", failure.traceback}};
  status.SetPayload(kRemotePayload,
                    absl::Cord(json.dump(-1, ' ', false, Json::error_handler_t::replace)));
  return status;
}

}  // namespace internal
}  // namespace outpost
