#include "outpost/internal/manager_client.h"

#include <algorithm>
#include <chrono>
#include <stop_token>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "outpost/call_context.h"
#include "outpost/internal/command_sender.h"
#include "outpost/internal/wire.h"
#include "outpost/v1/cluster.grpc.pb.h"
#include "outpost/v1/config.grpc.pb.h"
#include "outpost/v1/health.grpc.pb.h"
#include "outpost/v1/key_value.grpc.pb.h"
#include "outpost/v1/remote.grpc.pb.h"

namespace outpost::internal {

struct ManagerClient::Stubs {
  explicit Stubs(const std::shared_ptr<grpc::Channel>& channel)
      : cluster(v1::Cluster::NewStub(channel)),
        commands(v1::Commands::NewStub(channel)),
        config(v1::Config::NewStub(channel)),
        health(v1::Health::NewStub(channel)),
        key_value(v1::KeyValue::NewStub(channel)),
        remote(v1::Remote::NewStub(channel)) {}

  std::unique_ptr<v1::Cluster::Stub> cluster;
  CommandSender commands;
  std::unique_ptr<v1::Config::Stub> config;
  std::unique_ptr<v1::Health::Stub> health;
  std::unique_ptr<v1::KeyValue::Stub> key_value;
  std::unique_ptr<v1::Remote::Stub> remote;
};

ManagerClient::ManagerClient(absl::Duration call_timeout, absl::Duration work_timeout)
    : call_timeout_(call_timeout), work_timeout_(work_timeout) {}

ManagerClient::~ManagerClient() { Disconnect(); }

void ManagerClient::Connect(const std::shared_ptr<grpc::Channel>& channel,
                            EventThread event_thread) {
  absl::MutexLock lock(&mu_);
  stubs_ = std::make_shared<Stubs>(channel);
  event_thread_ = std::move(event_thread);
}

void ManagerClient::Disconnect() {
  std::shared_ptr<Stubs> stubs;
  {
    absl::MutexLock lock(&mu_);
    stubs = std::exchange(stubs_, nullptr);
  }
  if (stubs == nullptr) return;
  stubs->commands.Close();  // its callbacks may still need the event thread
  absl::MutexLock lock(&mu_);
  event_thread_ = nullptr;
}

bool ManagerClient::SetIdentity(Identity identity) {
  absl::MutexLock lock(&mu_);
  const bool other = identity.manager_instance != identity_.manager_instance;
  if (other) structures_.clear();  // versions of another process say nothing here
  identity_ = std::move(identity);
  return other;
}

ManagerClient::Identity ManagerClient::identity() const {
  absl::MutexLock lock(&mu_);
  return identity_;
}

void ManagerClient::ForgetOlder(absl::string_view name, uint64_t version) {
  absl::MutexLock lock(&mu_);
  const auto it = structures_.find(std::string(name));
  if (it != structures_.end() && it->second.version() < version) structures_.erase(it);
}

absl::StatusOr<std::shared_ptr<ManagerClient::Stubs>> ManagerClient::stubs() const {
  absl::MutexLock lock(&mu_);
  if (stubs_ == nullptr) {
    return absl::FailedPreconditionError(
        "the module is not attached to a manager: call this from Start, Serve, a command or "
        "another hook, not from the constructor");
  }
  return stubs_;
}

void ManagerClient::Prepare(grpc::ClientContext& context, absl::Duration timeout) const {
  absl::Time deadline = absl::Now() + timeout;
  if (const CallState* call = ScopedCall::Current()) deadline = std::min(deadline, call->deadline);
  context.set_deadline(absl::ToChronoTime(deadline));
  absl::MutexLock lock(&mu_);
  context.AddMetadata("outpost-session", identity_.session_key);
}

template <typename Stub, typename Request, typename Response>
absl::Status ManagerClient::Call(std::unique_ptr<Stub> Stubs::*service,
                                 grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                              Response*),
                                 const Request& request, Response* response,
                                 std::optional<absl::Duration> timeout) const {
  auto stubs = this->stubs();
  if (!stubs.ok()) return stubs.status();
  grpc::ClientContext context;
  Prepare(context, timeout.value_or(call_timeout_));
  const CallState* call = ScopedCall::Current();
  std::stop_callback cancel(call == nullptr ? std::stop_token() : call->stop.get_token(),
                            [&context] { context.TryCancel(); });
  return FromGrpcStatus((((**stubs).*service).get()->*method)(&context, request, response));
}

absl::StatusOr<StructureRef> ManagerClient::Get(absl::string_view name) {
  v1::ClusterGetRequest request;
  request.set_name(std::string(name));
  std::optional<StructureRef> kept;
  std::string instance;
  {
    absl::MutexLock lock(&mu_);
    instance = identity_.manager_instance;
    if (const auto it = structures_.find(std::string(name)); it != structures_.end()) {
      kept = it->second;
      request.set_if_newer_than(kept->version());
    }
  }
  v1::ClusterGetResponse response;
  absl::Status status = Call(&Stubs::cluster, &v1::Cluster::Stub::Get, request, &response);
  if (!status.ok()) return status;
  if (response.unchanged() && kept) return *kept;
  StructureRef fresh(std::string(name), response.version(), std::move(*response.mutable_json()));
  absl::MutexLock lock(&mu_);
  if (instance == identity_.manager_instance) {
    const auto [it, added] = structures_.emplace(std::string(name), fresh);
    if (!added && it->second.version() < fresh.version()) it->second = fresh;
  }
  return fresh;
}

absl::StatusOr<StructureRef> ManagerClient::GetPart(absl::string_view name,
                                                    absl::string_view pointer) {
  v1::ClusterGetRequest request;
  request.set_name(std::string(name));
  request.set_path(std::string(pointer));
  v1::ClusterGetResponse response;
  absl::Status status = Call(&Stubs::cluster, &v1::Cluster::Stub::Get, request, &response);
  if (!status.ok()) return status;
  return StructureRef(std::string(name), response.version(), std::move(*response.mutable_json()));
}

absl::StatusOr<bool> ManagerClient::HaveMonConnection() {
  v1::ClusterListResponse response;
  absl::Status status =
      Call(&Stubs::cluster, &v1::Cluster::Stub::List, v1::ClusterListRequest(), &response);
  if (!status.ok()) return status;
  return response.connected();
}

absl::StatusOr<Server> ManagerClient::GetServer(absl::string_view hostname) {
  v1::GetServerRequest request;
  request.set_hostname(std::string(hostname));
  v1::GetServerResponse response;
  absl::Status status = Call(&Stubs::cluster, &v1::Cluster::Stub::GetServer, request, &response);
  if (!status.ok()) return status;
  return FromProto(response.server());
}

absl::StatusOr<std::vector<Server>> ManagerClient::ListServers() {
  v1::ListServersResponse response;
  absl::Status status =
      Call(&Stubs::cluster, &v1::Cluster::Stub::ListServers, v1::ListServersRequest(), &response);
  if (!status.ok()) return status;
  std::vector<Server> servers;
  for (const auto& server : response.servers()) servers.push_back(FromProto(server));
  return servers;
}

absl::StatusOr<std::map<std::string, std::string>> ManagerClient::GetMetadata(
    const Daemon& daemon) {
  v1::GetMetadataRequest request;
  *request.mutable_daemon() = ToProto(daemon);
  v1::GetMetadataResponse response;
  absl::Status status = Call(&Stubs::cluster, &v1::Cluster::Stub::GetMetadata, request, &response);
  if (!status.ok()) return status;
  return std::map<std::string, std::string>(response.metadata().begin(), response.metadata().end());
}

absl::StatusOr<std::map<std::string, std::string>> ManagerClient::GetDaemonStatus(
    const Daemon& daemon) {
  v1::GetDaemonStatusRequest request;
  *request.mutable_daemon() = ToProto(daemon);
  v1::GetDaemonStatusResponse response;
  absl::Status status =
      Call(&Stubs::cluster, &v1::Cluster::Stub::GetDaemonStatus, request, &response);
  if (!status.ok()) return status;
  return std::map<std::string, std::string>(response.status().begin(), response.status().end());
}

absl::StatusOr<std::vector<CounterSchema>> ManagerClient::GetPerfSchema(const Daemon& daemon) {
  v1::GetPerfSchemaRequest request;
  *request.mutable_daemon() = ToProto(daemon);
  v1::GetPerfSchemaResponse response;
  absl::Status status =
      Call(&Stubs::cluster, &v1::Cluster::Stub::GetPerfSchema, request, &response);
  if (!status.ok()) return status;
  std::vector<CounterSchema> schemas;
  for (const auto& of_daemon : response.daemons()) {
    for (const auto& counter : of_daemon.counters()) {
      schemas.push_back({.daemon = FromProto(of_daemon.daemon()),
                         .path = counter.path(),
                         .type = counter.type(),
                         .unit = counter.unit(),
                         .priority = counter.priority(),
                         .description = counter.description(),
                         .nick = counter.nick()});
    }
  }
  return schemas;
}

absl::StatusOr<std::vector<CounterSeries>> ManagerClient::GetCounters(const CounterQuery& query) {
  v1::GetCountersRequest request;
  *request.mutable_daemon() = ToProto(query.daemon);
  request.mutable_paths()->Assign(query.paths.begin(), query.paths.end());
  request.set_latest_only(query.latest_only);
  request.set_min_priority(query.min_priority);
  v1::GetCountersResponse response;
  absl::Status status = Call(&Stubs::cluster, &v1::Cluster::Stub::GetCounters, request, &response);
  if (!status.ok()) return status;
  std::vector<CounterSeries> series;
  for (const auto& one : response.series()) series.push_back(FromProto(one));
  return series;
}

absl::StatusOr<std::vector<DaemonHealth>> ManagerClient::GetDaemonHealthMetrics(
    const Daemon& daemon) {
  v1::GetDaemonHealthMetricsRequest request;
  *request.mutable_daemon() = ToProto(daemon);
  v1::GetDaemonHealthMetricsResponse response;
  absl::Status status =
      Call(&Stubs::cluster, &v1::Cluster::Stub::GetDaemonHealthMetrics, request, &response);
  if (!status.ok()) return status;
  std::vector<DaemonHealth> result;
  for (const auto& of_daemon : response.daemons()) {
    DaemonHealth& health = result.emplace_back();
    health.daemon = FromProto(of_daemon.daemon());
    for (const auto& metric : of_daemon.metrics()) {
      health.metrics.push_back({metric.type(), metric.n1(), metric.n2()});
    }
  }
  return result;
}

absl::StatusOr<std::optional<std::string>> ManagerClient::GetOption(std::string key) {
  v1::ConfigGetRequest request;
  request.set_key(std::move(key));
  v1::ConfigGetResponse response;
  absl::Status status = Call(&Stubs::config, &v1::Config::Stub::Get, request, &response);
  if (!status.ok()) return status;
  return FromProto(response.option()).second;
}

absl::Status ManagerClient::SetOption(OptionValues& values, absl::string_view name,
                                      std::optional<std::string> value, bool localized) {
  const Identity who = identity();
  const std::string key = localized
                              ? absl::StrCat("mgr/", who.module, "/", who.manager_id, "/", name)
                              : absl::StrCat("mgr/", who.module, "/", name);
  const uint64_t changes_before = values.changes(name);
  v1::OptionValue effective;
  absl::Status status;
  if (value) {
    v1::ConfigSetRequest request;
    request.set_key(key);
    request.set_value(*std::move(value));
    v1::ConfigSetResponse response;
    status = Call(&Stubs::config, &v1::Config::Stub::Set, request, &response);
    effective = std::move(*response.mutable_option());
  } else {
    v1::ConfigRemoveRequest request;
    request.set_key(key);
    v1::ConfigRemoveResponse response;
    status = Call(&Stubs::config, &v1::Config::Stub::Remove, request, &response);
    effective = std::move(*response.mutable_option());
  }
  if (status.ok()) {
    values.ApplyOwn({std::string(name), FromProto(effective).second}, changes_before);
  }
  return status;
}

absl::StatusOr<std::optional<std::string>> ManagerClient::GetClusterOption(absl::string_view entity,
                                                                           absl::string_view name) {
  v1::GetClusterOptionRequest request;
  request.set_entity(std::string(entity));
  request.set_name(std::string(name));
  v1::GetClusterOptionResponse response;
  absl::Status status =
      Call(&Stubs::config, &v1::Config::Stub::GetClusterOption, request, &response);
  if (!status.ok()) return status;
  if (!response.has_value()) return std::optional<std::string>();
  return std::optional<std::string>(response.value());
}

absl::StatusOr<std::optional<std::string>> ManagerClient::GetStore(absl::string_view key) {
  v1::KeyValueGetRequest request;
  request.set_key(std::string(key));
  v1::KeyValueGetResponse response;
  absl::Status status = Call(&Stubs::key_value, &v1::KeyValue::Stub::Get, request, &response);
  if (!status.ok()) return status;
  if (!response.has_value()) return std::optional<std::string>();
  return std::optional<std::string>(std::move(*response.mutable_value()));
}

absl::Status ManagerClient::SetStore(absl::string_view key,
                                     const std::optional<std::string>& value) {
  if (value) {
    v1::KeyValuePutRequest request;
    request.set_key(std::string(key));
    request.set_value(*value);
    v1::KeyValuePutResponse response;
    return Call(&Stubs::key_value, &v1::KeyValue::Stub::Put, request, &response);
  }
  v1::KeyValueDeleteRequest request;
  request.set_key(std::string(key));
  v1::KeyValueDeleteResponse response;
  return Call(&Stubs::key_value, &v1::KeyValue::Stub::Delete, request, &response);
}

absl::StatusOr<std::map<std::string, std::string>> ManagerClient::GetStorePrefix(
    absl::string_view prefix) {
  v1::KeyValueListRequest request;
  request.set_prefix(std::string(prefix));
  v1::KeyValueListResponse response;
  absl::Status status = Call(&Stubs::key_value, &v1::KeyValue::Stub::List, request, &response);
  if (!status.ok()) return status;
  std::map<std::string, std::string> entries;
  for (auto& entry : *response.mutable_entries()) {
    entries.emplace(std::move(*entry.mutable_key()), std::move(*entry.mutable_value()));
  }
  return entries;
}

absl::Status ManagerClient::Apply(const StoreBatch& batch) {
  v1::KeyValueBatchRequest request;
  for (const auto& [key, value] : batch.conditions()) {
    auto* condition = request.add_conditions();
    condition->set_key(key);
    if (value) condition->set_value(*value);
  }
  for (const auto& [key, value] : batch.changes()) {
    auto* change = request.add_changes();
    change->set_key(key);
    if (value) change->set_value(*value);
  }
  v1::KeyValueBatchResponse response;
  absl::Status status = Call(&Stubs::key_value, &v1::KeyValue::Stub::Batch, request, &response);
  if (!status.ok() || response.succeeded()) return status;
  return absl::AbortedError(absl::StrCat("key ", response.failed_key(),
                                         " is not what the batch expects; nothing was changed"));
}

absl::StatusOr<Json> ManagerClient::Remote(absl::string_view module, absl::string_view method,
                                           const Json& args, const Json& kwargs) {
  v1::RemoteCallRequest request;
  request.set_module(std::string(module));
  request.set_method(std::string(method));
  request.set_args_json(args.dump(-1, ' ', false, Json::error_handler_t::replace));
  request.set_kwargs_json(kwargs.dump(-1, ' ', false, Json::error_handler_t::replace));
  if (const CallState* call = ScopedCall::Current()) request.set_parent_call(call->call_id);
  v1::RemoteCallResponse response;
  absl::Status status =
      Call(&Stubs::remote, &v1::Remote::Stub::Call, request, &response, work_timeout_);
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

void ManagerClient::SendCommand(const ClusterCommand& command,
                                std::function<void(absl::StatusOr<CommandResult>)> callback) {
  auto stubs = this->stubs();
  if (!stubs.ok()) return callback(stubs.status());
  (*stubs)->commands.Send(
      command,
      [this, &command](grpc::ClientContext& context) { Prepare(context, command.timeout); },
      std::move(callback));
}

void ManagerClient::RunOnEventThread(absl::AnyInvocable<void()> task) {
  EventThread event_thread;
  {
    absl::MutexLock lock(&mu_);
    event_thread = event_thread_;
  }
  if (event_thread) event_thread(std::move(task));
}

absl::Status ManagerClient::SetHealthChecks(const std::vector<HealthCheck>& checks) {
  {
    absl::MutexLock lock(&mu_);
    health_checks_ = checks;
  }
  return SendHealthChecks(checks);
}

absl::Status ManagerClient::ResendHealthChecks() {
  std::vector<HealthCheck> checks;
  {
    absl::MutexLock lock(&mu_);
    if (!health_checks_) return absl::OkStatus();
    checks = *health_checks_;
  }
  return SendHealthChecks(checks);
}

absl::Status ManagerClient::SendHealthChecks(const std::vector<HealthCheck>& checks) const {
  v1::HealthSetRequest request;
  for (const HealthCheck& check : checks) *request.add_checks() = ToProto(check);
  v1::HealthSetResponse response;
  return Call(&Stubs::health, &v1::Health::Stub::Set, request, &response);
}

}  // namespace outpost::internal
