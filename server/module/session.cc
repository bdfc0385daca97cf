#include "server/module/session.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "outpost/internal/steady_wait.h"
#include "server/event/proto_time.h"

namespace outpost::module {
namespace {

constexpr size_t kMaxPrefetch = 256;

void SetRequest(v1::AttachResponse& message, RequestId id, absl::Time deadline) {
  google::protobuf::Duration* timeout = nullptr;
  const bool bounded = deadline != absl::InfiniteFuture();
  if (message.has_run_command()) {
    message.mutable_run_command()->set_id(id);
    if (bounded) timeout = message.mutable_run_command()->mutable_timeout();
  } else {
    message.mutable_call()->set_id(id);
    if (bounded) timeout = message.mutable_call()->mutable_timeout();
  }
  if (timeout != nullptr) {
    *timeout = event::ToProto(std::max(deadline - internal::SteadyNow(), absl::ZeroDuration()));
  }
}

// Whether the time of a caller who has given up was over. Whoever calls has that from a clock of
// his own, and is ahead: it takes time until he is heard, and gRPC rounds up what it passes on.
bool IsOver(absl::Time deadline, metrics::Clock::time_point came) {
  constexpr absl::Duration kOnTheWay = absl::Milliseconds(50);
  constexpr double kRounded = 0.02;  // of the whole time
  if (deadline == absl::InfiniteFuture()) return false;
  const absl::Duration left = deadline - internal::SteadyNow();
  const absl::Duration passed = absl::FromChrono(metrics::Clock::now() - came);
  return left <= kOnTheWay + kRounded * (left + passed);
}

// Of a request that only another process may be given.
absl::Status OtherProcess(absl::string_view who) {
  return absl::AbortedError(absl::StrCat(who, ": the process that was given it has ended"));
}

}  // namespace

std::shared_ptr<Session> Session::Create(std::string key, v1::Register registration,
                                         std::shared_ptr<SessionLink> link,
                                         event::TimerQueue* timers,
                                         std::shared_ptr<RequestsOfModule> counters) {
  return std::shared_ptr<Session>(new Session(std::move(key), std::move(registration),
                                              std::move(link), timers, std::move(counters)));
}

Session::Session(std::string key, v1::Register registration, std::shared_ptr<SessionLink> link,
                 event::TimerQueue* timers, std::shared_ptr<RequestsOfModule> counters)
    : key_(std::move(key)),
      registration_(std::move(registration)),
      link_(std::move(link)),
      timers_(timers),
      counters_(std::move(counters)),
      attached_(event::Moment::Now()),
      max_with_module_(max_concurrency() +
                       std::min<size_t>(registration_.prefetch(), kMaxPrefetch)) {}

size_t Session::max_concurrency() const {
  return std::clamp<size_t>(registration_.max_concurrency(), 1, kMaxConcurrency);
}

RequestId Session::Start(v1::AttachResponse message, std::string who, absl::Time deadline,
                         AnswerCallback callback, std::string only_instance) {
  if (!only_instance.empty() && only_instance != registration_.instance()) {
    CountersOf(message.has_call()).Ended(metrics::Unanswered::kLost);
    callback(OtherProcess(who));
    return 0;
  }
  const metrics::Clock::time_point came = metrics::Clock::now();
  const size_t bytes = message.ByteSizeLong();
  absl::Status refusal;
  std::shared_ptr<Session> successor;
  {
    absl::MutexLock lock(&mu_);
    if (successor_ != nullptr) {
      successor = successor_;
    } else if (!given_up_.ok()) {
      CountersOf(message.has_call()).Ended(metrics::Unanswered::kLost);
      refusal = given_up_;
    } else if (!lost_why_.empty() && !parked_) {
      CountersOf(message.has_call()).Ended(metrics::Unanswered::kLost);
      refusal = absl::AbortedError(absl::StrCat(who, ": module ", name(), " ", lost_why_));
    } else if (waiting_.size() >= kMaxWaiting) {
      CountersOf(message.has_call()).Ended(metrics::Unanswered::kRefused);
      refusal = absl::ResourceExhaustedError(absl::StrCat(
          who, ": module ", name(), " has ", kMaxWaiting, " requests waiting; try again later"));
    } else if (!waiting_.empty() && waiting_bytes_ + bytes > kMaxWaitingBytes) {
      CountersOf(message.has_call()).Ended(metrics::Unanswered::kRefused);
      refusal = absl::ResourceExhaustedError(absl::StrCat(who, ": module ", name(),
                                                          " has requests of ", waiting_bytes_ >> 20,
                                                          " MiB waiting; try again later"));
    } else {
      const RequestId id = next_id_++;
      Request& request = requests_[id];
      request.who = std::move(who);
      request.callback = std::move(callback);
      request.deadline = deadline;
      request.only_instance = std::move(only_instance);
      request.came = came;
      request.bytes = bytes;
      request.is_call = message.has_call();
      request.message = std::move(message);
      request.timer = TimerFor(id, deadline);
      waiting_.insert(id);
      waiting_bytes_ += bytes;
      SendWaiting();
      return id;
    }
  }
  if (successor != nullptr) {
    return successor->Start(std::move(message), std::move(who), deadline, std::move(callback),
                            std::move(only_instance));
  }
  callback(std::move(refusal));
  return 0;
}

event::TimerQueue::TimerId Session::TimerFor(RequestId id, absl::Time deadline) {
  if (deadline == absl::InfiniteFuture()) return 0;
  return timers_->After(deadline - internal::SteadyNow(), [weak = weak_from_this(), id] {
    if (auto self = weak.lock()) self->Abandon(id, absl::DeadlineExceededError(""));
  });
}

absl::AnyInvocable<void()> Session::HandOver(const std::shared_ptr<Session>& successor) {
  return [self = shared_from_this(), not_theirs = MoveWaiting(successor)]() mutable {
    for (Request& request : not_theirs) self->EndTaken(request, OtherProcess(request.who));
  };
}

std::vector<Session::Request> Session::MoveWaiting(const std::shared_ptr<Session>& successor) {
  std::vector<Request> not_theirs;
  absl::MutexLock lock(&mu_);
  absl::MutexLock their_lock(&successor->mu_);
  successor_ = successor;
  successor->next_id_ = std::max(successor->next_id_, next_id_);
  for (const RequestId id : waiting_) {
    auto request = requests_.extract(id);
    const std::string& only = request.mapped().only_instance;
    if (!only.empty() && only != successor->registration_.instance()) {
      waiting_bytes_ -= request.mapped().bytes;
      not_theirs.push_back(std::move(request.mapped()));
      continue;
    }
    // Its timer must not depend on this session, which may go. One that runs already comes to
    // the successor, too.
    timers_->Cancel(request.mapped().timer);
    request.mapped().timer = successor->TimerFor(id, request.mapped().deadline);
    successor->requests_.insert(std::move(request));
    successor->waiting_.insert(id);
  }
  successor->waiting_bytes_ += std::exchange(waiting_bytes_, 0);
  waiting_.clear();
  successor->SendWaiting();
  return not_theirs;
}

void Session::SendWaiting() {
  while (lost_why_.empty() && !waiting_.empty() && with_module_ < max_with_module_) {
    const RequestId id = *waiting_.begin();
    Request& request = requests_.at(id);
    SetRequest(request.message, id, request.deadline);
    // A link that does not take it is closing: Lost or Park follows.
    if (!link_->Send(std::move(request.message))) return;
    request.message.Clear();
    request.sent = true;
    ++with_module_;
    waiting_.erase(waiting_.begin());
    waiting_bytes_ -= request.bytes;
  }
}

void Session::Cancel(RequestId id) { Abandon(id, absl::CancelledError("")); }

void Session::Abandon(RequestId id, const absl::Status& status) {
  AnswerCallback callback;
  std::string who;
  bool late = false;  // it had no more time
  event::TimerQueue::TimerId timer = 0;
  std::shared_ptr<Session> successor;
  {
    absl::MutexLock lock(&mu_);
    auto it = requests_.find(id);
    if (it == requests_.end()) {
      successor = successor_;
    } else if (it->second.callback) {
      Request& request = it->second;
      callback = std::move(request.callback);
      request.callback = nullptr;
      who = request.who;
      timer = request.timer;
      late = absl::IsDeadlineExceeded(status) || IsOver(request.deadline, request.came);
      CountersOf(request.is_call)
          .Ended(late ? metrics::Unanswered::kTimedOut : metrics::Unanswered::kCancelled);
      if (request.sent) {
        // The module is still busy with it: its slot is free when it answers.
        v1::AttachResponse message;
        message.mutable_cancel()->set_id(id);
        link_->Send(std::move(message));
      } else {
        waiting_.erase(id);
        waiting_bytes_ -= request.bytes;
        requests_.erase(it);
      }
    }
  }
  if (successor != nullptr) return successor->Abandon(id, status);
  if (!callback) return;
  timers_->Cancel(timer);
  if (late) {
    callback(absl::DeadlineExceededError(
        absl::StrCat(who, ": module ", name(), " did not answer in time")));
  } else {
    callback(absl::CancelledError(absl::StrCat(who, ": cancelled by the caller")));
  }
}

void Session::HandleAnswer(RequestId id, v1::AttachRequest answer) {
  AnswerCallback callback;
  event::TimerQueue::TimerId timer = 0;
  {
    absl::MutexLock lock(&mu_);
    auto it = requests_.find(id);
    if (it == requests_.end() || !it->second.sent) return;  // nobody knows of it
    if (const bool fits = it->second.is_call ? answer.call_result().outcome_case() !=
                                                   v1::CallResult::OUTCOME_NOT_SET
                                             : answer.has_command_result();
        !fits) {
      // It ends with the session; see Lost.
      link_->Close(absl::InvalidArgumentError(absl::StrCat(
                       "module '", name(), "' answered request ", id, " (", it->second.who,
                       it->second.is_call ? ") with no CallResult that has an outcome"
                                          : ") with no RunCommandResult")),
                   "PROTOCOL_ERROR");
      return;
    }
    callback = std::move(it->second.callback);
    timer = it->second.timer;
    if (callback) {
      const bool success = it->second.is_call ? !answer.call_result().has_error()
                                              : answer.command_result().result().retval() == 0;
      CountersOf(it->second.is_call).Answered(success, it->second.came);
    }
    requests_.erase(it);
    --with_module_;
    SendWaiting();
  }
  timers_->Cancel(timer);
  if (callback) callback(std::move(answer));
}

void Session::Close(const absl::Status& status, absl::string_view reason) {
  link_->Close(status, reason);
}

std::vector<Session::Request> Session::Take(bool sent) {
  std::vector<Request> taken;
  for (auto it = requests_.begin(); it != requests_.end();) {
    if (it->second.sent != sent) {
      ++it;
      continue;
    }
    taken.push_back(std::move(it->second));
    requests_.erase(it++);
  }
  if (sent) {
    with_module_ = 0;
  } else {
    waiting_.clear();
    waiting_bytes_ = 0;
  }
  return taken;
}

void Session::EndTaken(Request& request, const absl::Status& why) {
  timers_->Cancel(request.timer);
  if (!request.callback) return;
  CountersOf(request.is_call).Ended(metrics::Unanswered::kLost);
  request.callback(why);
}

void Session::EndSent(std::vector<Request> requests, absl::string_view why) {
  for (Request& request : requests) {
    EndTaken(request, absl::AbortedError(absl::StrCat(
                          request.who, ": module ", name(), " ", why,
                          " before it answered; whether it did its work is not known")));
  }
}

void Session::Park(absl::string_view why) {
  std::vector<Request> sent;
  {
    absl::MutexLock lock(&mu_);
    if (!lost_why_.empty()) return;
    lost_why_ = std::string(why);
    parked_ = true;
    sent = Take(/*sent=*/true);
  }
  EndSent(std::move(sent), why);
}

void Session::GiveUp(const absl::Status& why) {
  std::vector<Request> waiting;
  {
    absl::MutexLock lock(&mu_);
    given_up_ = why;
    waiting = Take(/*sent=*/false);
  }
  for (Request& request : waiting) EndTaken(request, why);
}

void Session::Lost(absl::string_view why) {
  std::vector<Request> sent;
  std::vector<Request> waiting;
  {
    absl::MutexLock lock(&mu_);
    if (!lost_why_.empty()) return;
    lost_why_ = std::string(why);
    sent = Take(/*sent=*/true);
    waiting = Take(/*sent=*/false);
  }
  EndSent(std::move(sent), why);
  for (Request& request : waiting) {
    EndTaken(request, absl::AbortedError(absl::StrCat(request.who, ": module ", name(), " ", why,
                                                      " before it was asked")));
  }
}

std::vector<std::string> Session::InHand() const {
  constexpr size_t kNamed = 3;
  std::vector<std::string> result;
  size_t more = 0;
  absl::MutexLock lock(&mu_);
  for (const auto& [id, request] : requests_) {
    if (!request.sent) continue;
    if (result.size() < kNamed) {
      result.push_back(request.who);
    } else {
      ++more;
    }
  }
  if (more > 0) result.push_back(absl::StrCat(more, " more"));
  return result;
}

size_t Session::in_flight() const {
  absl::MutexLock lock(&mu_);
  return requests_.size();
}

size_t Session::waiting() const {
  absl::MutexLock lock(&mu_);
  return waiting_.size();
}

}  // namespace outpost::module
