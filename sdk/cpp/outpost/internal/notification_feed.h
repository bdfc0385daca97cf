// NotificationFeed keeps a subscription to notifications alive while the module is
// attached.
//
// **Thread safety.** The session's driver calls the methods; `deliver` and `ended`
// run on gRPC's threads, `ended` with the feed's lock held.
//
// **Invariants.** There is at most one subscription at a time. After End returned,
// neither `deliver` nor `ended` runs.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_NOTIFICATION_FEED_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_NOTIFICATION_FEED_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "outpost/internal/backoff.h"
#include "outpost/internal/subscription.h"
#include "outpost/log.h"

namespace outpost::internal {

class NotificationFeed final : private Subscription::Observer {
 public:
  using Deliver = std::function<void(uint64_t subscription_id, v1::Notification notification)>;

  // `stub` outlives this. `ended`: Poll is to be called.
  NotificationFeed(v1::Notifications::Stub& stub, std::vector<std::string> types,
                   BackoffPolicy backoff, Logger log, Deliver deliver, std::function<void()> ended);

  // Subscribes, if there are types to hear of.
  void Start(std::string session_key);
  // Makes a subscription that ended again, when it is time for that.
  void Poll(absl::Time now);
  // When Poll has something to do; InfiniteFuture: not before `ended`.
  absl::Time due() const { return due_; }
  // Ends the subscription, and waits for that.
  void End();

 private:
  void OnNotification(uint64_t subscription_id, v1::Notification notification) override;
  void OnSubscriptionEnded(std::shared_ptr<Subscription> subscription,
                           const grpc::Status& status) override;
  void Subscribe();

  v1::Notifications::Stub& stub_;
  const std::vector<std::string> types_;
  const Logger log_;
  const Deliver deliver_;
  const std::function<void()> on_ended_;

  // The driver's own.
  std::string session_key_;
  Backoff backoff_;
  absl::Time due_ = absl::InfiniteFuture();

  absl::Mutex mu_;
  std::shared_ptr<Subscription> subscription_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<Subscription> ended_ ABSL_GUARDED_BY(mu_);  // the driver lets go of it
};

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_NOTIFICATION_FEED_H_
