// A Source is where cluster data comes from and where cluster commands go.
//
// It publishes each structure into the ClusterState that it was made with, again
// whenever that changes, and says there whether it reaches the cluster. It must
// never write to the cluster except by RunCommand and WriteLog.
//
// **Thread safety.** RunCommand and Commands may be called from any thread
// between Start and Stop. Start and Stop are called once each, by one thread.
#ifndef OUTPOST_SERVER_CLUSTER_SOURCE_H_
#define OUTPOST_SERVER_CLUSTER_SOURCE_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "outpost/v1/types.pb.h"
#include "server/command/command.h"

namespace outpost::cluster {

// A command for a daemon of the cluster.
struct ClusterCommand {
  std::string service_type;  // "mon", "osd", "mds", "mgr"
  std::string service_id;    // "0"; empty for "mon": whichever answers
  std::string command_json;  // {"prefix": …, arguments…}
  std::string inbuf;
  absl::Time deadline = absl::InfiniteFuture();  // by internal::SteadyNow
};

class Source {
 public:
  virtual ~Source() = default;

  // "sim", "ceph", "report".
  virtual absl::string_view name() const = 0;

  // Begins to publish. Succeeds when the source is well configured; a cluster
  // that can't be reached yet is no error (it shows in ClusterState::connection,
  // and the source goes on trying).
  virtual absl::Status Start() = 0;

  // Ends all work; callbacks of commands in flight run with -ESHUTDOWN before it
  // returns.
  virtual void Stop() = 0;

  // Sends a command; `done` gets the daemon's answer, -ETIMEDOUT at the
  // deadline, -ENOTCONN when there is no connection, -EAGAIN when too many wait.
  // Never blocks.
  virtual void RunCommand(ClusterCommand command, command::ResultCallback done) = 0;

  // The commands that "mon" takes, as signatures; may be empty while there is no
  // connection yet. Not blocking.
  virtual std::vector<command::Declaration> Commands() const = 0;

  // Calls `listener` when Commands() has changed. Before Start.
  virtual void OnCommandsChanged(std::function<void()> listener) = 0;

  // The cluster's own log, of a source whose cluster keeps one; others leave these as they are.

  // Whether it keeps one, in which it says itself how its health changes.
  virtual bool keeps_log() const { return false; }
  // Calls `listener` with each line from Start on, and who wrote it ("mon.a"), but those of
  // WriteLog. It must not block. Before Start.
  virtual void OnLog(
      const std::function<void(const std::string& who, v1::LogRecord line)>& listener) {
    (void)listener;
  }
  // Writes a line there. What can't be written is told in the manager's log. Never blocks.
  virtual void WriteLog(const v1::LogRecord& line) { (void)line; }
};

}  // namespace outpost::cluster

#endif  // OUTPOST_SERVER_CLUSTER_SOURCE_H_
