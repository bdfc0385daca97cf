// Session is what the manager knows of one attached module: how to talk to it,
// and which commands and calls wait for its answers.
//
// **Thread safety.** All methods may be called from any thread. Callbacks run on
// the thread that brought the answer, without any lock held.
//
// **Invariants.**
// 1. Every request that was taken ends in exactly one callback: the module's
//    answer, a deadline, a cancellation, or the end of the session.
// 2. At most `max_concurrency` and `prefetch` requests are with the module; the rest wait here,
//    and at most kMaxWaiting of them and kMaxWaitingBytes do.
// 3. A request is sent once. What was not sent when the stream ended may be, by another session.
#ifndef OUTPOST_SERVER_MODULE_SESSION_H_
#define OUTPOST_SERVER_MODULE_SESSION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "outpost/v1/module_host.pb.h"
#include "server/auth/caps.h"
#include "server/event/moment.h"
#include "server/event/timer_queue.h"
#include "server/metrics/request_counters.h"
#include "server/module/process_policy.h"

namespace outpost::module {

// The sending side of a module's stream.
class SessionLink {
 public:
  virtual ~SessionLink() = default;
  // Queues a message. False: the stream is closed, or its queue is full (the
  // module does not read), in which case it is being closed; `message` is as it was. Never blocks.
  virtual bool Send(v1::AttachResponse&& message) = 0;
  // Ends the stream with `status`; what is queued is dropped. `reason` is for
  // ErrorInfo; empty: none.
  virtual void Close(const absl::Status& status, absl::string_view reason) = 0;
  // What proves who is at the other end ("uid 1000"): the key of a session counts only for
  // calls with the same.
  virtual absl::string_view proof() const { return ""; }
};

// The id by which a request to a module can be cancelled; 0: it never started.
using RequestId = uint64_t;

// What was asked of a module, over all of its sessions.
struct RequestsOfModule {
  metrics::RequestCounters commands;
  metrics::RequestCounters calls;
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  static constexpr size_t kMaxWaiting = 1024;
  static constexpr size_t kMaxWaitingBytes = size_t{64} << 20;  // but one may have any size
  static constexpr size_t kMaxConcurrency = 4096;               // whatever the module says

  // What came of a request: the module's answer, or why there is none:
  // DEADLINE_EXCEEDED, CANCELLED, ABORTED (the module went away),
  // RESOURCE_EXHAUSTED (too many wait).
  using Answer = absl::StatusOr<v1::AttachRequest>;
  using AnswerCallback = absl::AnyInvocable<void(Answer)>;

  // `timers` outlives the session. What becomes of its requests is counted in `counters`.
  static std::shared_ptr<Session> Create(std::string key, v1::Register registration,
                                         std::shared_ptr<SessionLink> link,
                                         event::TimerQueue* timers,
                                         std::shared_ptr<RequestsOfModule> counters);

  const std::string& name() const { return registration_.name(); }
  // The secret by which the module's other calls are known.
  const std::string& key() const { return key_; }
  const v1::Register& registration() const { return registration_; }
  // By the wall clock as it goes now.
  absl::Time attached() const { return event::WallTime(attached_, event::Moment::Now()); }
  // How many requests the module works on at once.
  size_t max_concurrency() const;

  // Sends a RunCommand or Call (`id` is filled in here; so is what is left of
  // the time until `deadline`, by internal::SteadyNow, as `timeout`). `who` names the request in
  // errors: "command \"hello\"". `only_instance`, where it is not empty: a process with another
  // Register.instance is not given it (ABORTED), also when it waits for the next one.
  RequestId Start(v1::AttachResponse request, std::string who, absl::Time deadline,
                  AnswerCallback callback, std::string only_instance = "");

  // Nobody waits any more: the callback runs with CANCELLED now (or, where its deadline is as
  // good as there, with DEADLINE_EXCEEDED), and the module is told. Nothing happens where the
  // request has ended already.
  void Cancel(RequestId id);

  // Takes a RunCommandResult or CallResult. An answer to nothing that is with the
  // module is ignored; one of the wrong kind, or a CallResult without an outcome,
  // ends the stream with PROTOCOL_ERROR.
  void HandleAnswer(RequestId id, v1::AttachRequest answer);

  // Sends any other message; see SessionLink::Send.
  bool Send(v1::AttachResponse message) { return link_->Send(std::move(message)); }
  absl::string_view proof() const { return link_->proof(); }
  // What the module's manifest asks for; absent: everything. Set before anybody else knows of
  // the session.
  const std::optional<auth::Caps>& asked() const { return asked_; }
  void set_asked(std::optional<auth::Caps> asked) { asked_ = std::move(asked); }
  // How often it may call, and log. Set as `asked` is.
  const ModuleRates& rates() const { return rates_; }
  void set_rates(const ModuleRates& rates) { rates_ = rates; }

  // Ends the stream; the requests in hand end with ABORTED.
  void Close(const absl::Status& status, absl::string_view reason);

  // The stream is gone: ends what is in hand with ABORTED and `why`.
  void Lost(absl::string_view why);

  // The stream is gone, and the module is expected to have another session: what it was sent ends
  // with ABORTED and `why`; what waits, and what is still asked of this session, does so until
  // HandOver or GiveUp.
  void Park(absl::string_view why);
  // No session follows: what waits, and what is still asked of this one, ends with `why`.
  void GiveUp(const absl::Status& why);

  // Another session takes over, of which nothing was asked yet: it gets what waits here, and
  // what is still asked of this one. What is with the module stays. The function that is returned
  // ends what the successor must not be given; call it without a lock.
  [[nodiscard]] absl::AnyInvocable<void()> HandOver(const std::shared_ptr<Session>& successor);

  // What the module works on, or has before it: "command \"hello\"". At most three, and how
  // many there are more.
  std::vector<std::string> InHand() const;

  // Requests that wait or are with the module.
  size_t in_flight() const;
  // Of these, those that wait.
  size_t waiting() const;

 private:
  struct Request {
    std::string who;
    AnswerCallback callback;  // null: nobody waits any more, the module still works
    event::TimerQueue::TimerId timer = 0;
    absl::Time deadline;
    std::string only_instance;  // see Start
    metrics::Clock::time_point came;
    size_t bytes = 0;  // of the message
    bool sent = false;
    bool is_call = false;        // a Call; else a RunCommand
    v1::AttachResponse message;  // until it is sent
  };

  Session(std::string key, v1::Register registration, std::shared_ptr<SessionLink> link,
          event::TimerQueue* timers, std::shared_ptr<RequestsOfModule> counters);

  // HandOver; returns what the successor must not be given.
  std::vector<Request> MoveWaiting(const std::shared_ptr<Session>& successor);
  // Sends what waits while the module takes more.
  void SendWaiting() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Ends a request that the module has not answered.
  void Abandon(RequestId id, const absl::Status& status);
  // Ends request `id` at its deadline, in whichever session it is then.
  event::TimerQueue::TimerId TimerFor(RequestId id, absl::Time deadline);
  // Takes out what waits, or what was sent.
  std::vector<Request> Take(bool sent) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // These were taken out.
  void EndTaken(Request& request, const absl::Status& why);
  void EndSent(std::vector<Request> requests, absl::string_view why);
  metrics::RequestCounters& CountersOf(bool is_call) {
    return is_call ? counters_->calls : counters_->commands;
  }

  const std::string key_;
  std::optional<auth::Caps> asked_;
  ModuleRates rates_;
  const v1::Register registration_;
  const std::shared_ptr<SessionLink> link_;
  event::TimerQueue* const timers_;
  const std::shared_ptr<RequestsOfModule> counters_;
  const event::Moment attached_;
  const size_t max_with_module_;

  mutable absl::Mutex mu_;
  std::string lost_why_ ABSL_GUARDED_BY(mu_);  // empty: the session lives
  bool parked_ ABSL_GUARDED_BY(mu_) = false;   // lost, but what waits may be asked of another
  absl::Status given_up_ ABSL_GUARDED_BY(mu_);
  RequestId next_id_ ABSL_GUARDED_BY(mu_) = 1;
  size_t with_module_ ABSL_GUARDED_BY(mu_) = 0;
  std::set<RequestId> waiting_ ABSL_GUARDED_BY(mu_);  // ids grow: the first came first
  size_t waiting_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  absl::flat_hash_map<RequestId, Request> requests_ ABSL_GUARDED_BY(mu_);
  // Ids are unique in both: whoever has one of a request that moved need not know.
  std::shared_ptr<Session> successor_ ABSL_GUARDED_BY(mu_);
};

}  // namespace outpost::module

#endif  // OUTPOST_SERVER_MODULE_SESSION_H_
