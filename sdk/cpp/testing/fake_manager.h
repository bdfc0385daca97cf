// FakeManager stands in for a manager in the tests of one module: a real gRPC
// server on a unix socket, which attaches the module, keeps its options, keys and
// health checks, and gives out the cluster data that the test puts in.
//
//     auto manager = outpost::testing::FakeManager::Start();
//     outpost::testing::RunningModule<Hello> hello(manager->address());
//     ASSERT_TRUE(manager->WaitForModule());
//     EXPECT_EQ(manager->RunCommand({{"prefix", "hello"}}).out, "Hello, world!");
//
// It checks little: arguments reach the module as the test gives them, and of option
// values choices and bounds are looked at. One module is attached at a time; another
// one takes its place.
//
// **Thread safety.** All methods may be called from any thread. Those that wait do
// so until kPatience at most, and say whether it came.
#ifndef OUTPOST_SDK_CPP_TESTING_FAKE_MANAGER_H_
#define OUTPOST_SDK_CPP_TESTING_FAKE_MANAGER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "outpost/command_result.h"
#include "outpost/json.h"
#include "outpost/v1/commands.pb.h"
#include "outpost/v1/manager.pb.h"
#include "outpost/v1/module_host.pb.h"
#include "outpost/v1/notifications.pb.h"
#include "outpost/v1/progress.pb.h"
#include "outpost/v1/remote.pb.h"

namespace outpost::testing {

// How long a test waits before it fails; long, for slow machines.
inline constexpr absl::Duration kPatience = absl::Seconds(20);

struct FakeManagerOptions {
  std::string manager_id = "x";
  std::optional<absl::Duration> orphan_grace = {};
  absl::Duration heartbeat_interval = absl::Seconds(5);
  std::string version = "outpost-fake 0.1.0";
  std::string manager_ip = "127.0.0.1";
  std::string cluster_id = "00000000-0000-4000-8000-000000000000";
  std::string cluster_release = "quincy";
  // Of the manager's log: for modules whose log_to_file is on.
  std::string log_file = {};
};

class FakeManager {
 public:
  // Answers Remote.Call and SendClusterCommand; must not block.
  using RemoteHandler = std::function<absl::StatusOr<Json>(const v1::RemoteCallRequest&)>;
  using ClusterCommandHandler = std::function<CommandResult(const v1::SendClusterCommandRequest&)>;

  // Null: no socket could be made.
  static std::unique_ptr<FakeManager> Start(FakeManagerOptions options = {});
  virtual ~FakeManager() = default;

  // A gRPC target, the same after Restart.
  virtual std::string address() const = 0;

  // Ends the server as a crash would: streams break.
  virtual void Crash() = 0;
  // Starts it again, as another process: options and keys are as before, health
  // checks are gone, versions of structures start again.
  virtual void Restart() = 0;
  // Breaks the session only.
  virtual void BreakSession() = 0;
  // Refuses every Register from now on with this status and reason; an OK status
  // accepts again.
  virtual void Refuse(absl::Status status, std::string reason) = 0;
  // A module was refused since Refuse was called.
  virtual bool WaitForRefusal() = 0;

  // The module has registered and is configured (again, after a break).
  virtual bool WaitForModule() = 0;
  // The module's session has ended; its stream's last message was a half-close.
  virtual bool WaitForGoodbye() = 0;
  // What the module sent last.
  virtual v1::Register registration() const = 0;
  // How often a module registered and was accepted.
  virtual int attach_count() const = 0;
  // What the module answered to Configure; empty: all is well.
  virtual std::string configured_error() const = 0;

  // Runs a command with a JSON object that has at least "prefix". -ETIMEDOUT: no
  // answer came.
  virtual CommandResult RunCommand(const Json& command,
                                   std::optional<std::string> inbuf = std::nullopt,
                                   std::optional<absl::Duration> timeout = std::nullopt) = 0;
  // The same in two halves.
  virtual uint64_t StartCommand(const Json& command,
                                std::optional<std::string> inbuf = std::nullopt,
                                std::optional<absl::Duration> timeout = std::nullopt) = 0;
  virtual CommandResult AwaitCommand(uint64_t id) = 0;
  virtual void CancelCommand(uint64_t id) = 0;
  // Calls a method of the module; DEADLINE_EXCEEDED: no answer came.
  virtual v1::CallResult CallMethod(const std::string& method, const Json& args = Json::array(),
                                    const Json& kwargs = Json::object()) = 0;

  // Sends Serve, and waits for the answer.
  virtual std::optional<v1::ServeStatus> Serve() = 0;
  virtual std::optional<v1::ServeStatus> WaitForServeStatus(v1::ServeStatus::State state) = 0;
  // Sends Drain, and waits for Drained.
  virtual bool Drain() = 0;
  virtual void Shutdown(absl::Duration grace) = 0;
  // Sends Ping, and waits for the Heartbeat.
  virtual bool Ping() = 0;

  // Sets an option (text in canonical form), and tells the module. `name` is an
  // option of the module, or a full key: "mgr/other/an_option" of a module that need
  // not exist, "mgr/<module>/<manager id>/<option>". INVALID_ARGUMENT: it may not be.
  virtual absl::Status SetOption(const std::string& name, const std::string& value) = 0;
  // Back to the weaker layer's value.
  virtual void RemoveOption(const std::string& name) = 0;
  // From now on, the module is not told of changes of options (calls are answered all
  // the same), until the test releases them: the oldest first; false: none is held.
  virtual void HoldOptionChanges() = 0;
  virtual bool ReleaseOptionChange() = 0;
  // The effective value.
  virtual std::optional<std::string> GetOption(const std::string& name) const = 0;
  // What GetClusterOption answers with.
  virtual void SetClusterOption(const std::string& entity, const std::string& name,
                                const std::string& value) = 0;

  // Puts in a structure, with a newer version, and notifies.
  virtual void SetStructure(const std::string& name, const Json& value) = 0;
  // How often structures were sent whole, and how often "unchanged" was enough.
  virtual int whole_reads() const = 0;
  virtual int unchanged_reads() const = 0;
  // Whether the cluster can be reached; it can, to begin with.
  virtual void SetConnected(bool connected) = 0;
  // What GetMetadata (and, by "hostname", GetServer and ListServers), GetDaemonStatus,
  // GetDaemonHealthMetrics and GetCounters answer with.
  virtual void SetMetadata(const std::string& type, const std::string& id,
                           std::map<std::string, std::string> metadata) = 0;
  virtual void SetDaemonStatus(const std::string& type, const std::string& id,
                               std::map<std::string, std::string> status) = 0;
  virtual void SetHealthMetric(const std::string& type, const std::string& id,
                               const std::string& metric, uint64_t n1, uint64_t n2 = 0) = 0;
  // Two samples, `seconds` apart, of which the later is the newer.
  virtual void SetCounter(const std::string& type, const std::string& id, const std::string& path,
                          double before, double now, int seconds) = 0;
  // What GetManagerStatus, ListModules and ListSubscriptions answer with.
  virtual void SetManagerStatus(v1::GetStatusResponse status) = 0;
  virtual void SetModules(v1::ListModulesResponse modules) = 0;
  virtual void SetSubscriptions(v1::ListSubscriptionsResponse subscriptions) = 0;
  // Publishes an event-like notification.
  virtual void PublishEvent(const std::string& type, const std::string& id,
                            const Json& payload) = 0;
  // The module subscribed (again, after a break).
  virtual bool WaitForSubscriber() = 0;
  // Every notification that was sent is acknowledged.
  virtual bool WaitForAcks() = 0;

  // The module's keys.
  virtual std::map<std::string, std::string> store() const = 0;
  // nullopt removes the key.
  virtual void SetStore(const std::string& key, const std::optional<std::string>& value) = 0;
  // The checks that are set, by code.
  virtual std::map<std::string, v1::HealthCheck> health_checks() const = 0;
  virtual bool WaitForHealthCheck(const std::string& code) = 0;
  // The progress events that go on, by id, and the ids of those that were completed.
  virtual std::map<std::string, v1::ProgressEvent> progress() const = 0;
  virtual std::vector<std::string> completed_progress() const = 0;
  virtual bool WaitForProgress(const std::string& id) = 0;
  // Where the module says it serves.
  virtual std::string uri() const = 0;
  virtual bool WaitForUri(const std::string& uri) = 0;
  // Ends every watch of options and keys with this status, after what it was told.
  virtual void EndWatches(const absl::Status& status) = 0;
  // Log lines of the module, oldest first; those with a `channel` are of the cluster's
  // log.
  virtual std::vector<v1::LogRecord> log() const = 0;
  virtual bool WaitForLog(const std::string& part) = 0;

  // Has calls of the wire refused from now on, by name: "KeyValue.Put". An OK status
  // answers them again.
  virtual void RefuseCalls(const std::string& call, absl::Status status) = 0;
  // How often the module has made this call.
  virtual int calls(const std::string& call) const = 0;

  virtual void OnRemote(RemoteHandler handler) = 0;
  virtual void OnClusterCommand(ClusterCommandHandler handler) = 0;
};

}  // namespace outpost::testing

#endif  // OUTPOST_SDK_CPP_TESTING_FAKE_MANAGER_H_
