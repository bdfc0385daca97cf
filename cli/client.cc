#include "cli/client.h"

#include <errno.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "outpost/internal/channel_credentials.h"
#include "outpost/internal/status_errno.h"
#include "outpost/v1/error_details.pb.h"

namespace outpost::cli {
namespace {

constexpr absl::Duration kRetryPause = absl::Milliseconds(200);

// An idempotency key: 128 random bits as hexadecimal digits.
std::string NewKey() {
  std::random_device random;
  return absl::StrFormat("%08x%08x%08x%08x", random(), random(), random(), random());
}

std::shared_ptr<grpc::Channel> Connect(const Client::Settings& settings) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);  // a manager is not on the web
  // gRPC gives one attempt to connect the larger of these two.
  const int milliseconds = static_cast<int>(
      std::min<int64_t>(absl::ToInt64Milliseconds(settings.connect_timeout), 1'000'000'000));
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, milliseconds);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, milliseconds);
  const internal::ChannelTarget target = internal::TargetOf(settings.address);
  return grpc::CreateCustomChannel(target.target, target.credentials, arguments);
}

// The errno that the manager named in the error's details, or 0.
int ErrnoInDetails(const grpc::Status& status) {
  v1::RpcStatus details;
  if (!details.ParseFromString(status.error_details())) return 0;
  for (const google::protobuf::Any& any : details.details()) {
    v1::ErrorInfo info;
    if (!absl::EndsWith(any.type_url(), "/google.rpc.ErrorInfo") ||
        !info.ParseFromString(any.value())) {
      continue;
    }
    const auto entry = info.metadata().find("errno");
    int error = 0;
    if (entry != info.metadata().end() && absl::SimpleAtoi(entry->second, &error) && error > 0) {
      return error;
    }
  }
  return 0;
}

int ErrnoOfCode(grpc::StatusCode code) {
  return internal::ErrnoOf(static_cast<absl::StatusCode>(code));
}

// "failed to connect to all addresses; last error: UNKNOWN: unix:/x: No such
// file or directory" says to a person: "No such file or directory".
absl::string_view ConnectReason(absl::string_view message, absl::string_view address) {
  if (const size_t at = message.rfind("last error: "); at != absl::string_view::npos) {
    message.remove_prefix(at + std::size("last error: ") - 1);
  }
  for (absl::string_view noise :
       {absl::string_view("UNKNOWN: "), absl::string_view("UNAVAILABLE: "),
        absl::string_view("ipv4:"), absl::string_view("ipv6:"), address, absl::string_view(": ")}) {
    if (absl::StartsWith(message, noise)) message.remove_prefix(noise.size());
  }
  return message;
}

}  // namespace

Client::Client(Settings settings, Interrupt* interrupt)
    : settings_(std::move(settings)), interrupt_(interrupt) {
  Reconnect();
}

void Client::Reconnect() {
  manager_.reset();
  auth_.reset();
  notifications_.reset();
  commands_.reset();
  // gRPC shares connections, and what it knows of their failures, between channels that are
  // alike: the last one has to be gone first.
  channel_.reset();
  channel_ = Connect(settings_);
  commands_ = v1::Commands::NewStub(channel_);
  notifications_ = v1::Notifications::NewStub(channel_);
  manager_ = v1::Manager::NewStub(channel_);
  auth_ = v1::Auth::NewStub(channel_);
}

void Client::SetDeadline(grpc::ClientContext* context) const {
  if (settings_.timeout != absl::InfiniteDuration()) {
    context->set_deadline(absl::ToChronoTime(absl::Now() + settings_.timeout));
  }
}

// gRPC has one code for "nobody listens", "the connection broke" and "the manager
// says so itself": the state of the channel tells which it was.
Failure Client::Unavailable(const std::string& message) const {
  switch (channel_->GetState(false)) {
    case GRPC_CHANNEL_READY:
      return ErrnoFailure(ErrnoOfCode(grpc::StatusCode::UNAVAILABLE), message);
    case GRPC_CHANNEL_TRANSIENT_FAILURE:
      return {.exit_status = ECONNREFUSED,
              .text = absl::StrCat("Error: no manager answers at ", settings_.address, ": ",
                                   ConnectReason(message, settings_.address),
                                   "; is outpostd running? (outpostd --help; set --address or "
                                   "OUTPOST_ADDRESS)")};
    default:
      return ErrnoFailure(ECONNRESET, absl::StrCat("the connection to the manager at ",
                                                   settings_.address, " was lost: ", message,
                                                   "; the command may or may not have run"));
  }
}

Failure Client::ToFailure(const grpc::Status& status) const {
  if (const int signal = interrupt_->signal(); signal != 0) return SignalFailure(signal);
  if (const int error = ErrnoInDetails(status); error != 0) {
    return ErrnoFailure(error, status.error_message());
  }
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      return Unavailable(status.error_message());
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return ErrnoFailure(
          ETIMEDOUT, absl::StrFormat("no answer from the manager at %s within %s (--timeout)",
                                     settings_.address, absl::FormatDuration(settings_.timeout)));
    case grpc::StatusCode::UNIMPLEMENTED:
      return ErrnoFailure(EOPNOTSUPP,
                          absl::StrCat("what answers at ", settings_.address,
                                       " is not an Outpost manager, or one of another version: ",
                                       status.error_message()));
    default:
      return ErrnoFailure(ErrnoOfCode(status.error_code()), status.error_message());
  }
}

std::optional<Failure> Client::Run(const v1::CommandsRunRequest& request,
                                   v1::CommandsRunResponse* response) {
  const auto until = std::chrono::steady_clock::now() + absl::ToChronoMilliseconds(settings_.retry);
  v1::CommandsRunRequest once = request;
  if (settings_.retry > absl::ZeroDuration()) once.set_idempotency_key(NewKey());
  while (true) {
    grpc::ClientContext context;
    SetDeadline(&context);
    Interrupt::Cancelling cancelling(interrupt_, &context);
    const grpc::Status status = commands_->Run(&context, once, response);
    if (status.ok()) return std::nullopt;
    if (status.error_code() != grpc::StatusCode::UNAVAILABLE || interrupt_->signal() != 0 ||
        std::chrono::steady_clock::now() >= until) {
      return ToFailure(status);
    }
    interrupt_->WaitFor(kRetryPause);
    Reconnect();
  }
}

std::optional<Failure> Client::List(const std::string& prefix, v1::CommandsListResponse* response) {
  v1::CommandsListRequest request;
  request.set_prefix(prefix);
  request.set_include_cluster(true);
  grpc::ClientContext context;
  SetDeadline(&context);
  Interrupt::Cancelling cancelling(interrupt_, &context);
  const grpc::Status status = commands_->List(&context, request, response);
  if (status.ok()) return std::nullopt;
  return ToFailure(status);
}

std::optional<Failure> Client::Complete(const std::vector<std::string>& words,
                                        v1::CommandsCompleteResponse* response) {
  v1::CommandsCompleteRequest request;
  request.mutable_words()->Add(words.begin(), words.end());
  grpc::ClientContext context;
  SetDeadline(&context);
  Interrupt::Cancelling cancelling(interrupt_, &context);
  const grpc::Status status = commands_->Complete(&context, request, response);
  if (status.ok()) return std::nullopt;
  return ToFailure(status);
}

Failure Client::Subscribe(const std::vector<std::string>& types,
                          const OnNotification& on_notification) {
  v1::SubscribeRequest request;
  request.mutable_types()->Add(types.begin(), types.end());
  grpc::ClientContext context;
  SetDeadline(&context);
  Interrupt::Cancelling cancelling(interrupt_, &context);
  const std::unique_ptr<grpc::ClientReader<v1::SubscribeResponse>> reader =
      notifications_->Subscribe(&context, request);
  std::optional<Failure> failure;
  v1::SubscribeResponse message;
  while (reader->Read(&message)) {
    if (failure.has_value() || !message.has_notification()) continue;
    failure = on_notification(message.notification());
    if (failure.has_value()) context.TryCancel();
  }
  const grpc::Status status = reader->Finish();
  if (failure.has_value()) return *failure;
  if (!status.ok()) return ToFailure(status);
  return ErrnoFailure(ECONNRESET, absl::StrCat("the manager at ", settings_.address,
                                               " ended the stream of notifications"));
}

template <typename Message>
Failure Client::ReadAll(grpc::ClientContext* context, grpc::ClientReader<Message>* reader,
                        const std::function<std::optional<Failure>(const Message*)>& take,
                        const char* what) {
  reader->WaitForInitialMetadata();
  std::optional<Failure> failure;
  if (channel_->GetState(false) == GRPC_CHANNEL_READY) failure = take(nullptr);
  Message message;
  while (reader->Read(&message)) {
    if (failure.has_value()) continue;
    failure = take(&message);
    if (failure.has_value()) context->TryCancel();
  }
  const grpc::Status status = reader->Finish();
  if (failure.has_value()) return *failure;
  if (!status.ok()) return ToFailure(status);
  return ErrnoFailure(ECONNRESET, absl::StrCat("the manager at ", settings_.address,
                                               " ended the stream of ", what));
}

Failure Client::TailLog(const v1::TailLogRequest& request, const OnLogLine& on_line) {
  grpc::ClientContext context;
  SetDeadline(&context);
  Interrupt::Cancelling cancelling(interrupt_, &context);
  return ReadAll(&context, manager_->TailLog(&context, request).get(), on_line, "log lines");
}

Failure Client::TailEvents(const v1::TailEventsRequest& request, const OnEvent& on_event) {
  grpc::ClientContext context;
  SetDeadline(&context);
  Interrupt::Cancelling cancelling(interrupt_, &context);
  return ReadAll(&context, manager_->TailEvents(&context, request).get(), on_event, "events");
}

Failure Client::TailAudit(const v1::TailAuditRequest& request, const OnAudit& on_entry) {
  grpc::ClientContext context;
  SetDeadline(&context);
  Interrupt::Cancelling cancelling(interrupt_, &context);
  return ReadAll(&context, auth_->TailAudit(&context, request).get(), on_entry, "audit entries");
}

}  // namespace outpost::cli
