#include "server/module/sandbox.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace outpost::module {
namespace {

// Empty: done; else why not.
using Problem = std::string;

Problem Errno(absl::string_view what) { return absl::StrCat(what, ": ", strerrordesc_np(errno)); }

Measure Done(std::string name, std::string wanted, const Problem& problem, const std::string& how) {
  return {.name = std::move(name),
          .wanted = std::move(wanted),
          .applied = problem.empty(),
          .how = problem.empty() ? how : problem};
}

bool WriteTo(const std::string& path, absl::string_view text) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int error = errno;
  close(fd);
  errno = error;
  return written;
}

Problem SetLimit(__rlimit_resource resource, uint64_t value) {
  const rlimit limit = {.rlim_cur = value, .rlim_max = value};
  return setrlimit(resource, &limit) == 0 ? "" : Errno("setrlimit");
}

// ------------------------------------------------------------------- limits

// What stands in for a control group. Of a process by itself, not of those that it starts.
Measure WithoutGroup(const WantedLimit& limit, const LaunchSpec& spec) {
  const std::string no_group = absl::StrCat(" (no control group: ", limit.how, ")");
  if (limit.name == "memory") {
    // RLIMIT_RSS does nothing, and RLIMIT_AS counts what is mapped and reserved: programs with
    // threads reserve far more than they use. RLIMIT_DATA counts what is private and can be
    // written, touched or not: the nearest to memory. Over it, allocations fail.
    return Done(
        limit.name, limit.wanted, SetLimit(RLIMIT_DATA, spec.limits.memory_bytes),
        "RLIMIT_DATA: of each process, and allocations fail rather than the process" + no_group);
  }
  if (limit.name == "pids") {
    if (spec.sandbox.user.empty()) {
      return Done(limit.name, limit.wanted,
                  "RLIMIT_NPROC counts all that a user runs: give it a user of its own" + no_group,
                  "");
    }
    return Done(limit.name, limit.wanted, SetLimit(RLIMIT_NPROC, spec.limits.pids),
                "RLIMIT_NPROC: of all that its user runs" + no_group);
  }
  if (limit.name == "cpu-weight" && spec.limits.cpu_idle) {
    const sched_param none = {};
    return Done(limit.name, limit.wanted,
                sched_setscheduler(0, SCHED_IDLE, &none) == 0 ? "" : Errno("sched_setscheduler"),
                "SCHED_IDLE: of each thread" + no_group);
  }
  if (limit.name == "cpu-weight") {
    // Each step of niceness is worth a factor of 1.25.
    const double steps =
        std::log(100.0 / static_cast<double>(spec.limits.cpu_weight)) / std::log(1.25);
    const int nice = std::clamp(static_cast<int>(std::lround(steps)), -20, 19);
    return Done(limit.name, limit.wanted,
                setpriority(PRIO_PROCESS, 0, nice) == 0 ? "" : Errno("setpriority"),
                absl::StrCat("niceness ", nice, ": of each thread", no_group));
  }
  return Done(limit.name, limit.wanted, "nothing else than a control group has that" + no_group,
              "");
}

void EnterLimits(const LaunchSpec& spec, std::vector<Measure>& measures) {
  for (const WantedLimit& limit : spec.groups) {
    if (!limit.cgroup_procs.empty()) {
      if (WriteTo(limit.cgroup_procs, "0")) {
        measures.push_back(Done(limit.name, limit.wanted, "", limit.how));
        continue;
      }
      WantedLimit without = limit;
      without.how = Errno(limit.cgroup_procs);
      measures.push_back(WithoutGroup(without, spec));
      continue;
    }
    measures.push_back(WithoutGroup(limit, spec));
  }
  if (spec.limits.open_files > 0) {
    measures.push_back(Done("open-files", absl::StrCat(spec.limits.open_files),
                            SetLimit(RLIMIT_NOFILE, spec.limits.open_files), "RLIMIT_NOFILE"));
  }
}

// -------------------------------------------------------------- file system

constexpr const char* kTmp[] = {"/tmp", "/var/tmp"};

Problem MountPrivateTmp(const std::vector<std::string>& kept) {
  for (const std::string tmp : kTmp) {
    std::vector<std::pair<std::string, int>> below;
    for (const std::string& path : kept) {
      if (!absl::StartsWith(path, tmp + "/")) continue;
      const int fd = open(path.c_str(), O_PATH | O_CLOEXEC);
      if (fd >= 0) below.emplace_back(path, fd);
    }
    if (mount("tmpfs", tmp.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") != 0) {
      return Errno(tmp);
    }
    for (const auto& [path, fd] : below) {
      std::error_code error;
      std::filesystem::create_directories(path, error);
      const std::string source = absl::StrCat("/proc/self/fd/", fd);
      const bool bound =
          !error && mount(source.c_str(), path.c_str(), nullptr, MS_BIND | MS_REC, nullptr) == 0;
      Problem problem = bound ? "" : Errno(path);
      close(fd);
      if (!bound) return problem;
    }
  }
  return "";
}

bool SetReadOnly(const std::string& path, bool read_only, unsigned flags) {
  // The C library of Debian 12 has mount_setattr, older ones do not.
  mount_attr attributes = {};
  (read_only ? attributes.attr_set : attributes.attr_clr) = MOUNT_ATTR_RDONLY;
  return syscall(SYS_mount_setattr, AT_FDCWD, path.c_str(), flags, &attributes,
                 sizeof attributes) == 0;
}

Problem MountReadOnly(const std::vector<std::string>& writable) {
  // A mount of its own each: that is what can be writable.
  for (const std::string& path : writable) {
    if (mount(path.c_str(), path.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) {
      return Errno(path);
    }
  }
  if (!SetReadOnly("/", true, AT_RECURSIVE)) return Errno("mount_setattr /");
  for (const std::string& path : writable) {
    if (!SetReadOnly(path, false, AT_RECURSIVE)) return Errno(absl::StrCat("mount_setattr ", path));
  }
  return "";
}

void EnterMounts(const LaunchSpec& spec, std::vector<Measure>& measures) {
  const ProcessSandbox& sandbox = spec.sandbox;
  if (!sandbox.read_only && !sandbox.private_tmp) return;
  Problem no_namespace;
  if (unshare(CLONE_NEWNS) != 0 || mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    no_namespace = Errno("a mount namespace needs CAP_SYS_ADMIN");
  }
  std::vector<std::string> writable = sandbox.writable;
  if (sandbox.private_tmp) {
    const Problem problem = no_namespace.empty() ? MountPrivateTmp(spec.kept) : no_namespace;
    measures.push_back(Done("private-tmp", "true", problem, "a mount namespace, tmpfs"));
    if (problem.empty()) writable.insert(writable.end(), std::begin(kTmp), std::end(kTmp));
  }
  if (sandbox.read_only) {
    const std::string wanted = sandbox.writable.empty()
                                   ? "true"
                                   : absl::StrCat("but ", absl::StrJoin(sandbox.writable, ", "));
    measures.push_back(Done("read-only", wanted,
                            no_namespace.empty() ? MountReadOnly(writable) : no_namespace,
                            "a mount namespace"));
  }
}

// LANDLOCK_ACCESS_FS_TRUNCATE, which Debian 12's headers do not have: truncate(2), and O_TRUNC
// of what is opened to be read.
constexpr uint64_t kTruncate = uint64_t{1} << 14;

Problem EnterLandlock(const LaunchSpec& spec) {
  const long abi =
      syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < 1) return Errno("the kernel has no Landlock, or it is turned off");
  uint64_t writes = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                    LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                    LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
                    LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
                    LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;
  if (abi >= 2) writes |= LANDLOCK_ACCESS_FS_REFER;
  uint64_t of_files = LANDLOCK_ACCESS_FS_WRITE_FILE;  // the others are of directories
  if (abi >= 3) of_files |= kTruncate;
  writes |= of_files;
  const landlock_ruleset_attr attributes = {.handled_access_fs = writes};
  const int ruleset =
      static_cast<int>(syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0));
  if (ruleset < 0) return Errno("landlock_create_ruleset");
  std::vector<std::string> writable = spec.sandbox.writable;
  writable.emplace_back("/dev");
  if (spec.sandbox.private_tmp) writable.insert(writable.end(), std::begin(kTmp), std::end(kTmp));
  Problem problem;
  for (const std::string& path : writable) {
    const int parent = open(path.c_str(), O_PATH | O_CLOEXEC);
    struct stat about = {};
    const bool is_file = fstat(parent, &about) == 0 && !S_ISDIR(about.st_mode);
    landlock_path_beneath_attr rule = {.allowed_access = is_file ? of_files : writes,
                                       .parent_fd = parent};
    if (parent < 0 ||
        syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) {
      problem = Errno(path);
    }
    if (parent >= 0) close(parent);
  }
  if (problem.empty() && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) {
    problem = Errno("landlock_restrict_self");
  }
  close(ruleset);
  return problem;
}

// ------------------------------------------------------------ user, privileges

Problem BecomeUser(const std::string& name) {
  const passwd* user = getpwnam(name.c_str());
  if (user == nullptr) return absl::StrCat("there is no user ", name);
  if (initgroups(name.c_str(), user->pw_gid) != 0) return Errno("initgroups");
  if (setresgid(user->pw_gid, user->pw_gid, user->pw_gid) != 0) return Errno("setresgid");
  if (setresuid(user->pw_uid, user->pw_uid, user->pw_uid) != 0) return Errno("setresuid");
  return "";
}

// What a module has no business with: to change the machine, to look into other
// processes, to get at what has had holes.
constexpr const char* kRefused[] = {
    "acct",
    "add_key",
    "bpf",
    "clock_adjtime",
    "clock_settime",
    "delete_module",
    "finit_module",
    "fsconfig",
    "fsmount",
    "fsopen",
    "fspick",
    "init_module",
    "io_uring_enter",
    "io_uring_register",
    "io_uring_setup",
    "ioperm",
    "iopl",
    "kcmp",
    "kexec_file_load",
    "kexec_load",
    "keyctl",
    "mount",
    "mount_setattr",
    "move_mount",
    "name_to_handle_at",
    "nfsservctl",
    "open_by_handle_at",
    "open_tree",
    "perf_event_open",
    "personality",
    "pidfd_getfd",
    "pivot_root",
    "process_madvise",
    "process_vm_readv",
    "process_vm_writev",
    "ptrace",
    "quotactl",
    "reboot",
    "request_key",
    "setns",
    "settimeofday",
    "swapoff",
    "swapon",
    "umount2",
    "unshare",
    "userfaultfd",
    "vhangup",
};

Problem EnterSeccomp() {
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  if (filter == nullptr) return "seccomp_init";
  // Without no-new-privileges only who has CAP_SYS_ADMIN may load a filter; not set here.
  int error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
  for (const char* name : kRefused) {
    const int number = seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR || error != 0) continue;  // not on this machine
    error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 0);
  }
  if (error == 0) error = seccomp_load(filter);
  seccomp_release(filter);
  return error == 0 ? "" : absl::StrCat("seccomp: ", strerrordesc_np(-error));
}

}  // namespace

std::vector<Measure> EnterSandbox(const LaunchSpec& spec) {
  const ProcessSandbox& sandbox = spec.sandbox;
  std::vector<Measure> measures;
  EnterLimits(spec, measures);
  EnterMounts(spec, measures);
  if (!sandbox.user.empty()) {
    measures.push_back(Done("user", sandbox.user, BecomeUser(sandbox.user), "setresuid"));
  }
  if (sandbox.no_new_privileges) {
    const bool set = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
    measures.push_back(
        Done("no-new-privileges", "true", set ? "" : Errno("prctl"), "PR_SET_NO_NEW_PRIVS"));
  }
  if (sandbox.landlock) {
    measures.push_back(Done("landlock", "true", EnterLandlock(spec), "writes are held"));
  }
  if (sandbox.seccomp) {
    measures.push_back(Done("seccomp", "true", EnterSeccomp(),
                            absl::StrCat(std::size(kRefused), " system calls are refused")));
  }
  return measures;
}

}  // namespace outpost::module
