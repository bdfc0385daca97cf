// ManagerClient is what a module calls the manager with, outside the session.
//
// **Thread safety.** As its parts say.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_MANAGER_CLIENT_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_MANAGER_CLIENT_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "outpost/internal/call_client.h"
#include "outpost/internal/cluster_client.h"
#include "outpost/internal/facts_client.h"
#include "outpost/internal/manager_connection.h"
#include "outpost/internal/report_client.h"
#include "outpost/internal/state_client.h"
#include "outpost/internal/watch_client.h"

namespace outpost::internal {

class ManagerClient {
 public:
  ManagerClient(absl::Duration call_timeout, absl::Duration work_timeout)
      : connection_(call_timeout),
        calls_(connection_, work_timeout, [this] { cluster_.cache().Doubt(); }) {}

  void Connect(const std::shared_ptr<grpc::Channel>& channel, CallClient::EventThread event_thread,
               std::function<void(const std::string&)> warn) {
    connection_.Connect(channel);
    watches_.Connect(event_thread, std::move(warn));
    calls_.Connect(channel, std::move(event_thread));
  }
  // Ends watches, cancels what SendCommand started, and waits for it.
  void Disconnect() {
    watches_.Close();
    calls_.Disconnect();
    connection_.Disconnect();
  }

  // The module was configured; the driver of the session calls it. `trust`: for how long
  // the session may be silent before its word on structures counts no more. True: this is
  // another manager process than before.
  bool SetIdentity(const Identity& identity, absl::Duration trust) {
    const bool other = identity.manager_instance != connection_.identity().manager_instance;
    if (other) cluster_.cache().ManagerChanged();  // before calls reach the new one
    connection_.SetIdentity(identity);
    cluster_.cache().SessionBegan(trust);  // calls have its key now
    return other;
  }
  Identity identity() const { return connection_.identity(); }

  ClusterClient& cluster() { return cluster_; }
  StateClient& state() { return state_; }
  CallClient& calls() { return calls_; }
  ReportClient& reports() { return reports_; }
  WatchClient& watches() { return watches_; }
  FactsClient& facts() { return facts_; }

 private:
  ManagerConnection connection_;
  ClusterClient cluster_{connection_};
  StateClient state_{connection_};
  ReportClient reports_{connection_};
  WatchClient watches_{connection_};
  FactsClient facts_{connection_};
  CallClient calls_;
};

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_MANAGER_CLIENT_H_
