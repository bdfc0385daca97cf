#include "cli/testing/fake_manager.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <chrono>
#include <utility>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace outpost::cli {
namespace {

constexpr absl::Duration kDeadline = absl::Seconds(30);
constexpr absl::Duration kAskCancelledEvery = absl::Milliseconds(5);

}  // namespace

FakeManager::FakeManager(const std::string& address) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials());
  builder.SetMaxReceiveMessageSize(-1);
  builder.RegisterService(static_cast<v1::Commands::Service*>(this));
  builder.RegisterService(static_cast<v1::Notifications::Service*>(this));
  server_ = builder.BuildAndStart();
}

FakeManager::~FakeManager() { Stop(); }

void FakeManager::Stop() { server_->Shutdown(std::chrono::system_clock::now()); }

void FakeManager::OnRun(Handler handler) {
  absl::MutexLock lock(&mutex_);
  handler_ = std::move(handler);
}

void FakeManager::OnRunAnswer(int retval, std::string out, std::string err, bool poll) {
  OnRun(
      [retval, out = std::move(out), err = std::move(err), poll](
          grpc::ServerContext*, const v1::CommandsRunRequest&, v1::CommandsRunResponse* response) {
        response->mutable_result()->set_retval(retval);
        response->mutable_result()->set_stdout(out);
        response->mutable_result()->set_stderr(err);
        response->set_poll(poll);
        response->set_prefix("iostat");
        return grpc::Status::OK;
      });
}

void FakeManager::AddCommand(const std::string& prefix, const std::string& signature,
                             const std::string& usage) {
  absl::MutexLock lock(&mutex_);
  v1::CommandInfo* command = list_.add_commands();
  command->set_prefix(prefix);
  command->set_usage(usage);
  command->set_provider("manager");
  command->set_available(true);
  command->mutable_declaration()->set_signature(signature);
  command->mutable_declaration()->set_description("what it does");
}

void FakeManager::SetNotifications(std::vector<v1::Notification> notifications) {
  absl::MutexLock lock(&mutex_);
  notifications_ = std::move(notifications);
}

std::vector<v1::CommandsRunRequest> FakeManager::requests() const {
  absl::MutexLock lock(&mutex_);
  return requests_;
}

std::vector<std::string> FakeManager::subscribed_types() const {
  absl::MutexLock lock(&mutex_);
  return subscribed_types_;
}

bool FakeManager::WaitForRequests(size_t n) const {
  absl::MutexLock lock(&mutex_);
  const auto reached = [this, n]()
                           ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return requests_.size() >= n; };
  return mutex_.AwaitWithTimeout(absl::Condition(&reached), kDeadline);
}

bool FakeManager::WaitForIdle() const {
  absl::MutexLock lock(&mutex_);
  const auto idle = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return running_ == 0; };
  return mutex_.AwaitWithTimeout(absl::Condition(&idle), kDeadline);
}

void FakeManager::AwaitCancelled(grpc::ServerContext* context) {
  const absl::Time end = absl::Now() + kDeadline;
  while (!context->IsCancelled() && absl::Now() < end) absl::SleepFor(kAskCancelledEvery);
}

grpc::Status FakeManager::Run(grpc::ServerContext* context, const v1::CommandsRunRequest* request,
                              v1::CommandsRunResponse* response) {
  Handler handler;
  {
    absl::MutexLock lock(&mutex_);
    requests_.push_back(*request);
    handler = handler_;
    ++running_;
  }
  grpc::Status status = handler(context, *request, response);
  absl::MutexLock lock(&mutex_);
  --running_;
  return status;
}

grpc::Status FakeManager::List(grpc::ServerContext*, const v1::CommandsListRequest* request,
                               v1::CommandsListResponse* response) {
  absl::MutexLock lock(&mutex_);
  for (const v1::CommandInfo& command : list_.commands()) {
    if (absl::StartsWith(command.prefix(), request->prefix())) *response->add_commands() = command;
  }
  return grpc::Status::OK;
}

grpc::Status FakeManager::Subscribe(grpc::ServerContext* context,
                                    const v1::SubscribeRequest* request,
                                    grpc::ServerWriter<v1::SubscribeResponse>* writer) {
  std::vector<v1::Notification> notifications;
  {
    absl::MutexLock lock(&mutex_);
    subscribed_types_.assign(request->types().begin(), request->types().end());
    notifications = notifications_;
  }
  v1::SubscribeResponse message;
  message.mutable_subscribed()->set_subscription_id(1);
  writer->Write(message);
  for (const v1::Notification& notification : notifications) {
    *message.mutable_notification() = notification;
    writer->Write(message);
  }
  AwaitCancelled(context);
  return grpc::Status::CANCELLED;
}

}  // namespace outpost::cli
