#include "outpost/testing/fake_manager.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "outpost/internal/wire.h"
#include "sdk/cpp/testing/fake_services.h"
#include "sdk/cpp/testing/fake_state.h"
#include "sdk/cpp/testing/fake_streams.h"
#include "sdk/cpp/testing/fake_watch.h"

namespace outpost::testing {
namespace {

class GrpcFakeManager final : public FakeManager {
 public:
  GrpcFakeManager(std::string directory, FakeManagerOptions options)
      : directory_(std::move(directory)) {
    absl::MutexLock lock(&state_.mu);
    state_.options = std::move(options);
  }

  ~GrpcFakeManager() override {
    Crash();
    unlink(socket().c_str());
    rmdir(directory_.c_str());
  }

  bool Listen() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address(), grpc::InsecureServerCredentials());
    builder.SetMaxReceiveMessageSize(-1);
    services_.push_back(std::make_unique<FakeModuleHost>(&state_));
    services_.push_back(std::make_unique<FakeNotifications>(&state_));
    for (const auto& make :
         {MakeFakeAuth, MakeFakeCluster, MakeFakeConfig, MakeFakeKeyValue, MakeFakeHealth,
          MakeFakeProgress, MakeFakeManagerService, MakeFakeRemote, MakeFakeCommands}) {
      services_.push_back(make(&state_));
    }
    for (const auto& service : services_) builder.RegisterService(service.get());
    server_ = builder.BuildAndStart();
    return server_ != nullptr;
  }

  std::string address() const override { return absl::StrCat("unix:", socket()); }

  void Crash() override {
    if (server_ == nullptr) return;
    server_->Shutdown(absl::ToChronoTime(absl::Now()));  // cancels what is open
    server_->Wait();
    server_.reset();
    services_.clear();
  }

  void Restart() override {
    Crash();
    {
      absl::MutexLock lock(&state_.mu);
      ++state_.instance;
      state_.revision = 1;
      state_.held_options.clear();
      state_.health_checks.clear();
      state_.progress.clear();
      state_.uri.clear();
      for (auto& [name, structure] : state_.structures) structure.version = 1;
    }
    Listen();
  }

  void BreakSession() override {
    absl::MutexLock lock(&state_.mu);
    if (state_.subscription != nullptr) state_.subscription->End();
    if (state_.stream != nullptr) {
      state_.stream->End(grpc::Status(grpc::StatusCode::UNAVAILABLE, "the test breaks it"));
    }
  }

  void Refuse(absl::Status status, std::string reason) override {
    absl::MutexLock lock(&state_.mu);
    state_.refusal = std::move(status);
    state_.refusal_reason = std::move(reason);
    state_.refused = false;
  }
  bool WaitForRefusal() override {
    return Await([this]() ABSL_SHARED_LOCKS_REQUIRED(state_.mu) { return state_.refused; });
  }

  bool WaitForModule() override {
    return Await([this]() ABSL_SHARED_LOCKS_REQUIRED(state_.mu) { return state_.attached; });
  }
  bool WaitForGoodbye() override {
    return Await([this]() ABSL_SHARED_LOCKS_REQUIRED(state_.mu) { return state_.goodbye; });
  }
  v1::Register registration() const override {
    absl::MutexLock lock(&state_.mu);
    return state_.registration;
  }
  int attach_count() const override {
    absl::MutexLock lock(&state_.mu);
    return state_.attach_count;
  }
  std::string configured_error() const override {
    absl::MutexLock lock(&state_.mu);
    return state_.configured_error;
  }

  CommandResult RunCommand(const Json& command, std::optional<std::string> inbuf,
                           std::optional<absl::Duration> timeout) override {
    return AwaitCommand(StartCommand(command, std::move(inbuf), timeout));
  }

  uint64_t StartCommand(const Json& command, std::optional<std::string> inbuf,
                        std::optional<absl::Duration> timeout) override {
    absl::MutexLock lock(&state_.mu);
    const uint64_t id = state_.next_id++;
    v1::AttachResponse message;
    v1::RunCommand* run = message.mutable_run_command();
    run->set_id(id);
    run->set_prefix(command.value("prefix", ""));
    run->set_command_json(command.dump());
    if (inbuf) run->set_inbuf(*inbuf);
    run->set_has_inbuf(inbuf.has_value());
    run->set_caller("user/admin");
    run->set_call_id(absl::StrCat("call-", id));
    if (timeout) *run->mutable_timeout() = internal::ToProto(*timeout);
    Send(std::move(message));
    return id;
  }

  CommandResult AwaitCommand(uint64_t id) override {
    const bool answered = Await([this, id]() ABSL_SHARED_LOCKS_REQUIRED(state_.mu) {
      return state_.command_results.contains(id);
    });
    if (!answered) return CommandResult::Error(ETIMEDOUT, "the module did not answer");
    absl::MutexLock lock(&state_.mu);
    return internal::FromProto(state_.command_results[id]);
  }

  void CancelCommand(uint64_t id) override {
    absl::MutexLock lock(&state_.mu);
    v1::AttachResponse message;
    message.mutable_cancel()->set_id(id);
    Send(std::move(message));
  }

  v1::CallResult CallMethod(const std::string& method, const Json& args,
                            const Json& kwargs) override {
    uint64_t id = 0;
    {
      absl::MutexLock lock(&state_.mu);
      id = state_.next_id++;
      v1::AttachResponse message;
      v1::Call* call = message.mutable_call();
      call->set_id(id);
      call->set_method(method);
      call->set_args_json(args.dump());
      call->set_kwargs_json(kwargs.dump());
      call->set_caller("module/caller");
      call->set_call_id(absl::StrCat("call-", id));
      Send(std::move(message));
    }
    Await([this, id]()
              ABSL_SHARED_LOCKS_REQUIRED(state_.mu) { return state_.call_results.contains(id); });
    absl::MutexLock lock(&state_.mu);
    return state_.call_results[id];
  }

  std::optional<v1::ServeStatus> Serve() override {
    {
      absl::MutexLock lock(&state_.mu);
      state_.serve_status.reset();
      v1::AttachResponse message;
      message.mutable_serve();
      Send(std::move(message));
    }
    Await([this]()
              ABSL_SHARED_LOCKS_REQUIRED(state_.mu) { return state_.serve_status.has_value(); });
    absl::MutexLock lock(&state_.mu);
    return state_.serve_status;
  }

  std::optional<v1::ServeStatus> WaitForServeStatus(v1::ServeStatus::State wanted) override {
    const bool came = Await([this, wanted]() ABSL_SHARED_LOCKS_REQUIRED(state_.mu) {
      return state_.serve_status && state_.serve_status->state() == wanted;
    });
    if (!came) return std::nullopt;
    absl::MutexLock lock(&state_.mu);
    return state_.serve_status;
  }

  bool Drain() override {
    {
      absl::MutexLock lock(&state_.mu);
      state_.drained = false;
      v1::AttachResponse message;
      message.mutable_drain();
      Send(std::move(message));
    }
    return Await([this]() ABSL_SHARED_LOCKS_REQUIRED(state_.mu) { return state_.drained; });
  }

  void Shutdown(absl::Duration grace) override {
    absl::MutexLock lock(&state_.mu);
    v1::AttachResponse message;
    *message.mutable_shutdown()->mutable_grace() = internal::ToProto(grace);
    message.mutable_shutdown()->set_reason("the test ends it");
    Send(std::move(message));
  }

  bool Ping() override {
    uint64_t sequence = 0;
    {
      absl::MutexLock lock(&state_.mu);
      sequence = state_.next_id++;
      v1::AttachResponse message;
      message.mutable_ping()->set_sequence(sequence);
      Send(std::move(message));
    }
    return Await([this, sequence]() ABSL_SHARED_LOCKS_REQUIRED(state_.mu) {
      return state_.heartbeat == sequence;
    });
  }

  absl::Status SetOption(const std::string& name, const std::string& value) override {
    absl::MutexLock lock(&state_.mu);
    const std::string key = state_.FullKey(name);
    if (absl::Status status = state_.CheckValue(key, value); !status.ok()) return status;
    state_.options_set[key] = value;
    state_.TellOption(key);
    return absl::OkStatus();
  }
  void RemoveOption(const std::string& name) override {
    absl::MutexLock lock(&state_.mu);
    const std::string key = state_.FullKey(name);
    state_.options_set.erase(key);
    state_.TellOption(key);
  }
  void HoldOptionChanges() override {
    absl::MutexLock lock(&state_.mu);
    state_.hold_options = true;
  }
  bool ReleaseOptionChange() override {
    absl::MutexLock lock(&state_.mu);
    if (state_.held_options.empty()) return false;
    Send(std::move(state_.held_options.front()));
    state_.held_options.pop_front();
    return true;
  }
  std::optional<std::string> GetOption(const std::string& name) const override {
    absl::MutexLock lock(&state_.mu);
    const v1::OptionValue value = state_.OptionValueOf(state_.FullKey(name));
    return value.has_value() ? std::optional(value.value()) : std::nullopt;
  }
  void SetClusterOption(const std::string& entity, const std::string& name,
                        const std::string& value) override {
    absl::MutexLock lock(&state_.mu);
    state_.cluster_options[{entity, name}] = value;
  }

  void SetStructure(const std::string& name, const Json& value) override {
    absl::MutexLock lock(&state_.mu);
    FakeState::Structure& structure = state_.structures[name];
    ++structure.version;
    structure.json = value.dump();
    if (state_.watched.erase(name) > 0 && state_.stream != nullptr) {
      v1::AttachResponse message;
      message.mutable_structure_changed()->set_name(name);
      message.mutable_structure_changed()->set_version(structure.version);
      state_.stream->Send(std::move(message));
    }
    v1::Notification notification;
    notification.set_type(name);
    notification.set_version(structure.version);
    notification.set_id(absl::StrCat(structure.version));
    state_.Publish(std::move(notification));
  }
  int whole_reads() const override {
    absl::MutexLock lock(&state_.mu);
    return state_.whole_reads;
  }
  int unchanged_reads() const override {
    absl::MutexLock lock(&state_.mu);
    return state_.unchanged_reads;
  }
  void SetMetadata(const std::string& type, const std::string& id,
                   std::map<std::string, std::string> metadata) override {
    absl::MutexLock lock(&state_.mu);
    state_.metadata[{type, id}] = std::move(metadata);
  }
  void SetDaemonStatus(const std::string& type, const std::string& id,
                       std::map<std::string, std::string> status) override {
    absl::MutexLock lock(&state_.mu);
    state_.daemon_status[{type, id}] = std::move(status);
  }
  void SetHealthMetric(const std::string& type, const std::string& id, const std::string& metric,
                       uint64_t n1, uint64_t n2) override {
    absl::MutexLock lock(&state_.mu);
    v1::DaemonHealthMetrics& added = state_.health_metrics.emplace_back();
    *added.mutable_daemon() = internal::ToProto(Daemon{type, id});
    added.add_metrics()->set_type(metric);
    added.mutable_metrics(0)->set_n1(n1);
    added.mutable_metrics(0)->set_n2(n2);
  }
  void SetConnected(bool connected) override {
    absl::MutexLock lock(&state_.mu);
    state_.connected = connected;
  }
  void SetManagerStatus(v1::GetStatusResponse status) override {
    absl::MutexLock lock(&state_.mu);
    state_.manager_status = std::move(status);
  }
  void SetModules(v1::ListModulesResponse modules) override {
    absl::MutexLock lock(&state_.mu);
    state_.modules = std::move(modules);
  }
  void SetSubscriptions(v1::ListSubscriptionsResponse subscriptions) override {
    absl::MutexLock lock(&state_.mu);
    state_.subscriptions = std::move(subscriptions);
  }
  void SetCounter(const std::string& type, const std::string& id, const std::string& path,
                  double before, double now, int seconds) override {
    absl::MutexLock lock(&state_.mu);
    v1::CounterSeries& series = state_.counters.emplace_back();
    *series.mutable_daemon() = internal::ToProto(Daemon{type, id});
    series.set_path(path);
    auto* sample = series.add_samples();
    sample->mutable_time()->set_seconds(1000);
    sample->set_value(before);
    sample = series.add_samples();
    sample->mutable_time()->set_seconds(1000 + seconds);
    sample->set_value(now);
  }
  void PublishEvent(const std::string& type, const std::string& id, const Json& payload) override {
    absl::MutexLock lock(&state_.mu);
    v1::Notification notification;
    notification.set_type(type);
    notification.set_id(id);
    notification.set_payload_json(payload.dump());
    state_.Publish(std::move(notification));
  }
  bool WaitForSubscriber() override {
    return Await(
        [this]() ABSL_SHARED_LOCKS_REQUIRED(state_.mu) { return state_.subscription != nullptr; });
  }
  bool WaitForAcks() override {
    return Await([this]() ABSL_SHARED_LOCKS_REQUIRED(state_.mu) {
      return state_.waiting.empty() && state_.unacknowledged.empty();
    });
  }

  std::map<std::string, std::string> store() const override {
    absl::MutexLock lock(&state_.mu);
    return state_.store;
  }
  void SetStore(const std::string& key, const std::optional<std::string>& value) override {
    absl::MutexLock lock(&state_.mu);
    state_.ChangeKey(key, value);
  }
  void EndWatches(const absl::Status& status) override {
    absl::MutexLock lock(&state_.mu);
    const auto options = state_.option_watches;
    for (auto* const watch : options) watch->End(StatusWithReason(status, ""));
    const auto keys = state_.key_watches;
    for (auto* const watch : keys) watch->End(StatusWithReason(status, ""));
  }
  std::map<std::string, v1::ProgressEvent> progress() const override {
    absl::MutexLock lock(&state_.mu);
    return state_.progress;
  }
  std::vector<std::string> completed_progress() const override {
    absl::MutexLock lock(&state_.mu);
    return state_.completed_progress;
  }
  bool WaitForProgress(const std::string& id) override {
    return Await([this, &id]() ABSL_SHARED_LOCKS_REQUIRED(state_.mu) {
      return state_.progress.contains(id);
    });
  }
  std::string uri() const override {
    absl::MutexLock lock(&state_.mu);
    return state_.uri;
  }
  bool WaitForUri(const std::string& uri) override {
    return Await([this, &uri]()
                     ABSL_SHARED_LOCKS_REQUIRED(state_.mu) { return state_.uri == uri; });
  }
  std::map<std::string, v1::HealthCheck> health_checks() const override {
    absl::MutexLock lock(&state_.mu);
    return state_.health_checks;
  }
  bool WaitForHealthCheck(const std::string& code) override {
    return Await([this, &code]() ABSL_SHARED_LOCKS_REQUIRED(state_.mu) {
      return state_.health_checks.contains(code);
    });
  }
  std::vector<v1::LogRecord> log() const override {
    absl::MutexLock lock(&state_.mu);
    return state_.log;
  }
  bool WaitForLog(const std::string& part) override {
    return Await([this, &part]() ABSL_SHARED_LOCKS_REQUIRED(state_.mu) {
      for (const v1::LogRecord& record : state_.log) {
        if (record.message().find(part) != std::string::npos) return true;
      }
      return false;
    });
  }

  void RefuseCalls(const std::string& call, absl::Status status) override {
    absl::MutexLock lock(&state_.mu);
    if (status.ok()) {
      state_.call_refusals.erase(call);
    } else {
      state_.call_refusals[call] = std::move(status);
    }
  }
  int calls(const std::string& call) const override {
    absl::MutexLock lock(&state_.mu);
    const auto it = state_.calls.find(call);
    return it == state_.calls.end() ? 0 : it->second;
  }

  void OnRemote(RemoteHandler handler) override {
    absl::MutexLock lock(&state_.mu);
    state_.on_remote = std::move(handler);
  }
  void OnClusterCommand(ClusterCommandHandler handler) override {
    absl::MutexLock lock(&state_.mu);
    state_.on_cluster_command = std::move(handler);
  }

 private:
  std::string socket() const { return absl::StrCat(directory_, "/manager.sock"); }

  template <typename Predicate>
  bool Await(const Predicate& predicate) {
    absl::MutexLock lock(&state_.mu);
    return state_.mu.AwaitWithTimeout(absl::Condition(&predicate), kPatience);
  }

  void Send(v1::AttachResponse message) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mu) {
    if (state_.stream != nullptr) state_.stream->Send(std::move(message));
  }

  const std::string directory_;
  mutable FakeState state_;
  std::vector<std::unique_ptr<grpc::Service>> services_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace

std::unique_ptr<FakeManager> FakeManager::Start(FakeManagerOptions options) {
  const char* base = std::getenv("TEST_TMPDIR");
  // A unix socket's path has room for about 100 bytes.
  std::string directory = base != nullptr && std::string(base).size() < 60 ? base : "/tmp";
  directory += "/outpost-XXXXXX";
  if (mkdtemp(directory.data()) == nullptr) return nullptr;
  auto manager = std::make_unique<GrpcFakeManager>(std::move(directory), std::move(options));
  if (!manager->Listen()) return nullptr;
  return manager;
}

}  // namespace outpost::testing
