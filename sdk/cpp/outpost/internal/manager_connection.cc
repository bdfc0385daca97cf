#include "outpost/internal/manager_connection.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "outpost/call_context.h"
#include "outpost/internal/manager_stubs.h"
#include "outpost/internal/steady_wait.h"

namespace outpost::internal {
namespace {

constexpr absl::Duration kLongest = absl::Hours(24 * 365);  // what is longer has no deadline

}  // namespace

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
  if (const CallState* call = ScopedCall::Current()) {
    timeout = std::min(timeout, call->deadline - SteadyNow());
  }
  // Not from absl::Now(), which for two seconds does not know that the clock was set; gRPC does.
  if (timeout < kLongest) {
    context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMicroseconds(timeout));
  }
  absl::MutexLock lock(&mu_);
  context.AddMetadata("outpost-session", identity_.session_key);
}

}  // namespace outpost::internal
