// DeniedReads keeps what the cluster does not let its source read, as refusals tell, and publishes
// it. The first refusal of each is logged.
//
// **Thread safety.** All methods may be called from any thread.
#ifndef OUTPOST_SERVER_CLUSTER_CEPH_DENIED_READS_H_
#define OUTPOST_SERVER_CLUSTER_CEPH_DENIED_READS_H_

#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "server/cluster/cluster_state.h"
#include "server/command/command.h"

namespace outpost::cluster::ceph {

// Whether a command was refused for want of a right.
bool IsDenied(const command::Result& result);

class DeniedReads {
 public:
  // `client`, as which the source asks: "client.outpost". `state` outlives this.
  DeniedReads(std::string client, ClusterState* state)
      : client_(std::move(client)), state_(*state) {}

  // How a question for `what` ("mon_status") ended, which takes the capability `needed`
  // ("mon 'allow *'").
  void Note(absl::string_view what, absl::string_view needed, const command::Result& result);

 private:
  const std::string client_;
  ClusterState& state_;
  absl::Mutex mu_;
  std::map<std::string, std::string, std::less<>> lines_ ABSL_GUARDED_BY(mu_);  // by what
};

}  // namespace outpost::cluster::ceph

#endif  // OUTPOST_SERVER_CLUSTER_CEPH_DENIED_READS_H_
