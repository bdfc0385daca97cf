#include "outpost/internal/call_client.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "outpost/call_context.h"
#include "outpost/internal/manager_stubs.h"
#include "outpost/internal/wire.h"

namespace outpost::internal {
namespace {

// Null where `value` can't be written as JSON: a text in it is not UTF-8.
std::optional<std::string> JsonText(const Json& value) {
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::ignore);
  if (text != value.dump(-1, ' ', false, Json::error_handler_t::replace)) return std::nullopt;
  return text;
}

}  // namespace

void CallClient::Connect(const std::shared_ptr<grpc::Channel>& channel, EventThread event_thread) {
  absl::MutexLock lock(&mu_);
  sender_ = std::make_shared<CommandSender>(v1::Commands::NewStub(channel));
  event_thread_ = std::move(event_thread);
}

void CallClient::Disconnect() {
  std::shared_ptr<CommandSender> sender;
  {
    absl::MutexLock lock(&mu_);
    sender.swap(sender_);
  }
  if (sender == nullptr) return;
  sender->Close();  // its callbacks may still need the event thread
  absl::MutexLock lock(&mu_);
  event_thread_ = nullptr;
}

absl::StatusOr<Json> CallClient::Remote(absl::string_view module, absl::string_view method,
                                        const Json& args, const Json& kwargs) {
  const auto args_json = JsonText(args), kwargs_json = JsonText(kwargs);
  if (!args.is_array() || !kwargs.is_object() || !args_json || !kwargs_json) {
    return absl::InvalidArgumentError(absl::StrCat(
        module, ".", method,
        ": the arguments are not a JSON array and a JSON object, with texts in UTF-8"));
  }
  v1::RemoteCallRequest request;
  request.set_module(std::string(module));
  request.set_method(std::string(method));
  request.set_args_json(*args_json);
  request.set_kwargs_json(*kwargs_json);
  if (const CallState* call = ScopedCall::Current()) request.set_parent_call(call->call_id);
  v1::RemoteCallResponse response;
  absl::Status status = CallManager(connection_, &ManagerStubs::remote, &v1::Remote::Stub::Call,
                                    request, &response, work_timeout_);
  answered_();
  if (!status.ok()) return status;
  if (response.has_error()) {
    return RemoteFailureStatus(module, method, FromProto(response.error()));
  }
  Json result = Json::parse(response.result_json(), nullptr, /*allow_exceptions=*/false);
  if (result.is_discarded()) {
    return absl::InternalError(absl::StrCat(module, ".", method, " returned what is not JSON"));
  }
  return result;
}

absl::StatusOr<CommandResult> CallClient::Command(const ClusterCommand& command) {
  v1::SendClusterCommandResponse response;
  absl::Status status =
      CallManager(connection_, &ManagerStubs::commands, &v1::Commands::Stub::SendClusterCommand,
                  ToProto(command), &response, command.timeout);
  answered_();
  if (!status.ok()) return status;
  return FromProto(response.result());
}

void CallClient::Send(const ClusterCommand& command, CommandSender::Callback callback) {
  std::shared_ptr<CommandSender> sender;
  {
    absl::MutexLock lock(&mu_);
    sender = sender_;
  }
  if (sender == nullptr) return callback(connection_.stubs().status());
  sender->Send(
      command,
      [this, &command](grpc::ClientContext& context) {
        connection_.Prepare(context, command.timeout);
      },
      [this, callback = std::move(callback)](absl::StatusOr<CommandResult> result) mutable {
        answered_();
        callback(std::move(result));
      });
}

void CallClient::RunOnEventThread(absl::AnyInvocable<void()> task) {
  EventThread event_thread;
  {
    absl::MutexLock lock(&mu_);
    event_thread = event_thread_;
  }
  if (event_thread) event_thread(std::move(task));
}

}  // namespace outpost::internal
