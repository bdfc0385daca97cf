#include "outpost/internal/call_runner.h"

#include <cerrno>
#include <exception>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "outpost/internal/steady_wait.h"
#include "outpost/internal/utf8.h"
#include "outpost/internal/wire.h"

namespace outpost::internal {
namespace {

std::shared_ptr<CallState> StateOf(const v1::AttachResponse& message, const CommandSet& commands) {
  auto state = std::make_shared<CallState>();
  const auto fill = [&state](const auto& request) {
    state->caller = request.caller();
    state->call_id = request.call_id();
    if (request.has_timeout()) state->deadline = SteadyNow() + FromProto(request.timeout());
  };
  if (message.has_run_command()) {
    fill(message.run_command());
    const Command* const command = commands.Find(message.run_command().prefix());
    if (command != nullptr) state->permissions = command->permissions;
  } else {
    fill(message.call());
  }
  return state;
}

uint64_t IdOf(const v1::AttachResponse& message) {
  return message.has_run_command() ? message.run_command().id() : message.call().id();
}

void SetError(v1::CallResult* result, absl::string_view kind, absl::string_view type,
              absl::string_view text) {
  v1::RemoteError* error = result->mutable_error();
  error->set_kind(std::string(kind));
  error->set_type(std::string(type));
  error->set_message(ToUtf8(text));
}

}  // namespace

CallRunner::CallRunner(const CommandSet& commands, const MethodSet& methods, Logger log,
                       CompletionLoop& loop)
    : commands_(commands), methods_(methods), log_(std::move(log)), loop_(loop) {}

void CallRunner::Run(const std::shared_ptr<AttachStream>& stream, v1::AttachResponse message) {
  if (message.has_run_command() && !message.run_command().idempotency_key().empty()) {
    return RunKeyed(stream, std::move(message));
  }
  std::shared_ptr<CallState> state = StateOf(message, commands_);
  Key key;
  {
    absl::MutexLock lock(&mu_);
    key = {stream_number_, IdOf(message)};
    in_hand_[key] = state;
  }
  loop_.Post([this, stream, key, state, message = std::move(message)] {
    stream->Send(Answer(message, state));
    absl::MutexLock lock(&mu_);
    in_hand_.erase(key);
    SendDrainedIfIdle();
  });
}

void CallRunner::RunKeyed(const std::shared_ptr<AttachStream>& stream, v1::AttachResponse message) {
  const auto answer = [stream, id = IdOf(message)](const v1::CommandResult& result) {
    v1::AttachRequest request;
    request.mutable_command_result()->set_id(id);
    *request.mutable_command_result()->mutable_result() = result;
    stream->Send(std::move(request));
  };
  if (!keyed_results_.Begin(message.run_command().idempotency_key(), answer)) return;
  {
    absl::MutexLock lock(&mu_);
    ++keyed_in_hand_;
  }
  std::shared_ptr<CallState> state = StateOf(message, commands_);
  loop_.Post([this, state = std::move(state), message = std::move(message)] {
    v1::AttachRequest answered = Answer(message, state);
    keyed_results_.End(message.run_command().idempotency_key(), answered.command_result().result());
    absl::MutexLock lock(&mu_);
    --keyed_in_hand_;
    SendDrainedIfIdle();
  });
}

void CallRunner::Cancel(uint64_t id) {
  std::shared_ptr<CallState> state;
  {
    absl::MutexLock lock(&mu_);
    const auto it = in_hand_.find({stream_number_, id});
    if (it == in_hand_.end()) return;
    state = it->second;
  }
  state->stop.request_stop();
}

void CallRunner::Drain(const std::shared_ptr<AttachStream>& stream) {
  absl::MutexLock lock(&mu_);
  draining_ = stream;
  SendDrainedIfIdle();
}

void CallRunner::SendDrainedIfIdle() {
  if (draining_ == nullptr || !in_hand_.empty() || keyed_in_hand_ > 0) return;
  v1::AttachRequest message;
  message.mutable_drained();
  draining_->Send(std::move(message));
  draining_ = nullptr;
}

void CallRunner::StreamLost() {
  std::map<Key, std::shared_ptr<CallState>> lost;
  {
    absl::MutexLock lock(&mu_);
    lost.swap(in_hand_);
    ++stream_number_;
    draining_ = nullptr;
  }
  for (const auto& [key, state] : lost) state->stop.request_stop();
}

void CallRunner::Close() {
  absl::MutexLock lock(&mu_);
  closed_ = true;
}

std::optional<CommandResult> CallRunner::Refusal(const CallState& state) {
  if (state.stop.stop_requested()) {
    return CommandResult::Error(ECANCELED, "cancelled by the caller before it was run");
  }
  if (SteadyNow() >= state.deadline) {
    return CommandResult::Error(ETIMEDOUT, "the caller's time was over before it was run");
  }
  absl::MutexLock lock(&mu_);
  if (closed_) return CommandResult::Error(EAGAIN, "the module is ending; try again later");
  return std::nullopt;
}

v1::AttachRequest CallRunner::Answer(const v1::AttachResponse& message,
                                     const std::shared_ptr<const CallState>& state) {
  v1::AttachRequest answer;
  std::optional<CommandResult> refusal = Refusal(*state);
  const ScopedCall scope{CallContext(state)};
  if (message.has_run_command()) {
    v1::RunCommandResult* result = answer.mutable_command_result();
    result->set_id(message.run_command().id());
    *result->mutable_result() =
        ToProto(refusal ? *std::move(refusal) : RunCommand(message.run_command(), state));
  } else {
    v1::CallResult* result = answer.mutable_call_result();
    result->set_id(message.call().id());
    if (refusal) {
      SetError(result, "RAISED", "CANCELLED", refusal->err);
    } else {
      CallMethod(message.call(), state, result);
    }
  }
  return answer;
}

CommandResult CallRunner::RunCommand(const v1::RunCommand& request,
                                     const std::shared_ptr<const CallState>& state) {
  const Command* command = commands_.Find(request.prefix());
  if (command == nullptr) {
    return CommandResult::Error(EINVAL,
                                absl::StrCat("No handler found for '", request.prefix(), "'"));
  }
  const Json args = Json::parse(request.command_json(), nullptr, /*allow_exceptions=*/false);
  if (!args.is_object()) {
    return CommandResult::Error(
        EINVAL, absl::StrCat(request.prefix(), ": the arguments are not a JSON object"));
  }
  std::string format;
  if (const auto it = args.find("format"); it != args.end() && it->is_string()) {
    format = it->get<std::string>();
  }
  std::optional<std::string> inbuf;
  if (request.has_inbuf() || !request.inbuf().empty()) inbuf = request.inbuf();
  const CommandContext context(state, request.prefix(), std::move(format), std::move(inbuf));
  std::string what = "an exception that is no std::exception";
  try {  // the module's own code may throw; nothing of it goes further than here
    return command->handler(context, args);
  } catch (const std::exception& e) {
    what = e.what();
  } catch (...) {
  }
  log_.Error("command \"%s\" threw: %s", request.prefix(), what);
  return CommandResult::Error(EINVAL, absl::StrCat(request.prefix(), ": ", what));
}

void CallRunner::CallMethod(const v1::Call& request, const std::shared_ptr<const CallState>& state,
                            v1::CallResult* result) {
  const auto it = methods_.methods().find(request.method());
  if (it == methods_.methods().end()) {
    std::vector<absl::string_view> names;
    for (const auto& [name, handler] : methods_.methods()) names.push_back(name);
    return SetError(result, "METHOD_NOT_FOUND", "",
                    absl::StrCat("there is no method \"", request.method(), "\"",
                                 names.empty() ? "" : ", only ", absl::StrJoin(names, ", ")));
  }
  const auto parse = [](const std::string& text, const Json& empty) {
    return text.empty() ? empty : Json::parse(text, nullptr, /*allow_exceptions=*/false);
  };
  const Json args = parse(request.args_json(), Json::array());
  const Json kwargs = parse(request.kwargs_json(), Json::object());
  if (!args.is_array() || !kwargs.is_object()) {
    return SetError(result, "RAISED", "INVALID_ARGUMENT",
                    "the arguments are not a JSON array and a JSON object");
  }
  std::string what = "an exception that is no std::exception";
  try {
    absl::StatusOr<Json> value = it->second(CallContext(state), args, kwargs);
    if (!value.ok()) {
      return SetError(result, "RAISED", absl::StatusCodeToString(value.status().code()),
                      value.status().message());
    }
    try {
      result->set_result_json(value->dump());
    } catch (const Json::exception& e) {
      SetError(result, "NOT_JSON", "", e.what());
    }
    return;
  } catch (const std::exception& e) {
    what = e.what();
  } catch (...) {
  }
  log_.Error("method \"%s\" threw: %s", request.method(), what);
  SetError(result, "RAISED", "exception", what);
}

}  // namespace outpost::internal
