#include "server/cluster/daemon_health.h"

#include "server/event/proto_time.h"

namespace outpost::cluster {

void DaemonHealth::Set(const std::string& type, const std::string& id,
                       std::vector<v1::HealthMetric> metrics, absl::Time time,
                       absl::Duration lease) {
  v1::DaemonHealthMetrics of_daemon;
  of_daemon.mutable_daemon()->set_type(type);
  of_daemon.mutable_daemon()->set_id(id);
  for (v1::HealthMetric& metric : metrics) *of_daemon.add_metrics() = std::move(metric);
  *of_daemon.mutable_time() = event::ToProto(time);
  if (lease > absl::ZeroDuration()) *of_daemon.mutable_lease() = event::ToProto(lease);
  absl::MutexLock lock(&mu_);
  daemons_.insert_or_assign({type, id}, std::move(of_daemon));
}

void DaemonHealth::Remove(const std::string& type, const std::string& id) {
  absl::MutexLock lock(&mu_);
  daemons_.erase({type, id});
}

std::vector<v1::DaemonHealthMetrics> DaemonHealth::Get(const v1::DaemonName& daemon) const {
  std::vector<v1::DaemonHealthMetrics> found;
  absl::ReaderMutexLock lock(&mu_);
  for (const auto& [key, metrics] : daemons_) {
    if (!daemon.type().empty() && key.first != daemon.type()) continue;
    if (!daemon.id().empty() && key.second != daemon.id()) continue;
    found.push_back(metrics);
  }
  return found;
}

}  // namespace outpost::cluster
