// The adaptor of outpost.v1.Notifications. gRPC calls it from its own threads.
#ifndef OUTPOST_SERVER_RPC_NOTIFICATIONS_SERVICE_H_
#define OUTPOST_SERVER_RPC_NOTIFICATIONS_SERVICE_H_

#include "outpost/v1/notifications.grpc.pb.h"
#include "server/cluster/cluster_state.h"
#include "server/notify/notification_hub.h"
#include "server/rpc/open_streams.h"

namespace outpost::rpc {

class NotificationsService final : public v1::Notifications::CallbackService,
                                   public WithLimitedStreams {
 public:
  // Both outlive the service.
  NotificationsService(notify::NotificationHub* hub, const cluster::ClusterState* cluster)
      : hub_(hub), cluster_(cluster) {}

  grpc::ServerWriteReactor<v1::SubscribeResponse>* Subscribe(
      grpc::CallbackServerContext* context, const v1::SubscribeRequest* request) override;
  grpc::ServerUnaryReactor* Acknowledge(grpc::CallbackServerContext* context,
                                        const v1::AcknowledgeRequest* request,
                                        v1::AcknowledgeResponse* response) override;

  grpc::ServerUnaryReactor* ListSubscriptions(grpc::CallbackServerContext* context,
                                              const v1::ListSubscriptionsRequest* request,
                                              v1::ListSubscriptionsResponse* response) override;

 private:
  notify::NotificationHub* const hub_;
  const cluster::ClusterState* const cluster_;
};

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_NOTIFICATIONS_SERVICE_H_
