// NotificationHub fans cues out to subscribers without ever waiting for one.
//
// Who publishes only notes what there is to tell: a thread of the hub's own tells the
// subscribers, as many as they are, all that has been published meanwhile at once.
//
// A subscription is pulled from: when it has something to send it calls its
// wake function, and whoever holds it takes with Next() what is to be sent, at
// its own pace. What is not taken does not pile up: a state-like type keeps its
// newest version only, an event-like one a ring whose overflow is counted.
//
// **Thread safety.** All methods may be called from any thread. A wake function
// runs on the hub's (or an acknowledger's) thread, must not block, and may
// call Next, but not Acknowledge.
//
// **Invariants.**
// 1. Of a state-like type, at most one notification is unacknowledged.
// 2. After the newest version of a state-like type was published, the subscriber
//    is sent that version or a newer one.
// 3. An event is sent, or counted in `missed` of the next of its type.
// 4. Sequences of a subscription grow by one.
// 5. After Close returned, the wake function neither runs nor will.
// 6. To publish costs the same however many subscribers there are and whatever they do. What
//    the hub has not told yet is bounded: the newest of each state-like type, and kQueuedEvents
//    events; those that overflow count as missed.
// 7. A subscriber is told of what is published after it has subscribed, in that order, and of
//    nothing before.
#ifndef OUTPOST_SERVER_NOTIFY_NOTIFICATION_HUB_H_
#define OUTPOST_SERVER_NOTIFY_NOTIFICATION_HUB_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "outpost/v1/notifications.pb.h"

namespace outpost::notify {

// Something that happened and is not repeated: "clog", "command", "config".
struct Event {
  std::string type;
  std::string id;
  std::string payload_json;
  std::string only_for;  // a subscription's owner; empty: everybody's
};

class Subscription {
 public:
  static constexpr size_t kEventRing = 1024;    // events that wait for a slow subscriber
  static constexpr size_t kUnackedEvents = 64;  // events on their way at once

  // `after`: the number of the last publication before it.
  Subscription(uint64_t id, std::string owner, std::set<std::string> types, bool explicit_acks,
               uint64_t after);

  uint64_t id() const { return id_; }
  const std::string& owner() const { return owner_; }
  const std::set<std::string>& types() const { return types_; }

  // The next notification to send; nullopt: none now, wake will be called.
  std::optional<v1::Notification> Next();

  // Everything up to `sequence` was handled (or, where nobody acknowledges,
  // written).
  void Acknowledge(uint64_t sequence);

  // From now on `wake` is called when there is something to take, and at once if
  // there is already.
  void Open(std::function<void()> wake);
  void Close();

  // What waits and what is on its way, for people.
  struct Depth {
    size_t waiting = 0;         // notifications that could be sent, or wait for an ack
    size_t unacknowledged = 0;  // sent
    uint64_t sent = 0;          // in all
    uint64_t missed = 0;        // events that were lost
    uint64_t coalesced = 0;     // changes that went into the notification of a later one
    // How long the subscriber has owed something: to take what waits, or to acknowledge
    // what it has. Zero: it is up to date.
    absl::Duration lag;
  };
  Depth depth() const;

  absl::Time since() const { return since_; }
  // Whether the subscriber acknowledges by itself; else what is written counts as seen.
  bool explicit_acks() const { return explicit_acks_; }

 private:
  friend class NotificationHub;
  using Shared = std::shared_ptr<const v1::Notification>;

  // What the hub has to tell; one for all subscribers.
  struct Publication {
    enum class Kind { kState, kEvent, kLost };
    Kind kind = Kind::kState;
    uint64_t number = 0;            // grows with each; of several that went into one, the last
    Shared notification = nullptr;  // of lost events: its type
    uint64_t count = 1;             // how many went into it: changes, or lost events
    std::string only_for = {};      // of events
    absl::Duration since = {};      // when the first of them was published; by the steady clock
  };
  using Batch = std::vector<Publication>;

  struct StateSlot {
    bool waiting = false;
    uint64_t unacknowledged = 0;                     // the sequence on its way; 0: none
    absl::Duration sent;                             // when it was sent; by the steady clock
    std::shared_ptr<const v1::Notification> newest;  // one for all subscribers
    absl::Duration came;                             // when what waits began to
  };

  struct WaitingEvent {
    Shared notification;
    absl::Duration since;
    uint64_t missed = 0;  // of its type, just before it
  };

  // Takes what of `batch` concerns it.
  void Offer(const Batch& batch);
  // Each returns whether there may be something to take that there was not before.
  bool TakeState(const Publication& state) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool TakeEvent(const Publication& event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Wake();
  bool CanSend() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const uint64_t id_;
  const std::string owner_;
  const std::set<std::string> types_;
  const bool explicit_acks_;
  const uint64_t after_;
  const absl::Time since_;

  mutable absl::Mutex mu_;
  std::map<std::string, StateSlot> states_ ABSL_GUARDED_BY(mu_);
  std::deque<std::string> order_ ABSL_GUARDED_BY(mu_);  // state-like types that wait
  std::deque<WaitingEvent> events_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, uint64_t> missed_ ABSL_GUARDED_BY(mu_);  // before the oldest that waits
  std::map<std::string, uint64_t> lost_ ABSL_GUARDED_BY(mu_);    // behind the newest that waits
  std::deque<std::pair<uint64_t, absl::Duration>> unacked_events_ ABSL_GUARDED_BY(mu_);
  uint64_t missed_total_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t coalesced_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t next_sequence_ ABSL_GUARDED_BY(mu_) = 1;

  absl::Mutex wake_mu_ ABSL_ACQUIRED_BEFORE(mu_);
  std::function<void()> wake_ ABSL_GUARDED_BY(wake_mu_);
};

class NotificationHub {
 public:
  static constexpr size_t kQueuedEvents = 4096;

  NotificationHub();
  // Tells what is published, and ends its thread.
  ~NotificationHub();
  NotificationHub(const NotificationHub&) = delete;
  NotificationHub& operator=(const NotificationHub&) = delete;

  // A new subscription of `owner` ("module/<name>", or "client") to `types`. It
  // ends when the last shared pointer to it goes.
  std::shared_ptr<Subscription> Subscribe(std::string owner, std::set<std::string> types,
                                          bool explicit_acks = true);

  // The subscription, if it still is; for Acknowledge.
  std::shared_ptr<Subscription> Find(uint64_t id) const;

  // `type` has a newer version.
  void PublishState(absl::string_view type, absl::string_view id, uint64_t version);
  void PublishEvent(const Event& event);

  // Waits until every subscriber was told of what has been published before. Not to be called
  // by a wake function.
  void Settle();

  // By id.
  std::vector<std::shared_ptr<Subscription>> Subscriptions() const;

 private:
  using Publication = Subscription::Publication;
  using Subscribers = std::vector<std::weak_ptr<Subscription>>;

  void Run();
  void ForgetTheGone() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Everything that is to be told, which then is not any more.
  Subscription::Batch TakeBatch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Lose(Publication event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable absl::Mutex mu_;
  absl::CondVar published_;  // or stopping
  absl::CondVar told_;
  uint64_t next_id_ ABSL_GUARDED_BY(mu_) = 1;
  std::map<uint64_t, std::weak_ptr<Subscription>> subscriptions_ ABSL_GUARDED_BY(mu_);
  size_t sweep_at_ ABSL_GUARDED_BY(mu_) = 64;  // how many bring a look for the gone
  std::shared_ptr<const Subscribers> subscribers_ ABSL_GUARDED_BY(mu_);  // null: to be made
  uint64_t last_number_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t told_number_ ABSL_GUARDED_BY(mu_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<Publication> states_ ABSL_GUARDED_BY(mu_);                      // one a type
  std::map<std::string, size_t, std::less<>> state_at_ ABSL_GUARDED_BY(mu_);  // where in it
  std::deque<Publication> events_ ABSL_GUARDED_BY(mu_);
  std::vector<Publication> lost_ ABSL_GUARDED_BY(mu_);  // one a type and owner
  std::thread thread_;
};

}  // namespace outpost::notify

#endif  // OUTPOST_SERVER_NOTIFY_NOTIFICATION_HUB_H_
