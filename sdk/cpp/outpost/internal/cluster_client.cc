#include "outpost/internal/cluster_client.h"

#include <optional>
#include <utility>

#include "outpost/internal/manager_stubs.h"
#include "outpost/internal/wire.h"

namespace outpost::internal {

void ClusterClient::ForgetOlder(absl::string_view name, uint64_t version) {
  absl::MutexLock lock(&mu_);
  const auto it = structures_.find(std::string(name));
  if (it != structures_.end() && it->second.version() < version) structures_.erase(it);
}

void ClusterClient::ForgetAll(const std::string& manager_instance) {
  absl::MutexLock lock(&mu_);
  manager_instance_ = manager_instance;
  structures_.clear();
}

absl::StatusOr<StructureRef> ClusterClient::Get(absl::string_view name) {
  while (true) {
    v1::ClusterGetRequest request;
    request.set_name(std::string(name));
    std::optional<StructureRef> kept;
    std::string instance;
    {
      absl::MutexLock lock(&mu_);
      instance = manager_instance_;
      if (const auto it = structures_.find(std::string(name)); it != structures_.end()) {
        kept = it->second;
        request.set_if_newer_than(kept->version());
      }
    }
    v1::ClusterGetResponse response;
    absl::Status status = CallManager(connection_, &ManagerStubs::cluster, &v1::Cluster::Stub::Get,
                                      request, &response);
    if (!status.ok()) return status;
    absl::MutexLock lock(&mu_);
    const bool same_manager = instance == manager_instance_;
    if (response.unchanged() && kept) {
      if (same_manager) return *kept;
      continue;  // another manager was asked about a version that is not its own
    }
    StructureRef fresh(std::string(name), response.version(), std::move(*response.mutable_json()));
    if (same_manager) {
      const auto [it, added] = structures_.emplace(std::string(name), fresh);
      if (!added && it->second.version() < fresh.version()) it->second = fresh;
    }
    return fresh;
  }
}

absl::StatusOr<StructureRef> ClusterClient::GetPart(absl::string_view name,
                                                    absl::string_view pointer) {
  v1::ClusterGetRequest request;
  request.set_name(std::string(name));
  request.set_path(std::string(pointer));
  v1::ClusterGetResponse response;
  absl::Status status =
      CallManager(connection_, &ManagerStubs::cluster, &v1::Cluster::Stub::Get, request, &response);
  if (!status.ok()) return status;
  return StructureRef(std::string(name), response.version(), std::move(*response.mutable_json()));
}

absl::StatusOr<bool> ClusterClient::HaveMonConnection() {
  v1::ClusterListResponse response;
  absl::Status status = CallManager(connection_, &ManagerStubs::cluster, &v1::Cluster::Stub::List,
                                    v1::ClusterListRequest(), &response);
  if (!status.ok()) return status;
  return response.connected();
}

absl::StatusOr<Server> ClusterClient::GetServer(absl::string_view hostname) {
  v1::GetServerRequest request;
  request.set_hostname(std::string(hostname));
  v1::GetServerResponse response;
  absl::Status status = CallManager(connection_, &ManagerStubs::cluster,
                                    &v1::Cluster::Stub::GetServer, request, &response);
  if (!status.ok()) return status;
  return FromProto(response.server());
}

absl::StatusOr<std::vector<Server>> ClusterClient::ListServers() {
  v1::ListServersResponse response;
  absl::Status status =
      CallManager(connection_, &ManagerStubs::cluster, &v1::Cluster::Stub::ListServers,
                  v1::ListServersRequest(), &response);
  if (!status.ok()) return status;
  std::vector<Server> servers;
  for (const auto& server : response.servers()) servers.push_back(FromProto(server));
  return servers;
}

absl::StatusOr<std::map<std::string, std::string>> ClusterClient::GetMetadata(
    const Daemon& daemon) {
  v1::GetMetadataRequest request;
  *request.mutable_daemon() = ToProto(daemon);
  v1::GetMetadataResponse response;
  absl::Status status = CallManager(connection_, &ManagerStubs::cluster,
                                    &v1::Cluster::Stub::GetMetadata, request, &response);
  if (!status.ok()) return status;
  return std::map<std::string, std::string>(response.metadata().begin(), response.metadata().end());
}

absl::StatusOr<std::map<std::string, std::string>> ClusterClient::GetDaemonStatus(
    const Daemon& daemon) {
  v1::GetDaemonStatusRequest request;
  *request.mutable_daemon() = ToProto(daemon);
  v1::GetDaemonStatusResponse response;
  absl::Status status = CallManager(connection_, &ManagerStubs::cluster,
                                    &v1::Cluster::Stub::GetDaemonStatus, request, &response);
  if (!status.ok()) return status;
  return std::map<std::string, std::string>(response.status().begin(), response.status().end());
}

absl::StatusOr<std::vector<CounterSchema>> ClusterClient::GetPerfSchema(const Daemon& daemon) {
  v1::GetPerfSchemaRequest request;
  *request.mutable_daemon() = ToProto(daemon);
  v1::GetPerfSchemaResponse response;
  absl::Status status = CallManager(connection_, &ManagerStubs::cluster,
                                    &v1::Cluster::Stub::GetPerfSchema, request, &response);
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

absl::StatusOr<std::vector<CounterSeries>> ClusterClient::GetCounters(const CounterQuery& query) {
  v1::GetCountersRequest request;
  *request.mutable_daemon() = ToProto(query.daemon);
  request.mutable_paths()->Assign(query.paths.begin(), query.paths.end());
  request.set_latest_only(query.latest_only);
  request.set_min_priority(query.min_priority);
  v1::GetCountersResponse response;
  absl::Status status = CallManager(connection_, &ManagerStubs::cluster,
                                    &v1::Cluster::Stub::GetCounters, request, &response);
  if (!status.ok()) return status;
  std::vector<CounterSeries> series;
  for (const auto& one : response.series()) series.push_back(FromProto(one));
  return series;
}

absl::StatusOr<std::vector<DaemonHealth>> ClusterClient::GetDaemonHealthMetrics(
    const Daemon& daemon) {
  v1::GetDaemonHealthMetricsRequest request;
  *request.mutable_daemon() = ToProto(daemon);
  v1::GetDaemonHealthMetricsResponse response;
  absl::Status status = CallManager(connection_, &ManagerStubs::cluster,
                                    &v1::Cluster::Stub::GetDaemonHealthMetrics, request, &response);
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

}  // namespace outpost::internal
