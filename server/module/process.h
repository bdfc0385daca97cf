// Processes of modules: started, held by pidfd, listened to, reaped.
//
// What a process writes to stdout and stderr goes through a FIFO in the run
// directory, which the process itself holds open for both ends: so it can go on
// writing when the manager is gone, and the next manager can go on reading. Limits and
// the sandbox are set up by outpost-launch, which then becomes the module. Nobody waits for that:
// a launch may hang (on a file system that does not answer), and one that fails is an exit.
//
// **Thread safety.** All methods may be called from any thread. Callbacks run on
// the runner's own thread and must not block. A Process may be used after its
// exit: signals then do nothing.
//
// **Invariants.**
// 1. on_exit is called exactly once for each process that was started or
//    adopted, after the last on_output, unless the runner is destroyed first.
// 2. A signal never reaches another process that has got the same pid.
#ifndef OUTPOST_SERVER_MODULE_PROCESS_H_
#define OUTPOST_SERVER_MODULE_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "server/metrics/process_usage.h"
#include "server/module/cgroups.h"
#include "server/module/launch_spec.h"
#include "server/module/process_policy.h"

namespace outpost::module {

// How a process ended.
struct ExitStatus {
  enum class Kind { kExited, kSignalled, kUnknown };  // unknown: not our child
  Kind kind = Kind::kUnknown;
  int number = 0;  // exit status or signal
  bool core_dumped = false;
  bool out_of_memory = false;  // the kernel killed it: it came over its memory limit
  // Why the module was not executed: NOT_FOUND, PERMISSION_DENIED, INVALID_ARGUMENT or
  // UNAVAILABLE; the message names the program and says why. What ended was outpost-launch then.
  absl::Status launch = absl::OkStatus();

  // "exit status 1", "signal 9 (Killed)", "ended; how is not known".
  std::string ToString() const;
};

// A file descriptor that is closed with its owner.
class OwnedFd {
 public:
  OwnedFd() = default;
  explicit OwnedFd(int fd) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  OwnedFd& operator=(OwnedFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~OwnedFd();
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

class Process {
 public:
  // What is known of a process beside what the kernel says of it.
  struct Launch {
    std::string group;               // of its control groups; empty: it has none
    std::vector<Measure> isolation;  // what it is held to
  };

  // `report`: where outpost-launch tells how it gets on; not valid: that was in another
  // manager's time.
  Process(pid_t pid, uint64_t start_ticks, OwnedFd pidfd, Launch launch, OwnedFd report)
      : pid_(pid),
        start_ticks_(start_ticks),
        pidfd_(std::move(pidfd)),
        group_(std::move(launch.group)),
        isolation_(std::move(launch.isolation)),
        report_(std::move(report)),
        report_over_(!report_.valid()) {}

  pid_t pid() const { return pid_; }
  // When it started, in clock ticks since boot: with the pid and BootId it names
  // the process for ever (proc(5), field 22 of stat).
  uint64_t start_ticks() const { return start_ticks_; }
  // `isolation` is empty until outpost-launch has told of it, just before it becomes the module.
  Launch launch() const;
  // Whether outpost-launch is over: it has become the module, or has ended.
  bool launched() const;

  // Whether it has ended, though on_exit may not have been called yet. Costs a system call.
  bool Ended() const;
  // Sends `signal` to the process.
  void Signal(int signal) const;
  // Sends SIGKILL to the process and all of its process group; to what is left of
  // the group also when the process itself is gone.
  void KillGroup() const;
  // What it uses now; nullopt when it has ended. Costs what ReadProcessUsage does.
  std::optional<metrics::ProcessUsage> Usage() const;

 private:
  friend class ProcessRunner;
  const pid_t pid_;
  const uint64_t start_ticks_;
  const OwnedFd pidfd_;
  const std::string group_;
  mutable absl::Mutex mu_;
  mutable std::vector<Measure> isolation_ ABSL_GUARDED_BY(mu_);
  // Nobody is woken by it: what it tells is asked for when the module attaches, or has ended.
  mutable OwnedFd report_ ABSL_GUARDED_BY(mu_);
  mutable bool report_over_ ABSL_GUARDED_BY(mu_);
  mutable std::string report_text_ ABSL_GUARDED_BY(mu_);

  // Takes what has been told.
  void ReadReport() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // What was told last; nothing: outpost-launch has not said a word.
  std::optional<LaunchReport> LastReport() const;
  void CloseReport();
};

// What to start.
struct ProcessSpec {
  std::vector<std::string> argv;                   // argv[0]: a path, or a name for PATH
  std::map<std::string, std::string> environment;  // added to the manager's own
  std::string directory;                           // working directory
  std::string output_fifo;                         // made anew
  std::string token;            // readable once from the descriptor that OUTPOST_TOKEN_FD names
  std::string name = "module";  // of its control groups, in part
  ProcessLimits limits = {};
  ProcessSandbox sandbox = {};
  std::vector<std::string> kept = {};  // directories; see LaunchSpec
};

struct ProcessCallbacks {
  std::function<void(absl::string_view line)> on_output;  // without the newline
  std::function<void(ExitStatus)> on_exit;
};

class ProcessRunner {
 public:
  static constexpr size_t kMaxLine = size_t{16} << 10;  // a longer line is cut into several

  // `launcher`: the program outpost-launch.
  explicit ProcessRunner(std::string launcher);
  // Leaves the processes alone.
  ~ProcessRunner();
  ProcessRunner(const ProcessRunner&) = delete;
  ProcessRunner& operator=(const ProcessRunner&) = delete;

  // Starts a process in a session and process group of its own, and does not wait until the
  // module is executed; see ExitStatus::launch. UNAVAILABLE: there can be no process.
  absl::StatusOr<std::shared_ptr<Process>> Spawn(const ProcessSpec& spec,
                                                 ProcessCallbacks callbacks);

  // Takes over a process that another manager started. NOT_FOUND: it has ended.
  absl::StatusOr<std::shared_ptr<Process>> Adopt(pid_t pid, uint64_t start_ticks,
                                                 const std::string& output_fifo,
                                                 Process::Launch launch,
                                                 ProcessCallbacks callbacks);

  // Ends what is left of a process that is not there any more, in its control groups.
  void EndGroup(const std::string& group);

  // Waits for the callback that runs; none runs from then on.
  void Stop();

 private:
  struct Watched {
    std::shared_ptr<Process> process;
    ProcessCallbacks callbacks;
    OwnedFd output;
    std::string partial_line;
    std::string program;  // argv[0] and directory, of one that was started here
    std::string directory;
  };

  // `watched` has all but the process.
  absl::StatusOr<std::shared_ptr<Process>> Watch(pid_t pid, uint64_t start_ticks,
                                                 Process::Launch launch, OwnedFd report,
                                                 Watched watched);
  void Run();
  // Of one that has ended, as ExitStatus::launch.
  absl::Status LaunchStatus(const Watched& watched) const;
  // Passes on what can be read now, at most about `limit` bytes of it.
  void ReadOutput(Watched& watched, size_t limit);
  void HandleExit(Watched& watched);

  const std::string launcher_;
  OwnedFd epoll_;
  OwnedFd stop_;  // an eventfd
  absl::Mutex groups_mu_;
  Cgroups groups_ ABSL_GUARDED_BY(groups_mu_);
  absl::Mutex mu_;
  uint64_t next_key_ ABSL_GUARDED_BY(mu_) = 1;
  absl::flat_hash_map<uint64_t, std::shared_ptr<Watched>> watched_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};

// The start time of process `pid` as Process::start_ticks; NOT_FOUND: there is none.
absl::StatusOr<uint64_t> StartTicks(pid_t pid);

// Names this boot of the machine: start ticks are counted from it.
std::string BootId();

}  // namespace outpost::module

#endif  // OUTPOST_SERVER_MODULE_PROCESS_H_
