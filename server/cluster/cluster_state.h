// ClusterState holds the newest snapshot of every structure of the cluster. A
// source publishes; everybody else reads.
//
// **Thread safety.** All methods may be called from any thread. Listeners run on
// the publisher's thread, one publication at a time, and must not block; they may
// read, but must not publish, set the connection or add listeners.
//
// **Invariants.**
// 1. A Snapshot never changes; a reader may keep it as long as it likes.
// 2. The versions of one structure grow by one a change, from a number that is the
//    same for all structures of a process and higher than those of earlier
//    processes, also over a removal. Publishing a text equal to the present one makes no new
//    version and no notification, but confirms it.
// 3. A snapshot is encoded once, when it is published: what Cluster.Get sends is
//    `encoded`, by reference. A big one lies where modules can map it.
// 4. What is told of when something was is by the wall clock as it goes now: setting that
//    makes nothing older or younger.
#ifndef OUTPOST_SERVER_CLUSTER_CLUSTER_STATE_H_
#define OUTPOST_SERVER_CLUSTER_CLUSTER_STATE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/cluster/sealed_text.h"
#include "server/event/moment.h"

namespace outpost::cluster {

// One version of one structure.
struct Snapshot {
  std::string name;
  uint64_t version = 0;
  std::string id;             // what a notification of it carries: an epoch; may be empty
  event::Moment changed;      // when this text was first published
  absl::string_view encoded;  // an outpost.v1.ClusterGetResponse, whole
  absl::string_view json;     // the text: the tail of `encoded`

  // Where `encoded` lies: in one of these.
  std::string own;
  std::unique_ptr<SealedText> sealed;  // null: the text is small, or the system refused
};
using SnapshotPtr = std::shared_ptr<const Snapshot>;

// A snapshot of `json`, encoded.
SnapshotPtr MakeSnapshot(absl::string_view name, uint64_t version, absl::string_view id,
                         const event::Moment& changed, absl::string_view json);

// Whether the cluster answers, and if not, why.
struct Connection {
  bool connected = false;
  std::string reason;  // empty when connected

  friend bool operator==(const Connection& a, const Connection& b) = default;
};

// What the cluster does not let its source read.
struct Access {
  std::string client;               // as whom the source asks: "client.outpost"
  std::vector<std::string> denied;  // a line each: what, and what right it would need

  friend bool operator==(const Access& a, const Access& b) = default;
};

class ClusterState {
 public:
  using Listener = std::function<void(const SnapshotPtr&)>;
  using RemovalListener = std::function<void(absl::string_view name, uint64_t version)>;

  // From this size, in bytes, a structure lies in a SealedText, and is mapped by those
  // who read it on this host; see docs/performance.md.
  static constexpr size_t kSealedSize = 128 << 10;

  // Makes `json` (valid JSON text, below protobuf's limit of 2 GiB) the newest
  // version of `name`. `id` is the structure's own epoch, if it has one. The text
  // is copied once.
  void Publish(absl::string_view name, absl::string_view json, absl::string_view id = "");

  // Forgets `name`, as if it had never been; listeners hear the version that its next text
  // would have had. A name that is unknown stays so.
  void Remove(absl::string_view name);

  // Says that the present version of `name` is still current. A name that was never
  // published stays unknown.
  void Confirm(absl::string_view name);

  // The newest snapshot. NOT_FOUND names the nearest structures, or says why
  // nothing is known yet.
  absl::StatusOr<SnapshotPtr> Get(absl::string_view name) const;

  // A structure and when its source last confirmed it.
  struct Entry {
    SnapshotPtr snapshot;
    absl::Time changed;
    absl::Time confirmed;
  };
  // Every structure, by name.
  std::vector<Entry> List() const;

  // Whether the source reaches the cluster now. Until a source has said so, it
  // does not.
  void SetConnection(Connection connection);
  Connection connection() const;

  // Until a source has said otherwise, it may read everything.
  void SetAccess(Access access);
  Access access() const;

  // The cluster's own id (a Ceph fsid), once known.
  void SetClusterId(absl::string_view id);
  std::string cluster_id() const;

  // Calls `listener` with each new version from now on. Before the first Publish.
  void AddListener(Listener listener);
  // Calls `listener` with each structure that is removed. Before the first Remove.
  void AddRemovalListener(RemovalListener listener);
  // Calls `listener` each time the connection (also its reason) or the access is another.
  // Before the first SetConnection.
  void AddConnectionListener(std::function<void(const Connection&)> listener);

 private:
  mutable absl::Mutex mu_;
  absl::Mutex publish_mu_ ABSL_ACQUIRED_BEFORE(mu_);  // keeps listeners in order
  struct Known {
    SnapshotPtr snapshot;
    event::Moment confirmed;
  };
  // Makes `*what`, which mu_ guards, be `next`, and tells the connection's listeners.
  template <typename T>
  void ChangeAndTell(T* what, T next);

  std::map<std::string, Known, std::less<>> structures_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, uint64_t, std::less<>> removed_ ABSL_GUARDED_BY(mu_);  // last versions
  Connection connection_ ABSL_GUARDED_BY(mu_) = {.connected = false,
                                                 .reason = "no source has started yet"};
  Access access_ ABSL_GUARDED_BY(mu_);
  std::string cluster_id_ ABSL_GUARDED_BY(mu_);
  std::vector<Listener> listeners_ ABSL_GUARDED_BY(publish_mu_);
  std::vector<RemovalListener> removal_listeners_ ABSL_GUARDED_BY(publish_mu_);
  std::vector<std::function<void(const Connection&)>> connection_listeners_
      ABSL_GUARDED_BY(publish_mu_);
};

}  // namespace outpost::cluster

#endif  // OUTPOST_SERVER_CLUSTER_CLUSTER_STATE_H_
