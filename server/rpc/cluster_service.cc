#include "server/rpc/cluster_service.h"

#include <grpcpp/support/proto_buffer_reader.h>

#include <memory>
#include <utility>

#include "absl/time/time.h"
#include "server/cluster/derived_structure.h"
#include "server/event/proto_time.h"
#include "server/rpc/finish.h"

namespace outpost::rpc {
namespace {

// Bytes of a snapshot as a slice that keeps it alive.
grpc::Slice SliceOf(const cluster::SnapshotPtr& snapshot, absl::string_view bytes) {
  auto* const keeper = new cluster::SnapshotPtr(snapshot);
  return grpc::Slice(
      const_cast<char*>(bytes.data()), bytes.size(),
      [](void* keeper) { delete static_cast<cluster::SnapshotPtr*>(keeper); }, keeper);
}

grpc::ByteBuffer Encoded(const v1::ClusterGetResponse& response) {
  const grpc::Slice slice(response.SerializeAsString());
  return {&slice, 1};
}

// The whole snapshot, by reference.
grpc::ByteBuffer Whole(const cluster::SnapshotPtr& snapshot, bool watched) {
  // A field of its own behind the message: the two merge.
  static const auto* const kWatched = [] {
    v1::ClusterGetResponse only;
    only.set_watched(true);
    return new grpc::Slice(only.SerializeAsString());
  }();
  const grpc::Slice slices[] = {SliceOf(snapshot, snapshot->encoded), *kWatched};
  return {slices, watched ? 2U : 1U};
}

// Where the whole snapshot lies.
void SetShared(const cluster::Snapshot& snapshot, v1::SharedText* shared) {
  shared->set_path(snapshot.sealed->path());
  shared->set_token(snapshot.sealed->token());
  shared->set_offset(snapshot.sealed->token().size() +
                     static_cast<size_t>(snapshot.json.data() - snapshot.encoded.data()));
  shared->set_size(snapshot.json.size());
}

}  // namespace

bool ClusterService::Watch(const grpc::CallbackServerContext& context,
                           const std::string& structure) {
  const auto& metadata = context.client_metadata();
  const auto key = metadata.find("outpost-session");
  if (key == metadata.end()) return false;
  const auto session =
      parts_.supervisor->FindByKey(absl::string_view(key->second.data(), key->second.size()));
  if (session == nullptr) return false;
  parts_.watches->Watch(structure, session);
  return true;
}

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
  absl::StatusOr<cluster::SnapshotPtr> snapshot = cluster::GetStructure(*parts_.state, get.name());
  if (!snapshot.ok()) return FinishNow(context, snapshot.status());
  const bool watched =
      get.watch() && !cluster::IsDerived(get.name()) && Watch(*context, get.name());
  // Looked at once more: what came before the watch began is told to nobody.
  if (watched) snapshot = parts_.state->Get(get.name());
  if (!snapshot.ok()) return FinishNow(context, snapshot.status());
  v1::ClusterGetResponse answer;
  answer.set_name(get.name());
  answer.set_version((*snapshot)->version);
  answer.set_watched(watched);
  if (get.if_newer_than() != 0 && get.if_newer_than() == (*snapshot)->version) {
    answer.set_unchanged(true);
    *response = Encoded(answer);
    return FinishNow(context, grpc::Status::OK);
  }
  if (get.path().empty() && get.fields().empty()) {
    if (get.accept_shared() && (*snapshot)->sealed != nullptr) {
      SetShared(**snapshot, answer.mutable_shared());
      *response = Encoded(answer);
    } else {
      *response = Whole(*snapshot, watched);
    }
    return FinishNow(context, grpc::Status::OK);
  }
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  parts_.structure_parts->Read(*snapshot,
                               {.path = std::move(*get.mutable_path()),
                                .fields = {get.fields().begin(), get.fields().end()}},
                               [reactor, response, answer = std::move(answer)](
                                   const absl::StatusOr<absl::string_view>& part) mutable {
                                 if (part.ok()) {
                                   answer.set_json(part->data(), part->size());
                                   *response = Encoded(answer);
                                 }
                                 reactor->Finish(ToGrpc(part.status()));
                               });
  return reactor;
}

grpc::ServerUnaryReactor* ClusterService::List(grpc::CallbackServerContext* context,
                                               const v1::ClusterListRequest*,
                                               v1::ClusterListResponse* response) {
  for (const auto& [snapshot, changed, confirmed] : parts_.state->List()) {
    v1::StructureInfo& info = *response->add_structures();
    info.set_name(snapshot->name);
    info.set_version(snapshot->version);
    info.set_size(snapshot->json.size());
    *info.mutable_changed() = event::ToProto(changed);
    *info.mutable_confirmed() = event::ToProto(confirmed);
  }
  const cluster::Connection connection = parts_.state->connection();
  response->set_connected(connection.connected);
  response->set_disconnected_reason(connection.reason);
  response->set_source(std::string(parts_.source->name()));
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* ClusterService::GetServer(grpc::CallbackServerContext* context,
                                                    const v1::GetServerRequest* request,
                                                    v1::GetServerResponse* response) {
  auto server = parts_.daemons->Server(request->hostname());
  if (!server.ok()) return FinishNow(context, server.status());
  *response->mutable_server() = *std::move(server);
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* ClusterService::ListServers(grpc::CallbackServerContext* context,
                                                      const v1::ListServersRequest*,
                                                      v1::ListServersResponse* response) {
  for (auto& server : parts_.daemons->Servers()) *response->add_servers() = std::move(server);
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* ClusterService::GetMetadata(grpc::CallbackServerContext* context,
                                                      const v1::GetMetadataRequest* request,
                                                      v1::GetMetadataResponse* response) {
  const auto metadata = parts_.daemons->Metadata(request->daemon().type(), request->daemon().id());
  if (!metadata.ok()) return FinishNow(context, metadata.status());
  response->mutable_metadata()->insert(metadata->begin(), metadata->end());
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* ClusterService::GetDaemonStatus(grpc::CallbackServerContext* context,
                                                          const v1::GetDaemonStatusRequest* request,
                                                          v1::GetDaemonStatusResponse* response) {
  const auto status = parts_.daemons->Status(request->daemon().type(), request->daemon().id());
  if (!status.ok()) return FinishNow(context, status.status());
  response->mutable_status()->insert(status->begin(), status->end());
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* ClusterService::GetPerfSchema(grpc::CallbackServerContext* context,
                                                        const v1::GetPerfSchemaRequest* request,
                                                        v1::GetPerfSchemaResponse* response) {
  for (auto& schema : parts_.counters->Schemas(request->daemon())) {
    *response->add_daemons() = std::move(schema);
  }
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* ClusterService::GetCounters(grpc::CallbackServerContext* context,
                                                      const v1::GetCountersRequest* request,
                                                      v1::GetCountersResponse* response) {
  for (auto& series : parts_.counters->Series(*request))
    *response->add_series() = std::move(series);
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* ClusterService::GetDaemonHealthMetrics(
    grpc::CallbackServerContext* context, const v1::GetDaemonHealthMetricsRequest* request,
    v1::GetDaemonHealthMetricsResponse* response) {
  for (auto& daemon : cluster_metrics_.Get(request->daemon())) {
    *response->add_daemons() = std::move(daemon);
  }
  for (auto& daemon : parts_.health->Get(request->daemon()))
    *response->add_daemons() = std::move(daemon);
  return FinishNow(context, grpc::Status::OK);
}

}  // namespace outpost::rpc
