// The adaptor of outpost.v1.Cluster. Get is a raw method: the answer is the
// snapshot's own bytes, by reference. gRPC calls it from its own threads.
#ifndef OUTPOST_SERVER_RPC_CLUSTER_SERVICE_H_
#define OUTPOST_SERVER_RPC_CLUSTER_SERVICE_H_

#include <string>

#include "outpost/v1/cluster.grpc.pb.h"
#include "server/cluster/cluster_health_metrics.h"
#include "server/cluster/cluster_state.h"
#include "server/cluster/daemon_directory.h"
#include "server/cluster/daemon_health.h"
#include "server/cluster/perf_counters.h"
#include "server/cluster/source.h"
#include "server/cluster/structure_parts.h"
#include "server/module/structure_watches.h"
#include "server/module/supervisor.h"

namespace outpost::rpc {

class ClusterService final
    : public v1::Cluster::WithRawCallbackMethod_Get<v1::Cluster::CallbackService> {
 public:
  // All outlive the service.
  struct Parts {
    const cluster::ClusterState* state;
    cluster::StructureParts* structure_parts;
    cluster::DaemonDirectory* daemons;
    const cluster::PerfCounters* counters;
    const cluster::DaemonHealth* health;
    const cluster::Source* source;
    const module::Supervisor* supervisor;
    module::StructureWatches* watches;
  };

  explicit ClusterService(const Parts& parts) : parts_(parts), cluster_metrics_(parts.state) {}

  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context,
                                const grpc::ByteBuffer* request,
                                grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* context,
                                 const v1::ClusterListRequest* request,
                                 v1::ClusterListResponse* response) override;

  grpc::ServerUnaryReactor* GetServer(grpc::CallbackServerContext* context,
                                      const v1::GetServerRequest* request,
                                      v1::GetServerResponse* response) override;
  grpc::ServerUnaryReactor* ListServers(grpc::CallbackServerContext* context,
                                        const v1::ListServersRequest* request,
                                        v1::ListServersResponse* response) override;
  grpc::ServerUnaryReactor* GetMetadata(grpc::CallbackServerContext* context,
                                        const v1::GetMetadataRequest* request,
                                        v1::GetMetadataResponse* response) override;
  grpc::ServerUnaryReactor* GetDaemonStatus(grpc::CallbackServerContext* context,
                                            const v1::GetDaemonStatusRequest* request,
                                            v1::GetDaemonStatusResponse* response) override;
  grpc::ServerUnaryReactor* GetPerfSchema(grpc::CallbackServerContext* context,
                                          const v1::GetPerfSchemaRequest* request,
                                          v1::GetPerfSchemaResponse* response) override;
  grpc::ServerUnaryReactor* GetCounters(grpc::CallbackServerContext* context,
                                        const v1::GetCountersRequest* request,
                                        v1::GetCountersResponse* response) override;
  grpc::ServerUnaryReactor* GetDaemonHealthMetrics(
      grpc::CallbackServerContext* context, const v1::GetDaemonHealthMetricsRequest* request,
      v1::GetDaemonHealthMetricsResponse* response) override;

 private:
  // Whether StructureChanged will tell the caller of versions after the newest one.
  bool Watch(const grpc::CallbackServerContext& context, const std::string& structure);

  const Parts parts_;
  cluster::ClusterHealthMetrics cluster_metrics_;
};

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_CLUSTER_SERVICE_H_
