#include "server/rpc/cluster_service.h"

#include <google/protobuf/util/time_util.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include <memory>

#include "absl/time/time.h"
#include "server/rpc/finish.h"

namespace outpost::rpc {
namespace {

google::protobuf::Timestamp ToProto(absl::Time time) {
  return google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(time));
}

// The snapshot's bytes as a slice that keeps the snapshot alive.
grpc::Slice EncodedSlice(const cluster::SnapshotPtr& snapshot) {
  auto* const keeper = new cluster::SnapshotPtr(snapshot);
  const std::string& encoded = snapshot->encoded;
  return grpc::Slice(
      const_cast<char*>(encoded.data()), encoded.size(),
      [](void* keeper) { delete static_cast<cluster::SnapshotPtr*>(keeper); }, keeper);
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
  if (!get.path().empty()) {
    return FinishNow(context, NotYet("reading a part of a structure by a JSON Pointer (`path`)"));
  }
  const absl::StatusOr<cluster::SnapshotPtr> snapshot = state_->Get(get.name());
  if (!snapshot.ok()) return FinishNow(context, snapshot.status());
  if (get.if_newer_than() != 0 && get.if_newer_than() == (*snapshot)->version) {
    v1::ClusterGetResponse unchanged;
    unchanged.set_name(get.name());
    unchanged.set_version((*snapshot)->version);
    unchanged.set_unchanged(true);
    const std::string bytes = unchanged.SerializeAsString();
    const grpc::Slice slice(bytes);
    *response = grpc::ByteBuffer(&slice, 1);
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
    *info.mutable_changed() = ToProto(snapshot->changed);
    *info.mutable_confirmed() = ToProto(confirmed);
  }
  const cluster::Connection connection = state_->connection();
  response->set_connected(connection.connected);
  response->set_disconnected_reason(connection.reason);
  response->set_source(std::string(source_->name()));
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* ClusterService::GetServer(grpc::CallbackServerContext* context,
                                                    const v1::GetServerRequest*,
                                                    v1::GetServerResponse*) {
  return FinishNow(context, NotYet("a host and the daemons on it"));
}

grpc::ServerUnaryReactor* ClusterService::ListServers(grpc::CallbackServerContext* context,
                                                      const v1::ListServersRequest*,
                                                      v1::ListServersResponse*) {
  return FinishNow(context, NotYet("the hosts and the daemons on them"));
}

grpc::ServerUnaryReactor* ClusterService::GetMetadata(grpc::CallbackServerContext* context,
                                                      const v1::GetMetadataRequest*,
                                                      v1::GetMetadataResponse*) {
  return FinishNow(context, NotYet("the metadata of a daemon of any type; that of OSDs is in the "
                                   "structure osd_metadata"));
}

grpc::ServerUnaryReactor* ClusterService::GetDaemonStatus(grpc::CallbackServerContext* context,
                                                          const v1::GetDaemonStatusRequest*,
                                                          v1::GetDaemonStatusResponse*) {
  return FinishNow(context, NotYet("what a daemon reports of its present state"));
}

grpc::ServerUnaryReactor* ClusterService::GetPerfSchema(grpc::CallbackServerContext* context,
                                                        const v1::GetPerfSchemaRequest*,
                                                        v1::GetPerfSchemaResponse*) {
  return FinishNow(context, NotYet("the schema of daemons' performance counters"));
}

grpc::ServerUnaryReactor* ClusterService::GetCounters(grpc::CallbackServerContext* context,
                                                      const v1::GetCountersRequest*,
                                                      v1::GetCountersResponse*) {
  return FinishNow(context, NotYet("series of daemons' performance counters"));
}

grpc::ServerUnaryReactor* ClusterService::GetDaemonHealthMetrics(
    grpc::CallbackServerContext* context, const v1::GetDaemonHealthMetricsRequest*,
    v1::GetDaemonHealthMetricsResponse*) {
  return FinishNow(context, NotYet("the health metrics that daemons report"));
}

}  // namespace outpost::rpc
