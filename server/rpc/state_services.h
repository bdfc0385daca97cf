// The adaptors of outpost.v1.Config, KeyValue and Health: what modules and
// operators set. gRPC calls them from its own threads.
#ifndef OUTPOST_SERVER_RPC_STATE_SERVICES_H_
#define OUTPOST_SERVER_RPC_STATE_SERVICES_H_

#include <memory>
#include <string>

#include "outpost/v1/config.grpc.pb.h"
#include "outpost/v1/health.grpc.pb.h"
#include "outpost/v1/key_value.grpc.pb.h"
#include "server/cluster/source.h"
#include "server/config/config_registry.h"
#include "server/health/health_registry.h"
#include "server/rpc/open_streams.h"
#include "server/store/state_store.h"

namespace outpost::rpc {

class ConfigService final : public v1::Config::CallbackService, public WithLimitedStreams {
 public:
  // Both outlive the service. Makes it a listener of `config`.
  ConfigService(config::ConfigRegistry* config, cluster::Source* source);
  ~ConfigService() override;

  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context,
                                const v1::ConfigGetRequest* request,
                                v1::ConfigGetResponse* response) override;
  grpc::ServerUnaryReactor* Set(grpc::CallbackServerContext* context,
                                const v1::ConfigSetRequest* request,
                                v1::ConfigSetResponse* response) override;
  grpc::ServerUnaryReactor* Remove(grpc::CallbackServerContext* context,
                                   const v1::ConfigRemoveRequest* request,
                                   v1::ConfigRemoveResponse* response) override;
  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* context,
                                 const v1::ConfigListRequest* request,
                                 v1::ConfigListResponse* response) override;
  grpc::ServerWriteReactor<v1::ConfigWatchResponse>* Watch(
      grpc::CallbackServerContext* context, const v1::ConfigWatchRequest* request) override;
  grpc::ServerUnaryReactor* History(grpc::CallbackServerContext* context,
                                    const v1::ConfigHistoryRequest* request,
                                    v1::ConfigHistoryResponse* response) override;
  grpc::ServerUnaryReactor* GetClusterOption(grpc::CallbackServerContext* context,
                                             const v1::GetClusterOptionRequest* request,
                                             v1::GetClusterOptionResponse* response) override;

 private:
  class Watchers;

  config::ConfigRegistry* const config_;
  cluster::Source* const source_;
  const std::shared_ptr<Watchers> watchers_;
};

class KeyValueService final : public v1::KeyValue::CallbackService, public WithLimitedStreams {
 public:
  // `store` outlives the service.
  explicit KeyValueService(store::StateStore* store) : store_(store) {}

  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context,
                                const v1::KeyValueGetRequest* request,
                                v1::KeyValueGetResponse* response) override;
  grpc::ServerUnaryReactor* Put(grpc::CallbackServerContext* context,
                                const v1::KeyValuePutRequest* request,
                                v1::KeyValuePutResponse* response) override;
  grpc::ServerUnaryReactor* Delete(grpc::CallbackServerContext* context,
                                   const v1::KeyValueDeleteRequest* request,
                                   v1::KeyValueDeleteResponse* response) override;
  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* context,
                                 const v1::KeyValueListRequest* request,
                                 v1::KeyValueListResponse* response) override;
  grpc::ServerUnaryReactor* Batch(grpc::CallbackServerContext* context,
                                  const v1::KeyValueBatchRequest* request,
                                  v1::KeyValueBatchResponse* response) override;
  grpc::ServerWriteReactor<v1::KeyValueWatchResponse>* Watch(
      grpc::CallbackServerContext* context, const v1::KeyValueWatchRequest* request) override;

 private:
  // "kv/<module>/" of the module that is meant.
  absl::StatusOr<std::string> Prefix(const grpc::CallbackServerContext& context,
                                     const std::string& module) const;

  store::StateStore* const store_;
};

class HealthService final : public v1::Health::CallbackService {
 public:
  // `health` outlives the service.
  explicit HealthService(health::HealthRegistry* health) : health_(health) {}

  grpc::ServerUnaryReactor* Set(grpc::CallbackServerContext* context,
                                const v1::HealthSetRequest* request,
                                v1::HealthSetResponse* response) override;
  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context,
                                const v1::HealthGetRequest* request,
                                v1::HealthGetResponse* response) override;
  grpc::ServerUnaryReactor* Mute(grpc::CallbackServerContext* context,
                                 const v1::HealthMuteRequest* request,
                                 v1::HealthMuteResponse* response) override;
  grpc::ServerUnaryReactor* Unmute(grpc::CallbackServerContext* context,
                                   const v1::HealthUnmuteRequest* request,
                                   v1::HealthUnmuteResponse* response) override;
  grpc::ServerUnaryReactor* History(grpc::CallbackServerContext* context,
                                    const v1::HealthHistoryRequest* request,
                                    v1::HealthHistoryResponse* response) override;

 private:
  health::HealthRegistry* const health_;
};

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_STATE_SERVICES_H_
