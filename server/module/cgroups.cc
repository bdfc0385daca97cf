#include "server/module/cgroups.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace outpost::module {
namespace {

constexpr absl::string_view kPrefix = "outpost.";  // of the groups' names
constexpr uint64_t kPeriod = 100'000;              // microseconds, of cpu-quota
constexpr int kKillRoundMilliseconds = 2;
constexpr int kKillRounds = 200;  // of a group whose processes start others
constexpr const char* kControllers[] = {"memory", "cpu", "pids"};

// Empty: done; else why not.
std::string WriteFile(const std::string& path, const std::string& text) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return absl::StrCat(path, ": ", strerrordesc_np(errno));
  const ssize_t written = write(fd, text.data(), text.size());
  const int error = errno;
  close(fd);
  return written == static_cast<ssize_t>(text.size())
             ? ""
             : absl::StrCat(path, ": ", strerrordesc_np(error));
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The value of `key` in lines "key value"; 0: there is none.
uint64_t KeyedValue(const std::string& path, absl::string_view key) {
  const std::string text = ReadFile(path);
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::pair<absl::string_view, absl::string_view> words =
        absl::StrSplit(line, absl::MaxSplits(' ', 1));
    uint64_t value = 0;
    if (words.first == key && absl::SimpleAtoi(words.second, &value)) return value;
  }
  return 0;
}

// A mounted hierarchy: where, which part of it, and its controllers (version 1).
struct Mount {
  std::string root;
  std::string point;
  bool version2 = false;
  std::set<std::string> controllers;
};

std::vector<Mount> Mounts(const std::string& mountinfo) {
  std::vector<Mount> result;
  for (absl::string_view line : absl::StrSplit(mountinfo, '\n')) {
    // "36 35 0:33 /root /point options … - type source super-options"
    const std::vector<std::string> halves = absl::StrSplit(line, " - ");
    if (halves.size() != 2) continue;
    const std::vector<std::string> left = absl::StrSplit(halves[0], ' ');
    const std::vector<std::string> right = absl::StrSplit(halves[1], ' ');
    if (left.size() < 5 || right.size() < 3 || !absl::StartsWith(right[0], "cgroup")) continue;
    Mount mount = {left[3], left[4], right[0] == "cgroup2", {}};
    mount.controllers = absl::StrSplit(right[2], ',');
    result.push_back(std::move(mount));
  }
  return result;
}

// The directory of group `path` in `mount`; empty: it is not below what is mounted.
std::string DirectoryOf(const Mount& mount, absl::string_view path) {
  if (mount.root != "/") {
    if (!absl::StartsWith(path, mount.root)) return "";
    path.remove_prefix(mount.root.size());
  }
  return absl::StrCat(mount.point, path == "/" ? "" : path);
}

// Lets groups below `directory` have this controller; empty: they have it.
std::string GiveBelow(const std::string& directory, const std::string& controller) {
  const std::string file = directory + "/cgroup.subtree_control";
  const std::set<std::string> given = absl::StrSplit(ReadFile(file), absl::ByAnyChar(" \n"));
  if (given.contains(controller)) return "";
  std::string problem = WriteFile(file, "+" + controller);
  if (problem.empty()) return "";
  // Not while the manager is in that group itself.
  const std::string own = absl::StrCat(directory, "/", kPrefix, "manager");
  if ((mkdir(own.c_str(), 0755) == 0 || errno == EEXIST) &&
      WriteFile(own + "/cgroup.procs", absl::StrCat(getpid())).empty()) {
    problem = WriteFile(file, "+" + controller);
  }
  if (problem.empty()) return "";
  return absl::StrCat(problem,
                      " (the manager needs a group of its own: Delegate=yes and "
                      "DelegateSubgroup=manager in its service)");
}

// Where systemd has put the manager into a group below the one that it gave it
// (DelegateSubgroup=), the one above; else "".
std::string DelegatedAbove(const std::string& directory) {
  std::string above = directory.substr(0, directory.rfind('/'));
  for (const char* mark : {"user.delegate", "trusted.delegate"}) {
    char value = 0;
    if (getxattr(above.c_str(), mark, &value, 1) == 1 && value == '1') return above;
  }
  return "";
}

std::string Group(const std::string& directory, const std::string& name) {
  return absl::StrCat(directory, "/", kPrefix, name);
}

}  // namespace

const std::map<std::string, Cgroups::Hierarchy>& Cgroups::Hierarchies() {
  if (!hierarchies_.empty()) return hierarchies_;
  std::map<std::string, std::string> own;  // group by controller; "" is version 2
  const std::string groups = ReadFile(proc_ + "/cgroup");
  for (absl::string_view line : absl::StrSplit(groups, '\n')) {
    const std::vector<std::string> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() != 3) continue;
    for (absl::string_view controller : absl::StrSplit(fields[1], ',')) {
      own[std::string(controller)] = fields[2];
    }
  }
  const std::string mountinfo = ReadFile(proc_ + "/mountinfo");
  for (const std::string controller : kControllers) {
    hierarchies_[controller] = Find(controller, mountinfo, own);
  }
  return hierarchies_;
}

Cgroups::Hierarchy Cgroups::Find(const std::string& controller, const std::string& mountinfo,
                                 const std::map<std::string, std::string>& own) {
  Hierarchy none = {.directory = "",
                    .problem = "no hierarchy with this controller can be written to"};
  for (const Mount& mount : Mounts(mountinfo)) {
    const auto path = own.find(mount.version2 ? "" : controller);
    if (path == own.end() || (!mount.version2 && !mount.controllers.contains(controller))) continue;
    std::string directory = DirectoryOf(mount, path->second);
    if (directory.empty()) continue;
    if (mount.version2) {
      if (const std::string above = DelegatedAbove(directory); !above.empty()) directory = above;
      const std::set<std::string> there =
          absl::StrSplit(ReadFile(directory + "/cgroup.controllers"), absl::ByAnyChar(" \n"));
      if (!there.contains(controller)) continue;
      none.problem = GiveBelow(directory, controller);
    } else {
      none.problem = access(directory.c_str(), W_OK) == 0
                         ? ""
                         : absl::StrCat(directory, ": ", strerrordesc_np(errno));
    }
    if (none.problem.empty()) {
      return {.directory = directory, .version = mount.version2 ? 2 : 1, .problem = ""};
    }
  }
  return none;
}

std::vector<WantedLimit> Cgroups::Prepare(const std::string& name, const ProcessLimits& limits) {
  // What a controller's group is told: files and values, version 1 and 2.
  struct Setting {
    const char* controller;
    const char* limit;
    std::string wanted;
    std::vector<std::pair<std::string, std::string>> v1;
    std::vector<std::pair<std::string, std::string>> v2;
  };
  std::vector<Setting> settings;
  if (limits.memory_bytes > 0) {
    const std::string bytes = absl::StrCat(limits.memory_bytes);
    settings.push_back(
        {"memory",
         "memory",
         MemoryText(limits.memory_bytes),
         {{"memory.limit_in_bytes", bytes}, {"?memory.memsw.limit_in_bytes", bytes}},
         {{"memory.max", bytes}, {"?memory.swap.max", "0"}, {"?memory.oom.group", "1"}}});
  }
  if (limits.pids > 0) {
    const std::string pids = absl::StrCat(limits.pids);
    settings.push_back({"pids", "pids", pids, {{"pids.max", pids}}, {{"pids.max", pids}}});
  }
  if (limits.cpu_weight > 0) {
    // Version 1 counts from 1024 where version 2 counts from 100.
    settings.push_back(
        {"cpu",
         "cpu-weight",
         absl::StrCat(limits.cpu_weight),
         {{"cpu.shares", absl::StrCat(std::max<uint64_t>(2, limits.cpu_weight * 1024 / 100))}},
         {{"cpu.weight", absl::StrCat(limits.cpu_weight)}}});
  }
  if (limits.cpu_idle) {
    settings.push_back({"cpu", "cpu-weight", "idle", {{"cpu.idle", "1"}}, {{"cpu.idle", "1"}}});
  }
  if (limits.cpu_quota > 0) {
    const auto quota = static_cast<uint64_t>(limits.cpu_quota * kPeriod);
    settings.push_back(
        {"cpu",
         "cpu-quota",
         absl::StrCat(limits.cpu_quota, " processors"),
         {{"cpu.cfs_period_us", absl::StrCat(kPeriod)}, {"cpu.cfs_quota_us", absl::StrCat(quota)}},
         {{"cpu.max", absl::StrCat(quota, " ", kPeriod)}}});
  }
  if (settings.empty()) return {};
  std::vector<WantedLimit> result;
  for (Setting& setting : settings) {
    const Hierarchy& hierarchy = Hierarchies().at(setting.controller);
    WantedLimit limit = {.name = setting.limit, .wanted = setting.wanted, .how = hierarchy.problem};
    if (hierarchy.problem.empty()) {
      const std::string group = Group(hierarchy.directory, name);
      if (mkdir(group.c_str(), 0755) != 0 && errno != EEXIST) {
        limit.how = absl::StrCat(group, ": ", strerrordesc_np(errno));
      }
      for (const auto& [file, value] : hierarchy.version == 2 ? setting.v2 : setting.v1) {
        const bool optional = file[0] == '?';  // swap may not be there
        const std::string problem =
            WriteFile(absl::StrCat(group, "/", optional ? file.substr(1) : file), value);
        if (!optional && limit.how.empty()) limit.how = problem;
      }
      if (limit.how.empty()) {
        limit.how = absl::StrCat("cgroup v", hierarchy.version);
        limit.cgroup_procs = group + "/cgroup.procs";
      }
    }
    result.push_back(std::move(limit));
  }
  return result;
}

bool Cgroups::WasOutOfMemory(const std::string& name) {
  const Hierarchy& memory = Hierarchies().at("memory");
  if (memory.directory.empty()) return false;
  const char* file = memory.version == 2 ? "/memory.events" : "/memory.oom_control";
  return KeyedValue(Group(memory.directory, name) + file, "oom_kill") > 0;
}

void Cgroups::Remove(const std::string& name) {
  // First, that nobody there can start another one.
  const Hierarchy& pids = Hierarchies().at("pids");
  if (!pids.directory.empty()) WriteFile(Group(pids.directory, name) + "/pids.max", "0");
  for (const auto& [controller, hierarchy] : Hierarchies()) {
    if (hierarchy.directory.empty()) continue;
    const std::string group = Group(hierarchy.directory, name);
    if (rmdir(group.c_str()) == 0 || errno == ENOENT) continue;
    if (hierarchy.version == 2) WriteFile(group + "/cgroup.kill", "1");
    // Version 1 has no such file, and tells nobody when a group has become empty.
    for (int round = 0; round < kKillRounds && rmdir(group.c_str()) != 0; ++round) {
      const std::string left = ReadFile(group + "/cgroup.procs");
      for (absl::string_view line : absl::StrSplit(left, '\n')) {
        int pid = 0;
        if (absl::SimpleAtoi(line, &pid) && pid > 1) kill(pid, SIGKILL);
      }
      poll(nullptr, 0, kKillRoundMilliseconds);
    }
  }
}

}  // namespace outpost::module
