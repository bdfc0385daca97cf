#include <map>

#include "absl/strings/str_cat.h"
#include "outpost/internal/wire.h"
#include "outpost/v1/cluster.grpc.pb.h"
#include "sdk/cpp/testing/fake_services.h"

namespace outpost::testing {
namespace {

using Context = grpc::CallbackServerContext;

grpc::Status NotFound(const std::string& what) {
  return grpc::Status(grpc::StatusCode::NOT_FOUND, what);
}

// Of an object, or of each object in an array, only these members.
Json OnlyFields(const Json& value, const google::protobuf::RepeatedPtrField<std::string>& fields) {
  if (fields.empty()) return value;
  Json result = value.is_array() ? Json::array() : Json::object();
  if (value.is_array()) {
    for (const Json& element : value) result.push_back(OnlyFields(element, fields));
  } else {
    for (const std::string& field : fields) {
      if (value.contains(field)) result[field] = value.at(field);
    }
  }
  return result;
}

class FakeCluster final : public v1::Cluster::CallbackService {
 public:
  explicit FakeCluster(FakeState* state) : state_(state) {}

  grpc::ServerUnaryReactor* Get(Context* context, const v1::ClusterGetRequest* request,
                                v1::ClusterGetResponse* response) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = BeginCall(context, state_, "Cluster.Get"); !status.ok())
      return Answer(context, status);
    const auto it = state_->structures.find(request->name());
    if (it == state_->structures.end()) {
      return Answer(context, NotFound(absl::StrCat("there is no structure ", request->name())));
    }
    response->set_name(request->name());
    response->set_version(it->second.version);
    if (request->watch()) {
      state_->watched.insert(request->name());
      response->set_watched(true);
    }
    if (!request->path().empty() || request->fields_size() > 0) {
      const Json whole = Json::parse(it->second.json);
      const Json::json_pointer pointer(request->path());
      if (!whole.contains(pointer)) {
        return Answer(context,
                      NotFound(absl::StrCat(request->name(), " has no ", request->path())));
      }
      response->set_json(OnlyFields(whole.at(pointer), request->fields()).dump());
    } else if (request->if_newer_than() >= it->second.version) {
      ++state_->unchanged_reads;
      response->set_unchanged(true);
    } else {
      ++state_->whole_reads;
      response->set_json(it->second.json);
    }
    return Answer(context);
  }

  grpc::ServerUnaryReactor* List(Context* context, const v1::ClusterListRequest*,
                                 v1::ClusterListResponse* response) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = BeginCall(context, state_, "Cluster.List"); !status.ok()) {
      return Answer(context, status);
    }
    for (const auto& [name, structure] : state_->structures) {
      auto* info = response->add_structures();
      info->set_name(name);
      info->set_version(structure.version);
      info->set_size(structure.json.size());
    }
    response->set_connected(state_->connected);
    response->set_source("fake");
    return Answer(context);
  }

  grpc::ServerUnaryReactor* ListServers(Context* context, const v1::ListServersRequest*,
                                        v1::ListServersResponse* response) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = BeginCall(context, state_, "Cluster.ListServers"); !status.ok()) {
      return Answer(context, status);
    }
    for (const auto& [name, server] : Servers()) *response->add_servers() = server;
    return Answer(context);
  }

  grpc::ServerUnaryReactor* GetServer(Context* context, const v1::GetServerRequest* request,
                                      v1::GetServerResponse* response) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = BeginCall(context, state_, "Cluster.GetServer"); !status.ok()) {
      return Answer(context, status);
    }
    const auto servers = Servers();
    const auto it = servers.find(request->hostname());
    if (it == servers.end()) {
      return Answer(context, NotFound(absl::StrCat("there is no host ", request->hostname())));
    }
    *response->mutable_server() = it->second;
    return Answer(context);
  }

  grpc::ServerUnaryReactor* GetMetadata(Context* context, const v1::GetMetadataRequest* request,
                                        v1::GetMetadataResponse* response) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = BeginCall(context, state_, "Cluster.GetMetadata"); !status.ok()) {
      return Answer(context, status);
    }
    const auto it = state_->metadata.find({request->daemon().type(), request->daemon().id()});
    if (it == state_->metadata.end()) return Answer(context, NoDaemon(request->daemon()));
    response->mutable_metadata()->insert(it->second.begin(), it->second.end());
    return Answer(context);
  }

  grpc::ServerUnaryReactor* GetDaemonStatus(Context* context,
                                            const v1::GetDaemonStatusRequest* request,
                                            v1::GetDaemonStatusResponse* response) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = BeginCall(context, state_, "Cluster.GetDaemonStatus"); !status.ok()) {
      return Answer(context, status);
    }
    const auto it = state_->daemon_status.find({request->daemon().type(), request->daemon().id()});
    if (it == state_->daemon_status.end()) return Answer(context, NoDaemon(request->daemon()));
    response->mutable_status()->insert(it->second.begin(), it->second.end());
    return Answer(context);
  }

  grpc::ServerUnaryReactor* GetCounters(Context* context, const v1::GetCountersRequest* request,
                                        v1::GetCountersResponse* response) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = BeginCall(context, state_, "Cluster.GetCounters"); !status.ok()) {
      return Answer(context, status);
    }
    const auto wanted = [request](const v1::CounterSeries& series) {
      if (!Fits(request->daemon(), series.daemon())) return false;
      for (const std::string& path : request->paths()) {
        if (path == series.path()) return true;
      }
      return request->paths().empty();
    };
    for (const v1::CounterSeries& series : state_->counters) {
      if (!wanted(series)) continue;
      v1::CounterSeries* added = response->add_series();
      *added = series;
      if (request->latest_only()) {
        added->mutable_samples()->DeleteSubrange(0, added->samples_size() - 1);
      }
    }
    return Answer(context);
  }

  grpc::ServerUnaryReactor* GetPerfSchema(Context* context, const v1::GetPerfSchemaRequest* request,
                                          v1::GetPerfSchemaResponse* response) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = BeginCall(context, state_, "Cluster.GetPerfSchema"); !status.ok()) {
      return Answer(context, status);
    }
    for (const v1::CounterSeries& series : state_->counters) {
      if (!Fits(request->daemon(), series.daemon())) continue;
      auto* daemon = response->add_daemons();
      *daemon->mutable_daemon() = series.daemon();
      daemon->add_counters()->set_path(series.path());
    }
    return Answer(context);
  }

  grpc::ServerUnaryReactor* GetDaemonHealthMetrics(
      Context* context, const v1::GetDaemonHealthMetricsRequest* request,
      v1::GetDaemonHealthMetricsResponse* response) override {
    absl::MutexLock lock(&state_->mu);
    if (auto status = BeginCall(context, state_, "Cluster.GetDaemonHealthMetrics"); !status.ok()) {
      return Answer(context, status);
    }
    for (const v1::DaemonHealthMetrics& metrics : state_->health_metrics) {
      if (Fits(request->daemon(), metrics.daemon())) *response->add_daemons() = metrics;
    }
    return Answer(context);
  }

 private:
  static bool Fits(const v1::DaemonName& wanted, const v1::DaemonName& daemon) {
    return (wanted.type().empty() || wanted.type() == daemon.type()) &&
           (wanted.id().empty() || wanted.id() == daemon.id());
  }
  static grpc::Status NoDaemon(const v1::DaemonName& daemon) {
    return NotFound(absl::StrCat("there is no daemon ", daemon.type(), ".", daemon.id()));
  }
  // Hosts are those that metadata names.
  std::map<std::string, v1::ServerInfo> Servers() const ABSL_SHARED_LOCKS_REQUIRED(state_->mu) {
    std::map<std::string, v1::ServerInfo> servers;
    for (const auto& [daemon, metadata] : state_->metadata) {
      const auto it = metadata.find("hostname");
      if (it == metadata.end()) continue;
      v1::ServerInfo& server = servers[it->second];
      server.set_hostname(it->second);
      *server.add_services() = internal::ToProto(Daemon{daemon.first, daemon.second});
    }
    return servers;
  }

  FakeState* const state_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeFakeCluster(FakeState* state) {
  return std::make_unique<FakeCluster>(state);
}

}  // namespace outpost::testing
