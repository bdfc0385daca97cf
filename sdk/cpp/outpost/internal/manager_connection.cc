#include "outpost/internal/manager_connection.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/time/clock.h"
#include "outpost/call_context.h"
#include "outpost/internal/manager_stubs.h"

namespace outpost::internal {

void ManagerConnection::Connect(const std::shared_ptr<grpc::Channel>& channel) {
  absl::MutexLock lock(&mu_);
  stubs_ = std::make_shared<ManagerStubs>(channel);
}

void ManagerConnection::Disconnect() {
  std::shared_ptr<ManagerStubs> stubs;  // goes without the lock
  absl::MutexLock lock(&mu_);
  stubs.swap(stubs_);
}

void ManagerConnection::SetIdentity(Identity identity) {
  absl::MutexLock lock(&mu_);
  identity_ = std::move(identity);
}

Identity ManagerConnection::identity() const {
  absl::MutexLock lock(&mu_);
  return identity_;
}

absl::StatusOr<std::shared_ptr<ManagerStubs>> ManagerConnection::stubs() const {
  absl::MutexLock lock(&mu_);
  if (stubs_ == nullptr) {
    return absl::FailedPreconditionError(
        "the module is not attached to a manager: call this from Start, Serve, a command or "
        "another hook, not from the constructor");
  }
  return stubs_;
}

void ManagerConnection::Prepare(grpc::ClientContext& context, absl::Duration timeout) const {
  absl::Time deadline = absl::Now() + timeout;
  if (const CallState* call = ScopedCall::Current()) deadline = std::min(deadline, call->deadline);
  context.set_deadline(absl::ToChronoTime(deadline));
  absl::MutexLock lock(&mu_);
  context.AddMetadata("outpost-session", identity_.session_key);
}

}  // namespace outpost::internal
