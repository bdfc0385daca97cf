// Subscription is one stream of Notifications.Subscribe, with explicit acks.
//
// **Thread safety.** All methods may be called from any thread; none blocks.
//
// **Invariants.** The observer hears notifications in order, then OnEnded once,
// on gRPC's threads; nothing after that.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_SUBSCRIPTION_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_SUBSCRIPTION_H_

#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <memory>
#include <string>
#include <vector>

#include "outpost/v1/notifications.grpc.pb.h"

namespace outpost::internal {

class Subscription final : public grpc::ClientReadReactor<v1::SubscribeResponse>,
                           public std::enable_shared_from_this<Subscription> {
 public:
  // Outlives the subscription.
  class Observer {
   public:
    virtual ~Observer() = default;
    // Must not block. `subscription_id` is for the ack.
    virtual void OnNotification(uint64_t subscription_id, v1::Notification notification) = 0;
    // The observer lets go of `subscription` on a thread of its own; see
    // AttachStream::Observer::OnEnded.
    virtual void OnSubscriptionEnded(std::shared_ptr<Subscription> subscription,
                                     const grpc::Status& status) = 0;
  };

  static std::shared_ptr<Subscription> Start(v1::Notifications::Stub& stub,
                                             const std::string& session_key,
                                             const std::vector<std::string>& types,
                                             Observer* observer);

  void Cancel() { context_.TryCancel(); }

  // gRPC's.
  void OnReadDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

 private:
  explicit Subscription(Observer* observer) : observer_(observer) {}

  Observer* const observer_;
  grpc::ClientContext context_;
  v1::SubscribeRequest request_;
  v1::SubscribeResponse incoming_;      // of the pending read
  uint64_t id_ = 0;                     // gRPC's threads only, one at a time
  std::shared_ptr<Subscription> self_;  // until OnDone
};

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_SUBSCRIPTION_H_
