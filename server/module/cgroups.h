// Cgroups makes control groups for modules' processes, with limits, below the
// manager's own: what limits the manager limits its modules, too.
//
// Memory, processors and processes are counted there together for a process and all
// that it starts, as no rlimit does. Version 2 is used where its controllers can be
// given to groups below the manager's, else version 1 where it is mounted. What can't
// be had is told, with the reason.
//
// In version 2 a group that gives controllers to groups below it must have no process
// of its own. Where systemd has put the manager into a group below the one that it gave
// it (Delegate=yes, DelegateSubgroup=manager), that is used; else the manager moves itself
// to a group below, which works if it was alone (a container of its own).
//
// **Thread safety.** None: its owner has a lock.
#ifndef OUTPOST_SERVER_MODULE_CGROUPS_H_
#define OUTPOST_SERVER_MODULE_CGROUPS_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "server/module/launch_spec.h"
#include "server/module/process_policy.h"

namespace outpost::module {

class Cgroups {
 public:
  // `proc` is where `cgroup` and `mountinfo` tell of the manager's groups.
  explicit Cgroups(std::string proc = "/proc/self") : proc_(std::move(proc)) {}

  // Makes groups for a process, by a `name` that no other has. Tells of each limit which
  // group has it, or (without `cgroup_procs`) why none does.
  std::vector<WantedLimit> Prepare(const std::string& name, const ProcessLimits& limits);

  // Whether the kernel has killed a process of the groups `name` for want of memory.
  bool WasOutOfMemory(const std::string& name);

  // Kills what is left in the groups `name`, and removes them.
  void Remove(const std::string& name);

 private:
  // Where the groups for one controller are made.
  struct Hierarchy {
    std::string directory;  // empty: there is none
    int version = 0;
    std::string problem;  // why there is none
  };

  // Looks, when it is asked for the first time.
  const std::map<std::string, Hierarchy>& Hierarchies();
  Hierarchy Find(const std::string& controller, const std::string& mountinfo,
                 const std::map<std::string, std::string>& own);

  const std::string proc_;
  std::map<std::string, Hierarchy> hierarchies_;  // by controller: memory, cpu, pids
};

}  // namespace outpost::module

#endif  // OUTPOST_SERVER_MODULE_CGROUPS_H_
