#include "tests/bench/subscribers.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "outpost/v1/module_host.grpc.pb.h"
#include "outpost/v1/notifications.grpc.pb.h"
#include "tests/bench/attached_session.h"
#include "tests/bench/servers.h"

namespace outpost::bench {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(60);

// What one heard: a version, when it came to be, and when it was heard of.
struct Heard {
  uint64_t version = 0;
  absl::Time changed;
  absl::Time heard;
};

class Subscriber final : public grpc::ClientReadReactor<v1::SubscribeResponse> {
 public:
  Subscriber(v1::Notifications::Stub* stub, AttachedSession* session, bool stuck)
      : session_(session), stuck_(stuck) {
    const std::string key = session->AwaitKey();
    if (key.empty()) Die("a session is refused");
    context_.AddMetadata("outpost-session", key);
    request_.add_types("osd_map");
    request_.set_explicit_acks(true);
    stub->async()->Subscribe(&context_, &request_, this);
    StartRead(&incoming_);
    StartCall();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    if (incoming_.has_subscribed()) {
      absl::MutexLock lock(&mu_);
      id_ = incoming_.subscribed().subscription_id();
      if (stuck_) return;  // and reads no more
    } else {
      const v1::Notification& notification = incoming_.notification();
      v1::AttachRequest ack;
      ack.mutable_notification_ack()->set_sequence(notification.sequence());
      absl::MutexLock lock(&mu_);
      ack.mutable_notification_ack()->set_subscription_id(id_);
      heard_.push_back({notification.version(),
                        absl::FromUnixSeconds(notification.time().seconds()) +
                            absl::Nanoseconds(notification.time().nanos()),
                        absl::Now()});
      session_->Send(std::move(ack));
    }
    incoming_.Clear();
    StartRead(&incoming_);
  }

  void OnDone(const grpc::Status&) override {
    absl::MutexLock lock(&mu_);
    done_ = true;
  }

  uint64_t AwaitId() {
    const auto there = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return id_ != 0 || done_; };
    absl::MutexLock lock(&mu_);
    mu_.AwaitWithTimeout(absl::Condition(&there), kPatience);
    if (id_ == 0) Die("a subscription is refused");
    return id_;
  }

  std::vector<Heard> End() {
    context_.TryCancel();
    absl::MutexLock lock(&mu_);
    mu_.Await(absl::Condition(&done_));
    return std::move(heard_);
  }

 private:
  AttachedSession* const session_;
  const bool stuck_;
  grpc::ClientContext context_;
  v1::SubscribeRequest request_;
  v1::SubscribeResponse incoming_;
  absl::Mutex mu_;
  uint64_t id_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<Heard> heard_ ABSL_GUARDED_BY(mu_);
  bool done_ ABSL_GUARDED_BY(mu_) = false;
};

void TellLags(v1::Notifications::Stub* stub, uint64_t stuck, Fanout* fanout) {
  grpc::ClientContext context;
  v1::ListSubscriptionsResponse response;
  const grpc::Status status = stub->ListSubscriptions(&context, {}, &response);
  if (!status.ok()) Die(absl::StrCat("ListSubscriptions: ", status.error_message()));
  for (const auto& info : response.subscriptions()) {
    const double lag = static_cast<double>(info.lag().seconds()) + info.lag().nanos() * 1e-9;
    double& of = info.subscription_id() == stuck ? fanout->stuck_lag_s : fanout->longest_lag_s;
    of = std::max(of, lag);
  }
}

void Evaluate(const std::vector<std::vector<Heard>>& all, Fanout* fanout) {
  std::map<uint64_t, absl::Time> changes;  // of each version that somebody heard of
  for (const auto& heard : all) {
    fanout->received += heard.size();
    for (const Heard& one : heard) changes[one.version] = one.changed;
  }
  fanout->changes = changes.size();
  std::vector<double> latencies;
  for (const auto& heard : all) {
    auto next = heard.begin();
    for (const auto& [version, changed] : changes) {
      while (next != heard.end() && next->version < version) ++next;
      if (next == heard.end()) {
        ++fanout->unheard;
      } else {
        latencies.push_back(absl::ToDoubleMilliseconds(next->heard - changed));
      }
    }
  }
  if (latencies.empty()) Die("no subscriber heard of anything");
  std::sort(latencies.begin(), latencies.end());
  fanout->p99_ms = latencies[latencies.size() * 99 / 100];
  fanout->worst_ms = latencies.back();
}

}  // namespace

Fanout MeasureFanout(const std::vector<std::shared_ptr<grpc::Channel>>& channels, int n,
                     const std::function<void()>& subscribed, const std::function<void()>& change,
                     double rate, absl::Duration time) {
  std::vector<std::unique_ptr<v1::ModuleHost::Stub>> hosts;
  std::vector<std::unique_ptr<v1::Notifications::Stub>> stubs;
  for (const auto& channel : channels) {
    hosts.push_back(v1::ModuleHost::NewStub(channel));
    stubs.push_back(v1::Notifications::NewStub(channel));
  }
  std::vector<std::unique_ptr<AttachedSession>> sessions;
  std::vector<std::unique_ptr<Subscriber>> subscribers;
  for (int i = 0; i < n; ++i) {
    const size_t at = static_cast<size_t>(i) % channels.size();
    sessions.push_back(std::make_unique<AttachedSession>(
        hosts[at].get(), Registration(absl::StrCat("subscriber-", i))));
    subscribers.push_back(
        std::make_unique<Subscriber>(stubs[at].get(), sessions.back().get(), i == 0));
    subscribers.back()->AwaitId();
  }
  subscribed();
  Fanout fanout;
  const absl::Time begin = absl::Now();
  const int count = static_cast<int>(rate * absl::ToDoubleSeconds(time));
  for (int i = 0; i < count; ++i) {
    absl::SleepFor(begin + i * absl::Seconds(1 / rate) - absl::Now());
    change();
  }
  absl::SleepFor(absl::Milliseconds(500));  // for the last one to be heard of
  TellLags(stubs[0].get(), subscribers[0]->AwaitId(), &fanout);
  std::vector<std::vector<Heard>> all;
  for (size_t i = 0; i < subscribers.size(); ++i) {
    std::vector<Heard> heard = subscribers[i]->End();
    if (i != 0) all.push_back(std::move(heard));
  }
  for (auto& session : sessions) session->End();
  Evaluate(all, &fanout);
  return fanout;
}

}  // namespace outpost::bench
