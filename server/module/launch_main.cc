// outpost-launch: becomes a module. The manager starts it with three descriptors: the
// module's token (3, left as it is), a LaunchSpec (4), and where to tell what came of it
// (5), which is closed when the module is executed.
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "server/module/launch_spec.h"
#include "server/module/sandbox.h"

namespace outpost::module {
namespace {

constexpr int kSpecFd = 4;
constexpr int kReportFd = 5;
constexpr int kNotLaunched = 127;  // as a shell has it

std::string ReadToEnd(int fd) {
  std::string text;
  char buffer[4096];
  while (true) {
    const ssize_t n = read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return text;
    text.append(buffer, static_cast<size_t>(n));
  }
}

// Where the manager has gone meanwhile, nobody is told; the next one takes the module over.
void Tell(const LaunchReport& report) {
  const std::string text = ToText(report) + "\n";
  [[maybe_unused]] const ssize_t told = write(kReportFd, text.data(), text.size());
}

int Fail(const LaunchReport& report) {
  Tell(report);
  return kNotLaunched;
}

// Executes argv[0], a path, or a name for PATH; returns when it can't. Unlike execvp, it does
// not hand what is no program to a shell.
void Execute(const std::vector<char*>& argv) {
  const std::string name = argv[0];
  if (name.find('/') != std::string::npos) {
    execv(argv[0], argv.data());
    return;
  }
  const char* path = getenv("PATH");
  for (absl::string_view directory :
       absl::StrSplit(path == nullptr ? "/usr/bin:/bin" : path, ':')) {
    const std::string program = absl::StrCat(directory.empty() ? "." : directory, "/", name);
    if (access(program.c_str(), X_OK) != 0) continue;
    execv(program.c_str(), argv.data());
    return;
  }
  errno = ENOENT;
}

int Launch() {
  fcntl(kReportFd, F_SETFD, FD_CLOEXEC);
  signal(SIGPIPE, SIG_IGN);
  const auto spec = ParseLaunchSpec(ReadToEnd(kSpecFd));
  close(kSpecFd);
  if (!spec) return Fail({.measures = {}, .error = EINVAL, .no_directory = false});
  LaunchReport report;
  report.measures = EnterSandbox(*spec);
  // Rights that it was not to have it must not get by a mistake.
  for (const Measure& measure : report.measures) {
    if (measure.name != "user" || measure.applied) continue;
    report.error = EPERM;
    return Fail(report);
  }
  if (chdir(spec->directory.c_str()) != 0) {
    report.error = errno;
    report.no_directory = true;
    return Fail(report);
  }
  std::vector<std::string> words = spec->argv;
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  // Unless it was given one of its own.
  if (const sched_param none = {}; sched_getscheduler(0) == SCHED_BATCH) {
    sched_setscheduler(0, spec->scheduling, &none);
  }
  // Told before: when it has been executed, nobody is left to tell. What is told after it
  // takes its place.
  Tell(report);
  signal(SIGPIPE, SIG_DFL);
  Execute(argv);
  report.error = errno;
  signal(SIGPIPE, SIG_IGN);
  return Fail(report);
}

}  // namespace
}  // namespace outpost::module

int main() { return outpost::module::Launch(); }
