// The cluster log: the lines of the log that have a channel.
#ifndef OUTPOST_SERVER_NOTIFY_CLUSTER_LOG_H_
#define OUTPOST_SERVER_NOTIFY_CLUSTER_LOG_H_

#include <cstdint>
#include <string>

#include "outpost/v1/health.pb.h"
#include "server/log/log_history.h"
#include "server/notify/notification_hub.h"

namespace outpost::notify {

// Hands the lines of the cluster log, as they come, to those who are notified of
// "clog": the channel, and {"name", "channel", "priority", "message"}. Both outlive
// it.
class ClusterLogForwarder {
 public:
  ClusterLogForwarder(log::LogHistory* history, NotificationHub* hub);
  ~ClusterLogForwarder();
  ClusterLogForwarder(const ClusterLogForwarder&) = delete;
  ClusterLogForwarder& operator=(const ClusterLogForwarder&) = delete;

 private:
  log::LogHistory* const history_;
  const uint64_t listener_;
};

// Writes a line of `manager` ("mgr.x") into the cluster log, in Ceph's words: a
// health check came, changed, or went.
void LogHealth(const std::string& manager, const v1::HealthEvent& event);

}  // namespace outpost::notify

#endif  // OUTPOST_SERVER_NOTIFY_CLUSTER_LOG_H_
