// DaemonDirectory tells of single daemons and hosts, from the structures that hold
// what all daemons said of themselves: "<type>_metadata", and service_map for the
// daemons that have no map of their own.
//
// **Thread safety.** All methods may be called from any thread; a structure is read
// on the thread of the first caller after it has changed.
#ifndef OUTPOST_SERVER_CLUSTER_DAEMON_DIRECTORY_H_
#define OUTPOST_SERVER_CLUSTER_DAEMON_DIRECTORY_H_

#include <cstdint>
#include <map>
#include <memory>
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

  const ClusterState* const state_;
  absl::Mutex mu_;
  std::map<std::string, Source> sources_ ABSL_GUARDED_BY(mu_);          // by structure
  std::map<std::string, v1::ServerInfo> servers_ ABSL_GUARDED_BY(mu_);  // by name
};

}  // namespace outpost::cluster

#endif  // OUTPOST_SERVER_CLUSTER_DAEMON_DIRECTORY_H_
