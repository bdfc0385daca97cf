#include "outpost/internal/cluster_client.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "outpost/internal/manager_stubs.h"
#include "outpost/internal/shared_text.h"
#include "outpost/internal/wire.h"

namespace outpost::internal {

absl::StatusOr<StructureRef> ClusterClient::Get(absl::string_view name) {
  while (true) {
    StructureCache::Found found = cache_.Find(name);
    if (found.current) return *std::move(found.kept);
    v1::ClusterGetRequest request;
    request.set_name(std::string(name));
    if (found.kept) request.set_if_newer_than(found.kept->version());
    request.set_watch(true);
    request.set_accept_shared(can_share_);
    v1::ClusterGetResponse response;
    absl::Status status = CallManager(connection_, &ManagerStubs::cluster, &v1::Cluster::Stub::Get,
                                      request, &response);
    if (!status.ok()) return status;
    if (!response.unchanged()) {
      if (response.has_shared()) {
        std::optional<StructureText> text = MapShared(response.shared());
        if (!text) {
          can_share_ = false;
          continue;
        }
        found.kept = StructureRef(std::string(name), response.version(), *std::move(text));
      } else {
        found.kept = StructureRef(std::string(name), response.version(),
                                  std::move(*response.mutable_json()));
      }
    } else if (!found.kept) {
      return absl::InternalError(absl::StrCat("structure \"", name,
                                              "\": the manager says that it is unchanged, to who "
                                              "has none"));
    }
    // False: another manager was asked about a version that is not its own.
    if (cache_.Keep(*found.kept, response.watched(), found.moment)) return *std::move(found.kept);
  }
}

absl::StatusOr<StructureRef> ClusterClient::GetPart(absl::string_view name,
                                                    absl::string_view pointer,
                                                    const std::vector<std::string>& fields) {
  v1::ClusterGetRequest request;
  request.set_name(std::string(name));
  request.set_path(std::string(pointer));
  request.mutable_fields()->Assign(fields.begin(), fields.end());
  v1::ClusterGetResponse response;
  absl::Status status =
      CallManager(connection_, &ManagerStubs::cluster, &v1::Cluster::Stub::Get, request, &response);
  if (!status.ok()) return status;
  return StructureRef(std::string(name), response.version(), std::move(*response.mutable_json()));
}

absl::StatusOr<std::vector<StructureInfo>> ClusterClient::ListStructures() {
  v1::ClusterListResponse response;
  absl::Status status = CallManager(connection_, &ManagerStubs::cluster, &v1::Cluster::Stub::List,
                                    v1::ClusterListRequest(), &response);
  if (!status.ok()) return status;
  std::vector<StructureInfo> structures;
  for (const auto& info : response.structures()) {
    structures.push_back({.name = info.name(),
                          .version = info.version(),
                          .size = info.size(),
                          .changed = FromProto(info.changed()),
                          .confirmed = FromProto(info.confirmed())});
  }
  return structures;
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
