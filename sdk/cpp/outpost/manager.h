// What the manager knows of itself and of its modules: what they use, and what they have
// done; see Module::GetManagerStatus, ListModules and ListSubscriptions.
#ifndef OUTPOST_SDK_CPP_OUTPOST_MANAGER_H_
#define OUTPOST_SDK_CPP_OUTPOST_MANAGER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace outpost {

// What a process uses.
struct ProcessUsage {
  uint64_t rss_bytes = 0;
  absl::Duration cpu;  // of its own and the kernel's for it, since its start
  uint32_t threads = 0;
  uint32_t open_files = 0;
};

// How long something took.
struct Latencies {
  struct Bucket {
    absl::Duration bound;  // InfiniteDuration for the last
    uint64_t count = 0;    // took at most as long, and longer than the bound before
  };

  absl::Duration sum;
  std::vector<Bucket> buckets;  // bounds ascend

  uint64_t count() const;
};

// How requests of one kind ended, since the manager started.
struct RequestStats {
  uint64_t succeeded = 0;
  uint64_t failed = 0;  // answered with an error
  uint64_t timed_out = 0;
  uint64_t cancelled = 0;
  uint64_t lost = 0;     // whoever was to answer went away
  uint64_t refused = 0;  // too many waited
  Latencies latency;     // of those that were answered
};

// What the manager's store of options and keys does.
struct StoreStats {
  uint64_t writes = 0;
  uint64_t failed_writes = 0;
  Latencies commits;  // of its transactions
  uint64_t queued_writes = 0;
  uint64_t queued_bytes = 0;
  uint64_t keys = 0;
};

// The manager, what it uses, and what it has done since it started.
struct ManagerStatus {
  std::string manager_id;
  std::string instance;  // another one with each start
  std::string version;
  absl::Time started;
  std::string source;  // where cluster data comes from: "sim", "ceph", "report"
  bool cluster_connected = false;
  std::map<std::string, uint32_t> modules;  // how many are in which state
  ProcessUsage usage;
  uint32_t sessions = 0;  // modules that are attached
  uint64_t rpcs_started = 0;
  uint64_t rpcs_succeeded = 0;
  uint64_t rpcs_failed = 0;
  std::map<std::string, RequestStats> commands;  // by whose: "manager", "module", "cluster"
  uint64_t invalid_commands = 0;                 // not run: none such, or a wrong argument
  StoreStats store;
};

// A module, and how it is.
struct ModuleStatus {
  std::string name;
  std::string state;   // "running", "cannot run", …: as `outpost module ls` shows it
  std::string reason;  // of that state; may be empty
  bool enabled = false;
  int64_t pid = 0;                     // 0: it has no process that the manager knows
  std::optional<absl::Time> attached;  // since when; nullopt: it is not
  uint32_t restarts = 0;
  std::string last_exit;
  std::string uri;                    // where it serves; may be empty
  uint32_t in_flight = 0;             // commands and calls that it works on, or that wait
  uint32_t waiting = 0;               // of these, those that wait
  std::optional<ProcessUsage> usage;  // nullopt: no process that the manager started
  RequestStats commands;
  RequestStats calls;
};

// A subscriber of notifications, and how far it is.
struct SubscriptionStatus {
  uint64_t subscription_id = 0;
  std::string owner;  // "module/<name>", or who else it is
  std::vector<std::string> types;
  uint64_t waiting = 0;
  uint64_t unacknowledged = 0;
  uint64_t sent = 0;
  uint64_t missed = 0;     // events that were lost, as nobody took them in time
  uint64_t coalesced = 0;  // changes that went into the notification of a later one
  absl::Duration lag;      // for how long it has owed something; zero: it is up to date
};

}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_MANAGER_H_
