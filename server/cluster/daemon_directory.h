// DaemonDirectory tells of single daemons and hosts, from the structures that hold
// what all daemons said of themselves ("<type>_metadata", and service_map for the
// daemons that have no map of their own), and from what daemons report themselves.
//
// **Thread safety.** All methods may be called from any thread; a structure is read
// on the thread of the first caller after it has changed. What is reported is never
// kept waiting by that.
//
// **Invariants.** A daemon that reports itself is told of as it reports, whatever a
// structure says.
#ifndef OUTPOST_SERVER_CLUSTER_DAEMON_DIRECTORY_H_
#define OUTPOST_SERVER_CLUSTER_DAEMON_DIRECTORY_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "outpost/v1/cluster.pb.h"
#include "server/cluster/cluster_state.h"

namespace outpost::cluster {

class DaemonDirectory {
 public:
  // `state` outlives the directory.
  explicit DaemonDirectory(const ClusterState* state) : state_(state) {}

  using Fields = std::map<std::string, std::string>;

  // What a daemon said of itself when it started; values that are no text are
  // JSON. NOT_FOUND names the daemon.
  absl::StatusOr<Fields> Metadata(const std::string& type, const std::string& id);

  // What a daemon of the service map says of its present state; empty for those
  // that tell nothing. NOT_FOUND names the daemon.
  absl::StatusOr<Fields> Status(const std::string& type, const std::string& id);

  // A host and its daemons. NOT_FOUND names the host.
  absl::StatusOr<v1::ServerInfo> Server(const std::string& hostname);

  // Every host, by name.
  std::vector<v1::ServerInfo> Servers();

  // What a daemon reported of itself.
  void SetReported(const std::string& type, const std::string& id, Fields metadata, Fields status);
  // The daemon does not report any more.
  void RemoveReported(const std::string& type, const std::string& id);
  // Whether a structure knows the daemon.
  bool InStructures(const std::string& type, const std::string& id);

 private:
  struct Daemon {
    Fields metadata;
    Fields status;
  };
  using Daemons = std::map<std::pair<std::string, std::string>, Daemon>;  // by type and id
  struct Source {
    uint64_t version = 0;
    Daemons daemons;
  };

  // Reads again what has changed.
  void Refresh() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  const Daemon* Find(const std::string& type, const std::string& id)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // What the daemon says of itself, or a structure of it; nullopt: nothing.
  std::optional<Daemon> Lookup(const std::string& type, const std::string& id);

  const ClusterState* const state_;
  absl::Mutex mu_;
  std::map<std::string, Source> sources_ ABSL_GUARDED_BY(mu_);          // by structure
  std::map<std::string, v1::ServerInfo> servers_ ABSL_GUARDED_BY(mu_);  // by name
  uint64_t servers_of_ ABSL_GUARDED_BY(mu_) = 0;                        // which `reports_`

  absl::Mutex reported_mu_ ABSL_ACQUIRED_AFTER(mu_);
  Daemons reported_ ABSL_GUARDED_BY(reported_mu_);
  uint64_t reports_ ABSL_GUARDED_BY(reported_mu_) = 0;  // grows with each change of a host
};

}  // namespace outpost::cluster

#endif  // OUTPOST_SERVER_CLUSTER_DAEMON_DIRECTORY_H_
