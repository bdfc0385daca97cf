#include "outpost/internal/command_sender.h"

#include <utility>

#include "outpost/internal/wire.h"

namespace outpost::internal {

void CommandSender::Send(const ClusterCommand& command,
                         const std::function<void(grpc::ClientContext&)>& prepare,
                         Callback callback) {
  auto owner = std::make_unique<Sent>();
  Sent* const sent = owner.get();
  sent->request = ToProto(command);
  prepare(sent->context);
  std::vector<std::unique_ptr<Sent>> answered;  // destroyed without the lock
  {
    absl::MutexLock lock(&mu_);
    answered.swap(answered_);
    sent_.emplace(sent, std::move(owner));
  }
  stub_->async()->SendClusterCommand(
      &sent->context, &sent->request, &sent->response,
      [this, sent, callback = std::move(callback)](const grpc::Status& status) {
        if (status.ok()) {
          callback(FromProto(sent->response.result()));
        } else {
          callback(FromGrpcStatus(status));
        }
        absl::MutexLock lock(&mu_);
        const auto it = sent_.find(sent);
        answered_.push_back(std::move(it->second));
        sent_.erase(it);
      });
}

void CommandSender::Close() {
  absl::MutexLock lock(&mu_);
  for (const auto& [sent, owner] : sent_) sent->context.TryCancel();
  const auto none = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return sent_.empty(); };
  mu_.Await(absl::Condition(&none));
  answered_.clear();
}

}  // namespace outpost::internal
