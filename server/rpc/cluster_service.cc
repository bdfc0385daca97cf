#include "server/rpc/cluster_service.h"

#include <grpcpp/support/proto_buffer_reader.h>

#include <memory>
#include <utility>

#include "absl/time/time.h"
#include "server/cluster/structure_part.h"
#include "server/event/proto_time.h"
#include "server/rpc/finish.h"

namespace outpost::rpc {
namespace {

// The snapshot's bytes as a slice that keeps the snapshot alive.
grpc::Slice EncodedSlice(const cluster::SnapshotPtr& snapshot) {
  auto* const keeper = new cluster::SnapshotPtr(snapshot);
  const std::string& encoded = snapshot->encoded;
  return grpc::Slice(
      const_cast<char*>(encoded.data()), encoded.size(),
      [](void* keeper) { delete static_cast<cluster::SnapshotPtr*>(keeper); }, keeper);
}

grpc::ByteBuffer Encoded(const v1::ClusterGetResponse& response) {
  const grpc::Slice slice(response.SerializeAsString());
  return {&slice, 1};
}

}  // namespace

grpc::ServerUnaryReactor* ClusterService::Get(grpc::CallbackServerContext* context,
                                              const grpc::ByteBuffer* request,
                                              grpc::ByteBuffer* response) {
  v1::ClusterGetRequest get;
  // The reader takes the buffer's slices by reference; it does not write.
  grpc::ProtoBufferReader reader(const_cast<grpc::ByteBuffer*>(request));
  if (!reader.status().ok() || !get.ParseFromZeroCopyStream(&reader)) {
    return FinishNow(
        context, absl::InvalidArgumentError("the request is not an outpost.v1.ClusterGetRequest"));
  }
  const absl::StatusOr<cluster::SnapshotPtr> snapshot = cluster::GetStructure(*state_, get.name());
  if (!snapshot.ok()) return FinishNow(context, snapshot.status());
  if (get.if_newer_than() != 0 && get.if_newer_than() == (*snapshot)->version) {
    v1::ClusterGetResponse unchanged;
    unchanged.set_name(get.name());
    unchanged.set_version((*snapshot)->version);
    unchanged.set_unchanged(true);
    *response = Encoded(unchanged);
  } else if (!get.path().empty()) {
    absl::StatusOr<std::string> part = cluster::PartOf(**snapshot, get.path());
    if (!part.ok()) return FinishNow(context, part.status());
    v1::ClusterGetResponse partial;
    partial.set_name(get.name());
    partial.set_version((*snapshot)->version);
    partial.set_json(*std::move(part));
    *response = Encoded(partial);
  } else {
    const grpc::Slice slice = EncodedSlice(*snapshot);
    *response = grpc::ByteBuffer(&slice, 1);
  }
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* ClusterService::List(grpc::CallbackServerContext* context,
                                               const v1::ClusterListRequest*,
                                               v1::ClusterListResponse* response) {
  for (const auto& [snapshot, confirmed] : state_->List()) {
    v1::StructureInfo& info = *response->add_structures();
    info.set_name(snapshot->name);
    info.set_version(snapshot->version);
    info.set_size(snapshot->json.size());
    *info.mutable_changed() = event::ToProto(snapshot->changed);
    *info.mutable_confirmed() = event::ToProto(confirmed);
  }
  const cluster::Connection connection = state_->connection();
  response->set_connected(connection.connected);
  response->set_disconnected_reason(connection.reason);
  response->set_source(std::string(source_->name()));
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* ClusterService::GetServer(grpc::CallbackServerContext* context,
                                                    const v1::GetServerRequest* request,
                                                    v1::GetServerResponse* response) {
  auto server = daemons_->Server(request->hostname());
  if (!server.ok()) return FinishNow(context, server.status());
  *response->mutable_server() = *std::move(server);
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* ClusterService::ListServers(grpc::CallbackServerContext* context,
                                                      const v1::ListServersRequest*,
                                                      v1::ListServersResponse* response) {
  for (auto& server : daemons_->Servers()) *response->add_servers() = std::move(server);
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* ClusterService::GetMetadata(grpc::CallbackServerContext* context,
                                                      const v1::GetMetadataRequest* request,
                                                      v1::GetMetadataResponse* response) {
  const auto metadata = daemons_->Metadata(request->daemon().type(), request->daemon().id());
  if (!metadata.ok()) return FinishNow(context, metadata.status());
  response->mutable_metadata()->insert(metadata->begin(), metadata->end());
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* ClusterService::GetDaemonStatus(grpc::CallbackServerContext* context,
                                                          const v1::GetDaemonStatusRequest* request,
                                                          v1::GetDaemonStatusResponse* response) {
  const auto status = daemons_->Status(request->daemon().type(), request->daemon().id());
  if (!status.ok()) return FinishNow(context, status.status());
  response->mutable_status()->insert(status->begin(), status->end());
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* ClusterService::GetPerfSchema(grpc::CallbackServerContext* context,
                                                        const v1::GetPerfSchemaRequest* request,
                                                        v1::GetPerfSchemaResponse* response) {
  for (auto& schema : counters_->Schemas(request->daemon())) {
    *response->add_daemons() = std::move(schema);
  }
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* ClusterService::GetCounters(grpc::CallbackServerContext* context,
                                                      const v1::GetCountersRequest* request,
                                                      v1::GetCountersResponse* response) {
  for (auto& series : counters_->Series(*request)) *response->add_series() = std::move(series);
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* ClusterService::GetDaemonHealthMetrics(
    grpc::CallbackServerContext* context, const v1::GetDaemonHealthMetricsRequest* request,
    v1::GetDaemonHealthMetricsResponse* response) {
  for (auto& daemon : health_->Get(request->daemon())) *response->add_daemons() = std::move(daemon);
  return FinishNow(context, grpc::Status::OK);
}

}  // namespace outpost::rpc
