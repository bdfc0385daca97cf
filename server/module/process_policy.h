// ProcessPolicy is how a module's process is to be kept: when it is started again, how
// long it may take for what, what it may use, and what it may see.
//
// It comes from three places, the later ones stronger: the manager's defaults, the table
// [process] of the module's manifest, and what the operator says of all modules ("*") or
// of this one. Each is a list of settings, a key and words, which are applied in order:
//
//     restart              always, on-failure or never
//     first-backoff        seconds before the first new start; doubled for each one more
//     max-backoff          seconds: no more than that
//     stable-after         seconds that it must run for the next failure to be a first one
//     start-limit          failures within start-limit-interval after which new starts are
//                          slow; 0: never
//     start-limit-interval seconds; a run of that length ends the slowness
//     start-limit-backoff  seconds between slow starts
//     ready-timeout        seconds from its start, or the loss of its session, to running
//     drain-timeout        seconds to finish what is in hand
//     shutdown-grace       seconds to end before SIGTERM, and again before SIGKILL
//     memory               bytes, "64M": over that it is killed
//     cpu-weight           its share against others, 1 to 10000; 100 is that of all others; or
//                          idle: only what nobody else wants
//     cpu-quota            processors that it may use, 0.5
//     pids                 processes and threads
//     open-files           file descriptors
//     calls-per-second     calls that it may make, after a tenth of that at once (CallPace)
//     log-lines-per-second lines that it may log and write, after ten times as many at once
//     no-new-privileges    whether set-user-id programs give it nothing
//     user                 the user to run as
//     read-only            whether it sees the file system read-only, but for `writable`
//     writable             directories that it may write to
//     private-tmp          whether it has a /tmp and /var/tmp of its own
//     landlock             whether the kernel's Landlock holds it to what read-only says, too
//     seccomp              whether system calls that no module needs are refused
//
// **Thread safety.** None: values.
#ifndef OUTPOST_SERVER_MODULE_PROCESS_POLICY_H_
#define OUTPOST_SERVER_MODULE_PROCESS_POLICY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace outpost::module {

enum class RestartPolicy { kAlways, kOnFailure, kNever };

// "always", "on-failure", "never".
absl::string_view RestartPolicyName(RestartPolicy policy);

// How often a module may call the manager, and write to its log.
struct ModuleRates {
  uint64_t calls = 5000;      // a second
  uint64_t log_lines = 1000;  // a second
};

// What a process may use; 0: no limit.
struct ProcessLimits {
  uint64_t memory_bytes = 0;
  uint64_t cpu_weight = 0;
  bool cpu_idle = false;  // instead of a weight: it runs when nothing else would
  double cpu_quota = 0;   // processors
  uint64_t pids = 0;
  uint64_t open_files = 0;
};

// What a process may see and do.
struct ProcessSandbox {
  bool no_new_privileges = true;
  std::string user;  // empty: the manager's
  bool read_only = false;
  std::vector<std::string> writable;  // absolute
  bool private_tmp = false;
  bool landlock = false;
  bool seccomp = false;
};

struct ProcessPolicy {
  RestartPolicy restart = RestartPolicy::kAlways;
  absl::Duration first_backoff = absl::Milliseconds(100);
  absl::Duration max_backoff = absl::Seconds(30);
  absl::Duration stable_after = absl::Minutes(1);
  uint64_t start_limit = 10;
  absl::Duration start_limit_interval = absl::Minutes(10);
  absl::Duration start_limit_backoff = absl::Minutes(5);
  absl::Duration ready_timeout = absl::Seconds(30);
  absl::Duration drain_timeout = absl::Seconds(5);
  absl::Duration shutdown_grace = absl::Seconds(5);
  ProcessLimits limits;
  ModuleRates rates;
  ProcessSandbox sandbox;
};

// One line of the above.
struct ProcessSetting {
  std::string key;
  std::vector<std::string> words;  // one, except for `writable`
};

// Changes `policy`. INVALID_ARGUMENT names the key and says what it may be.
absl::Status Apply(const ProcessSetting& setting, ProcessPolicy* policy);

// What the operator says of a module, or of all ("*").
struct OperatorSetting {
  std::string module;
  ProcessSetting setting;
};

// Takes "hello.memory=64M" or "*.restart=never" apart, and checks it.
absl::StatusOr<OperatorSetting> ParseOperatorSetting(absl::string_view text);

}  // namespace outpost::module

#endif  // OUTPOST_SERVER_MODULE_PROCESS_POLICY_H_
