// What is installed: the modules that the directories of the module path hold.
//
// A module is a directory. One with a `module.py` is a ceph-mgr style Python
// module: it is run by the Python SDK's runner, and its name is that of the
// directory. Any other has a manifest, `module.toml`:
//
//     name = "hello_cpp"                # optional: the directory's name
//     argv = ["./hello_cpp", "--fast"]  # the program; a path with a slash is
//                                       # relative to the directory
//     caps = "profile module"           # optional: it is let do no more than this, and than the
//                                       # operator lets it; without, what the operator lets it
//     [environment]                     # optional, added to the environment
//     GREETING = "hello"
//     [process]                         # optional, see process_policy.h
//     memory = "256M"
//
// A directory with both is a Python module; its manifest may leave out argv.
#ifndef OUTPOST_SERVER_MODULE_INSTALLED_MODULES_H_
#define OUTPOST_SERVER_MODULE_INSTALLED_MODULES_H_

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/auth/caps.h"
#include "server/module/process_policy.h"

namespace outpost::module {

// A module that can be started.
struct InstalledModule {
  std::string name;
  std::string directory;
  std::vector<std::string> argv;  // argv[0]: a path, or a name for PATH
  std::map<std::string, std::string> environment;
  std::vector<ProcessSetting> process;
  std::optional<auth::Caps> caps;  // what it asks for; absent: everything
  std::string problem;             // why it can't be started, naming the file; empty: it can
};

// How Python modules are run.
struct PythonRuntime {
  std::string interpreter = "/usr/bin/python3";
  std::string sdk_directory;  // what holds the package `outpost`; empty: Python finds it
};

// Whether `name` may be a module's name: a letter, then letters, digits, '_' and
// '-', at most 64; and not "manager" or "cluster", which own health checks of their
// own. INVALID_ARGUMENT says what is wrong.
absl::Status ValidateModuleName(absl::string_view name);

// Reads the manifest of one directory; never fails: see `problem`.
InstalledModule ReadModuleDirectory(const std::string& directory, const PythonRuntime& python);

// The directories that modules are in, and what they hold. What has not changed is not read again:
// operators have a hundred modules enabled one by one, and each time all are looked at.
//
// **Thread safety.** None: its owner has a lock.
class ModulePath {
 public:
  ModulePath(std::vector<std::string> path, PythonRuntime python)
      : path_(std::move(path)), python_(std::move(python)) {}

  // Every module in them now, by name; the first of a name wins. Directories that do not exist
  // hold nothing. `at`: now, by the clock that files have their times of.
  std::map<std::string, InstalledModule> Scan(absl::Time at = absl::Now());

  // Whether the last Scan would find the same now of the module in `directory`, which is as such
  // a scan has told: nothing has come to the path or gone from it, and its manifest is as it was.
  // False where that can't be known.
  bool Holds(const std::string& directory, absl::Time at = absl::Now()) const;

  // How often a directory was read.
  uint64_t reads() const { return reads_; }

 private:
  struct Read {
    struct statx manifest = {};  // as it was; without a mask: there was none
    bool is_python = false;
    InstalledModule module;
  };
  static Read Look(const std::string& directory);
  // Whether what `before` was read of can't have changed since.
  static bool IsSame(const Read& now, const Read& before, absl::Time at);

  const std::vector<std::string> path_;
  const PythonRuntime python_;
  std::map<std::string, Read> read_;             // by directory
  std::map<std::string, struct statx> parents_;  // those of path_, as they were
  uint64_t reads_ = 0;
};

}  // namespace outpost::module

#endif  // OUTPOST_SERVER_MODULE_INSTALLED_MODULES_H_
