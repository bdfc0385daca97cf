// What a FakeManager knows, shared by its services.
//
// **Thread safety.** `mu` guards everything; the services take it themselves.
#ifndef OUTPOST_SDK_CPP_TESTING_FAKE_STATE_H_
#define OUTPOST_SDK_CPP_TESTING_FAKE_STATE_H_

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "outpost/testing/fake_manager.h"
#include "outpost/v1/cluster.pb.h"
#include "outpost/v1/config.pb.h"
#include "outpost/v1/key_value.pb.h"
#include "outpost/v1/manager.pb.h"
#include "outpost/v1/module_host.pb.h"
#include "outpost/v1/notifications.pb.h"
#include "outpost/v1/progress.pb.h"

namespace outpost::testing {

class FakeAttach;
class FakeSubscription;
template <typename Response>
class FakeWatch;

struct FakeState {
  struct Structure {
    uint64_t version = 0;
    std::string json;
  };
  using DaemonKey = std::pair<std::string, std::string>;

  absl::Mutex mu;
  FakeManagerOptions options ABSL_GUARDED_BY(mu);
  int instance ABSL_GUARDED_BY(mu) = 1;

  // The session.
  FakeAttach* stream ABSL_GUARDED_BY(mu) = nullptr;
  bool attached ABSL_GUARDED_BY(mu) = false;      // Configured came
  bool hold_options ABSL_GUARDED_BY(mu) = false;  // keep ConfigChanged in held_options
  bool goodbye ABSL_GUARDED_BY(mu) = false;
  int open_calls ABSL_GUARDED_BY(mu) = 0;  // streams whose reactors live
  int attach_count ABSL_GUARDED_BY(mu) = 0;
  std::string configured_error ABSL_GUARDED_BY(mu);
  v1::Register registration ABSL_GUARDED_BY(mu);
  absl::Status refusal ABSL_GUARDED_BY(mu);
  std::string refusal_reason ABSL_GUARDED_BY(mu);
  bool refused ABSL_GUARDED_BY(mu) = false;
  std::optional<v1::ServeStatus> serve_status ABSL_GUARDED_BY(mu);
  bool drained ABSL_GUARDED_BY(mu) = false;
  uint64_t heartbeat ABSL_GUARDED_BY(mu) = 0;
  uint64_t next_id ABSL_GUARDED_BY(mu) = 1;
  std::map<uint64_t, v1::CommandResult> command_results ABSL_GUARDED_BY(mu);
  std::map<uint64_t, v1::CallResult> call_results ABSL_GUARDED_BY(mu);
  std::vector<v1::LogRecord> log ABSL_GUARDED_BY(mu);

  // Notifications.
  FakeSubscription* subscription ABSL_GUARDED_BY(mu) = nullptr;
  uint64_t next_subscription ABSL_GUARDED_BY(mu) = 1;
  std::deque<v1::Notification> waiting ABSL_GUARDED_BY(mu);
  std::map<uint64_t, std::string> unacknowledged ABSL_GUARDED_BY(mu);  // sequence to type
  uint64_t next_sequence ABSL_GUARDED_BY(mu) = 1;

  // Watches.
  std::set<FakeWatch<v1::ConfigWatchResponse>*> option_watches ABSL_GUARDED_BY(mu);
  std::set<FakeWatch<v1::KeyValueWatchResponse>*> key_watches ABSL_GUARDED_BY(mu);

  // Calls outside the session, by name: "KeyValue.Put".
  std::map<std::string, int> calls ABSL_GUARDED_BY(mu);
  std::map<std::string, absl::Status> call_refusals ABSL_GUARDED_BY(mu);

  // Data.
  std::map<std::string, Structure> structures ABSL_GUARDED_BY(mu);
  std::set<std::string> watched ABSL_GUARDED_BY(mu);  // structures, by this session
  int whole_reads ABSL_GUARDED_BY(mu) = 0;
  int unchanged_reads ABSL_GUARDED_BY(mu) = 0;
  std::map<DaemonKey, std::map<std::string, std::string>> metadata ABSL_GUARDED_BY(mu);
  std::vector<v1::CounterSeries> counters ABSL_GUARDED_BY(mu);
  std::map<DaemonKey, std::map<std::string, std::string>> daemon_status ABSL_GUARDED_BY(mu);
  std::vector<v1::DaemonHealthMetrics> health_metrics ABSL_GUARDED_BY(mu);
  bool connected ABSL_GUARDED_BY(mu) = true;
  std::map<std::string, std::string> options_set ABSL_GUARDED_BY(mu);  // by full key
  uint64_t revision ABSL_GUARDED_BY(mu) = 1;  // of options_set, in this instance
  std::deque<v1::AttachResponse> held_options ABSL_GUARDED_BY(mu);  // ConfigChanged
  // By entity and name.
  std::map<std::pair<std::string, std::string>, std::string> cluster_options ABSL_GUARDED_BY(mu);
  std::map<std::string, std::string> store ABSL_GUARDED_BY(mu);
  std::map<std::string, v1::HealthCheck> health_checks ABSL_GUARDED_BY(mu);
  std::map<std::string, v1::ProgressEvent> progress ABSL_GUARDED_BY(mu);
  std::vector<std::string> completed_progress ABSL_GUARDED_BY(mu);
  std::string uri ABSL_GUARDED_BY(mu);
  v1::GetStatusResponse manager_status ABSL_GUARDED_BY(mu);
  v1::ListModulesResponse modules ABSL_GUARDED_BY(mu);
  v1::ListSubscriptionsResponse subscriptions ABSL_GUARDED_BY(mu);
  FakeManager::RemoteHandler on_remote ABSL_GUARDED_BY(mu);
  FakeManager::ClusterCommandHandler on_cluster_command ABSL_GUARDED_BY(mu);

  std::string session_key() const ABSL_SHARED_LOCKS_REQUIRED(mu) {
    return "session-" + std::to_string(instance) + "-" + std::to_string(attach_count);
  }
  // "mgr/<module>/…" for a key as a module may write it.
  std::string FullKey(const std::string& key) const ABSL_SHARED_LOCKS_REQUIRED(mu);
  // "mgr/<module>/<option>" of each that IsDeclared; `module` empty: of all modules.
  std::set<std::string> OptionKeys(const std::string& module) const ABSL_SHARED_LOCKS_REQUIRED(mu);
  // Whether the module under test declares the option, or the test set it.
  bool IsDeclared(const std::string& key) const ABSL_SHARED_LOCKS_REQUIRED(mu);
  // Whether the option under this key may be `value`: choices and bounds, as declared.
  absl::Status CheckValue(const std::string& key, const std::string& value) const
      ABSL_SHARED_LOCKS_REQUIRED(mu);
  // An option's effective value, as the wire has it.
  v1::OptionValue OptionValueOf(const std::string& key) const ABSL_SHARED_LOCKS_REQUIRED(mu);
  // Queues a notification: of a state-like type only the newest waits.
  void Publish(v1::Notification notification) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // What is under `key` in options_set is another: tells who watches, and sends
  // ConfigChanged, if the option is the module's own.
  void TellOption(const std::string& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // Sets or removes a key of the module, and tells who watches.
  void ChangeKey(const std::string& key, const std::optional<std::string>& value)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);

 private:
  const v1::OptionDescriptor* Declaration(const std::string& key) const
      ABSL_SHARED_LOCKS_REQUIRED(mu);
};

}  // namespace outpost::testing

#endif  // OUTPOST_SDK_CPP_TESTING_FAKE_STATE_H_
