#include "outpost/internal/command_sender.h"

#include <utility>

#include "outpost/internal/wire.h"
#include "outpost/json.h"

namespace outpost::internal {

void CommandSender::Send(const ClusterCommand& command,
                         const std::function<void(grpc::ClientContext&)>& prepare,
                         Callback callback) {
  auto owner = std::make_unique<Sent>();
  Sent* const sent = owner.get();
  sent->request.set_service_type(command.service_type);
  sent->request.set_service_id(command.service_id);
  sent->request.set_command_json(
      command.command.dump(-1, ' ', false, Json::error_handler_t::replace));
  sent->request.set_inbuf(command.inbuf);
  sent->request.set_tag(command.tag);
  *sent->request.mutable_timeout() = ToProto(command.timeout);
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
