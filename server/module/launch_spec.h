// What outpost-launch, the program that becomes a module, is told to do, and what it
// tells of that.
//
// The manager starts outpost-launch in the module's place, with a LaunchSpec. That sets
// limits and the sandbox up for itself, as simple code in a process with one thread,
// tells what it could do and what not, and executes the module.
//
// **Thread safety.** None: values.
#ifndef OUTPOST_SERVER_MODULE_LAUNCH_SPEC_H_
#define OUTPOST_SERVER_MODULE_LAUNCH_SPEC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "server/module/process_policy.h"

namespace outpost::module {

// A limit that was asked for, and the control group that has it.
struct WantedLimit {
  std::string name;               // "memory"
  std::string wanted;             // "64 MiB"
  std::string how;                // "cgroup v2"; without a group: why there is none
  std::string cgroup_procs = {};  // where the process joins; empty: there is no group
};

struct LaunchSpec {
  std::vector<std::string> argv;
  std::string directory;
  ProcessLimits limits;
  ProcessSandbox sandbox;
  std::vector<WantedLimit> groups;
  // Stay as they are with a /tmp of its own: the socket's directory, the module's.
  std::vector<std::string> kept;
  // The manager's scheduling policy, sched(7), which the module gets: outpost-launch itself has
  // that of the thread that starts it, which is in the background.
  int scheduling = 0;
};

// What came of one limit, or of a part of the sandbox.
struct Measure {
  std::string name;
  std::string wanted;
  bool applied = false;
  std::string how;  // or why not

  bool operator==(const Measure&) const = default;
};

// How the launch went.
struct LaunchReport {
  std::vector<Measure> measures;
  int error = 0;              // errno of what failed; 0: the module is executed
  bool no_directory = false;  // that was entering its directory
};

std::string ToText(const LaunchSpec& spec);
std::optional<LaunchSpec> ParseLaunchSpec(absl::string_view text);
std::string ToText(const LaunchReport& report);
std::optional<LaunchReport> ParseLaunchReport(absl::string_view text);

std::string ToText(const std::vector<Measure>& measures);
// What can't be understood is left out.
std::vector<Measure> ParseMeasures(absl::string_view text);

// "64 MiB".
std::string MemoryText(uint64_t bytes);

}  // namespace outpost::module

#endif  // OUTPOST_SERVER_MODULE_LAUNCH_SPEC_H_
