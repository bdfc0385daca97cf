#include "server/module/call_router.h"

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace outpost::module {
namespace {

// "Module 'm' is not enabled/loaded: …" says for a command, as Ceph does, which one wants it.
std::string WithRequiredBy(absl::string_view message, const std::string& prefix) {
  constexpr absl::string_view kNotEnabled = " is not enabled/loaded";
  const size_t at = message.find(kNotEnabled);
  if (at == absl::string_view::npos) return std::string(message);
  const size_t end = at + kNotEnabled.size();
  return absl::StrCat(message.substr(0, end), " (required by command '", prefix, "')",
                      message.substr(end));
}

command::Result FailedCommand(const absl::Status& status, const std::string& prefix) {
  command::Result result;
  result.not_begun =
      !absl::IsDeadlineExceeded(status) && !absl::IsCancelled(status) && !absl::IsAborted(status);
  result.lost = absl::IsAborted(status);
  result.err = std::string(status.message());
  switch (status.code()) {
    case absl::StatusCode::kDeadlineExceeded:
      result.retval = -ETIMEDOUT;
      break;
    case absl::StatusCode::kCancelled:
      result.retval = -ECANCELED;
      break;
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kUnavailable:
      result.retval = -EAGAIN;
      break;
    case absl::StatusCode::kFailedPrecondition:
      result.retval = -EOPNOTSUPP;
      result.err = WithRequiredBy(status.message(), prefix);
      break;
    default:
      result.retval = -EIO;
  }
  return result;
}

// The codes of Supervisor::WhenRunning and Session::Answer, as remote.proto has them.
RemoteOutcome FailedCall(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kFailedPrecondition:
      return {status, "MODULE_NOT_ENABLED", {}};
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnavailable:
      return {absl::UnavailableError(status.message()), "MODULE_NOT_RUNNING", {}};
    case absl::StatusCode::kAborted:
      return {absl::UnavailableError(status.message()), "MODULE_LOST", {}};
    case absl::StatusCode::kResourceExhausted:
      return {status, "QUEUE_FULL", {}};
    default:
      return {status, "", {}};
  }
}

command::Result CommandAnswer(v1::AttachRequest answer) {
  v1::CommandResult& answered = *answer.mutable_command_result()->mutable_result();
  command::Result result;
  result.retval = answered.retval();
  result.out = answered.stdout_bytes().empty() ? std::move(*answered.mutable_stdout())
                                               : std::move(*answered.mutable_stdout_bytes());
  result.err = std::move(*answered.mutable_stderr());
  return result;
}

}  // namespace

void Ticket::Cancel() {
  std::shared_ptr<Session> session;
  RequestId id = 0;
  {
    absl::MutexLock lock(&mu_);
    cancelled_ = true;
    session = std::move(session_);
    id = id_;
  }
  if (session != nullptr) session->Cancel(id);
}

bool Ticket::cancelled() const {
  absl::MutexLock lock(&mu_);
  return cancelled_;
}

bool Ticket::Started(std::shared_ptr<Session> session, RequestId id) {
  absl::MutexLock lock(&mu_);
  session_ = std::move(session);
  id_ = id;
  return !cancelled_;
}

absl::StatusOr<std::string> CallRouter::Enter(const std::string& module, const std::string& what,
                                              const std::string& parent, absl::Time* deadline) {
  absl::MutexLock lock(&mu_);
  std::vector<std::string> chain = {absl::StrCat(module, ".", what)};
  bool cycle = false;
  size_t waiting = 0;  // requests that `module` works on, and that wait for this one
  for (auto it = active_.find(parent); it != active_.end(); it = active_.find(it->second.parent)) {
    cycle |= it->second.module == module && it->second.what == what;
    waiting += it->second.module == module ? 1 : 0;
    *deadline = std::min(*deadline, it->second.deadline);
    chain.push_back(absl::StrCat(it->second.module, ".", it->second.what));
  }
  if (cycle) {
    std::reverse(chain.begin(), chain.end());
    return absl::FailedPreconditionError(absl::StrCat(
        "a call would come back to one that waits for it: ", absl::StrJoin(chain, " -> ")));
  }
  if (const size_t slots = waiting > 0 ? supervisor_->MaxConcurrency(module) : 0;
      slots > 0 && waiting >= slots) {
    std::reverse(chain.begin(), chain.end());
    return absl::FailedPreconditionError(
        absl::StrCat("module '", module, "' works on at most ", slots,
                     " requests at once, and would wait for itself: ", absl::StrJoin(chain, " -> "),
                     "; it needs a greater max_concurrency"));
  }
  std::string id = absl::StrCat("call-", next_id_++);
  active_.emplace(id, Link{module, what, parent, *deadline});
  return id;
}

void CallRouter::Leave(const std::string& call_id) {
  absl::MutexLock lock(&mu_);
  active_.erase(call_id);
}

void CallRouter::Start(const std::string& module, std::string who, std::string only_instance,
                       absl::Time deadline, v1::AttachResponse request,
                       std::shared_ptr<Ticket> ticket, Session::AnswerCallback callback) {
  supervisor_->WhenRunning(
      module, deadline,
      [who = std::move(who), only_instance = std::move(only_instance), deadline,
       request = std::move(request), ticket = std::move(ticket),
       callback = std::move(callback)](absl::StatusOr<std::shared_ptr<Session>> session) mutable {
        if (!session.ok()) return callback(session.status());
        if (ticket->cancelled()) {
          return callback(absl::CancelledError(absl::StrCat(who, ": cancelled by the caller")));
        }
        const RequestId id = (*session)->Start(std::move(request), std::move(who), deadline,
                                               std::move(callback), std::move(only_instance));
        if (!ticket->Started(*session, id)) (*session)->Cancel(id);
      });
}

std::shared_ptr<Ticket> CallRouter::RunCommand(const std::string& module,
                                               command::Invocation invocation,
                                               command::ResultCallback callback) {
  auto ticket = std::make_shared<Ticket>();
  absl::Time deadline = invocation.deadline;
  absl::StatusOr<std::string> call_id =
      Enter(module, invocation.prefix, invocation.parent_call, &deadline);
  if (!call_id.ok()) {
    callback({.retval = -EDEADLK,
              .out = "",
              .err = std::string(call_id.status().message()),
              .not_begun = true});
    return ticket;
  }
  v1::AttachResponse request;
  v1::RunCommand& run = *request.mutable_run_command();
  run.set_prefix(invocation.prefix);
  run.set_command_json(std::move(invocation.command_json));
  if (invocation.inbuf) {
    run.set_has_inbuf(true);
    run.set_inbuf(*std::move(invocation.inbuf));
  }
  run.set_caller(std::move(invocation.caller));
  run.set_call_id(*call_id);
  run.set_idempotency_key(std::move(invocation.idempotency_key));
  std::string who = absl::StrCat("command \"", invocation.prefix, "\"");
  Start(module, std::move(who), std::move(invocation.only_instance), deadline, std::move(request),
        ticket,
        [this, module, call_id = *std::move(call_id), prefix = std::move(invocation.prefix),
         callback = std::move(callback)](Session::Answer answer) mutable {
          Leave(call_id);
          if (absl::IsDeadlineExceeded(answer.status())) {
            supervisor_->TellTimedOut(module, absl::StrCat("command \"", prefix, "\""));
          }
          callback(answer.ok() ? CommandAnswer(*std::move(answer))
                               : FailedCommand(answer.status(), prefix));
        });
  return ticket;
}

std::shared_ptr<Ticket> CallRouter::Call(RemoteCall call,
                                         absl::AnyInvocable<void(RemoteOutcome)> callback) {
  auto ticket = std::make_shared<Ticket>();
  const std::string what = absl::StrCat(call.method, "()");
  absl::Time deadline = call.deadline;
  absl::StatusOr<std::string> call_id = Enter(call.module, what, call.parent_call, &deadline);
  if (!call_id.ok()) {
    callback({call_id.status(), "CALL_CYCLE", {}});
    return ticket;
  }
  v1::AttachResponse request;
  v1::Call& out = *request.mutable_call();
  out.set_method(call.method);
  out.set_args_json(call.args_json.empty() ? "[]" : std::move(call.args_json));
  out.set_kwargs_json(call.kwargs_json.empty() ? "{}" : std::move(call.kwargs_json));
  out.set_caller(std::move(call.caller));
  out.set_call_id(*call_id);
  Start(call.module, absl::StrCat(call.module, ".", what), /*only_instance=*/"", deadline,
        std::move(request), ticket,
        [this, module = call.module, what, call_id = *std::move(call_id),
         callback = std::move(callback)](Session::Answer answer) mutable {
          Leave(call_id);
          if (absl::IsDeadlineExceeded(answer.status())) supervisor_->TellTimedOut(module, what);
          RemoteOutcome outcome;
          if (!answer.ok()) {
            outcome = FailedCall(answer.status());
          } else if (v1::CallResult& result = *answer->mutable_call_result(); result.has_error()) {
            *outcome.response.mutable_error() = std::move(*result.mutable_error());
          } else {
            outcome.response.set_result_json(std::move(*result.mutable_result_json()));
          }
          callback(std::move(outcome));
        });
  return ticket;
}

}  // namespace outpost::module
