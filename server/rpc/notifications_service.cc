#include "server/rpc/notifications_service.h"

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "server/event/proto_time.h"
#include "server/rpc/finish.h"
#include "server/rpc/identity.h"
#include "server/rpc/refused_stream.h"
#include "server/text/nearest.h"

namespace outpost::rpc {
namespace {

using RefusedSubscription = RefusedStream<v1::SubscribeResponse>;

// The types that exist whether or not the source has such a structure yet.
const std::set<std::string>& StandardTypes() {
  static const auto* const types = new std::set<std::string>{
      "clog",       "command",     "config",
      "fs_map",     "health",      "mgr_map",
      "mon_map",    "osd_map",     "perf_schema_update",
      "pg_summary", "service_map",
  };
  return *types;
}

// The types that `request` means; INVALID_ARGUMENT names an unknown one.
absl::StatusOr<std::set<std::string>> Types(const v1::SubscribeRequest& request,
                                            const cluster::ClusterState& cluster) {
  std::set<std::string> known = StandardTypes();
  for (const auto& entry : cluster.List()) known.insert(entry.snapshot->name);
  if (request.types().empty()) {
    known.erase("command");  // goes to the sender of a command alone
    return known;
  }
  for (const std::string& type : request.types()) {
    if (known.count(type) > 0) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("there are no notifications of type \"", type, "\"",
                     text::DidYouMean(text::Nearest(type, {known.begin(), known.end()}, 1))));
  }
  return std::set<std::string>(request.types().begin(), request.types().end());
}

// Writes what its subscription has, one message at a time.
class SubscribeReactor final : public grpc::ServerWriteReactor<v1::SubscribeResponse> {
 public:
  SubscribeReactor(std::shared_ptr<notify::Subscription> subscription, bool explicit_acks)
      : subscription_(std::move(subscription)), explicit_acks_(explicit_acks) {
    v1::Subscribed& subscribed = *current_.mutable_subscribed();
    subscribed.set_subscription_id(subscription_->id());
    for (const std::string& type : subscription_->types()) subscribed.add_types(type);
    {
      absl::MutexLock lock(&mu_);
      writing_ = true;
      StartWrite(&current_);
    }
    subscription_->Open([this] { WriteNext(); });
  }

  void OnWriteDone(bool ok) override {
    uint64_t written = 0;
    {
      absl::MutexLock lock(&mu_);
      writing_ = false;
      if (!ok) return End();
      if (current_.has_notification()) written = current_.notification().sequence();
    }
    if (written != 0 && !explicit_acks_) subscription_->Acknowledge(written);
    WriteNext();
  }

  void OnCancel() override {
    absl::MutexLock lock(&mu_);
    if (!writing_) End();  // else the write fails, and ends it
  }

  void OnDone() override {
    subscription_->Close();  // after this nobody calls WriteNext
    delete this;
  }

 private:
  void WriteNext() {
    absl::MutexLock lock(&mu_);
    if (writing_ || ended_) return;
    auto next = subscription_->Next();
    if (!next) return;
    *current_.mutable_notification() = *std::move(next);
    writing_ = true;
    StartWrite(&current_);
  }

  void End() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (std::exchange(ended_, true)) return;
    Finish(grpc::Status::CANCELLED);
  }

  const std::shared_ptr<notify::Subscription> subscription_;
  const bool explicit_acks_;
  absl::Mutex mu_;
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
  v1::SubscribeResponse current_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

grpc::ServerWriteReactor<v1::SubscribeResponse>* NotificationsService::Subscribe(
    grpc::CallbackServerContext* context, const v1::SubscribeRequest* request) {
  const Caller& caller = CallerOf(*context);
  absl::StatusOr<std::set<std::string>> types = Types(*request, *cluster_);
  if (!types.ok()) return new RefusedSubscription(types.status());
  if (const absl::Status refused = Admit(*context); !refused.ok()) {
    return TooManyStreams<grpc::ServerWriteReactor<v1::SubscribeResponse>>(refused);
  }
  return new SubscribeReactor(
      hub_->Subscribe(caller.name, *std::move(types), request->explicit_acks()),
      request->explicit_acks());
}

grpc::ServerUnaryReactor* NotificationsService::Acknowledge(grpc::CallbackServerContext* context,
                                                            const v1::AcknowledgeRequest* request,
                                                            v1::AcknowledgeResponse*) {
  const Caller& caller = CallerOf(*context);
  const auto subscription = hub_->Find(request->ack().subscription_id());
  if (subscription == nullptr || subscription->owner() != caller.name) {
    return FinishNow(
        context, absl::NotFoundError(absl::StrCat("subscription ", request->ack().subscription_id(),
                                                  " has ended; subscribe again")));
  }
  subscription->Acknowledge(request->ack().sequence());
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* NotificationsService::ListSubscriptions(
    grpc::CallbackServerContext* context, const v1::ListSubscriptionsRequest* request,
    v1::ListSubscriptionsResponse* response) {
  for (const auto& subscription : hub_->Subscriptions()) {
    if (!request->module().empty() &&
        subscription->owner() != absl::StrCat("module/", request->module())) {
      continue;
    }
    const notify::Subscription::Depth depth = subscription->depth();
    v1::SubscriptionInfo& info = *response->add_subscriptions();
    info.set_subscription_id(subscription->id());
    info.set_owner(subscription->owner());
    for (const std::string& type : subscription->types()) info.add_types(type);
    info.set_explicit_acks(subscription->explicit_acks());
    *info.mutable_since() = event::ToProto(subscription->since());
    info.set_waiting(depth.waiting);
    info.set_unacknowledged(depth.unacknowledged);
    info.set_sent(depth.sent);
    info.set_missed(depth.missed);
    info.set_coalesced(depth.coalesced);
    if (depth.lag > absl::ZeroDuration()) *info.mutable_lag() = event::ToProto(depth.lag);
  }
  return FinishNow(context, grpc::Status::OK);
}

}  // namespace outpost::rpc
