#include "tests/bench/namespaces.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/bench/fault.h"

namespace outpost::bench {
namespace {

constexpr char kThere[] = "10.231.0.2";

// The status of a child as a shell tells it, once it has ended. Others that end are forgotten:
// the first process of a namespace inherits what nobody waits for.
int StatusOf(pid_t child) {
  while (true) {
    int status = 0;
    const pid_t pid = wait(&status);
    if (pid < 0) return 1;
    if (pid == child) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
}

}  // namespace

int RunApart(const std::function<int(bool apart)>& work) {
  // This process itself stays where it is, so that it sees no mount of theirs.
  if (unshare(CLONE_NEWPID) != 0) {
    std::fprintf(stderr, "no namespaces can be had here: faults that need them are left out\n");
    return work(false);
  }
  const pid_t first = fork();
  if (first > 0) return StatusOf(first);
  // When the first one ends, the kernel kills all others.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (first < 0 || unshare(CLONE_NEWNS | CLONE_NEWNET) != 0 ||
      mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      mount("proc", "/proc", "proc", 0, nullptr) != 0) {
    Die("the namespaces can't be set up");
  }
  const pid_t second = fork();
  if (second > 0) _exit(StatusOf(second));
  Succeeds({"ip", "link", "set", "lo", "up"});
  std::exit(work(true));
}

std::unique_ptr<OtherHost> OtherHost::Join(const std::string& log) {
  auto holder = std::make_unique<Child>(
      std::vector<std::string>{"/usr/bin/unshare", "--net", "sleep", "infinity"}, log);
  const std::string pid = absl::StrCat(holder->pid());
  const auto own = [](const std::string& process) {
    std::error_code none;
    return std::filesystem::read_symlink(absl::StrCat("/proc/", process, "/ns/net"), none);
  };
  const absl::Time deadline = absl::Now() + absl::Seconds(5);
  while (own(pid) == own("self") && absl::Now() < deadline) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  std::unique_ptr<OtherHost> other(new OtherHost(std::move(holder)));
  std::vector<std::vector<std::string>> steps = {
      {"ip", "link", "add", "eth", "type", "veth", "peer", "eth", "netns", pid},
      {"ip", "addr", "add", absl::StrCat(kHere, "/24"), "dev", "eth"},
      {"ip", "link", "set", "eth", "up"}};
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"addr", "add", absl::StrCat(kThere, "/24"), "dev", "eth"},
           {"link", "set", "lo", "up"},
           {"link", "set", "eth", "up"}}) {
    steps.push_back(other->Enter());
    steps.back().emplace_back("ip");
    steps.back().insert(steps.back().end(), words.begin(), words.end());
  }
  for (const auto& step : steps) {
    if (Succeeds(step)) continue;
    std::fprintf(stderr, "no other host can be had here: faults that need one are left out\n");
    return nullptr;
  }
  return other;
}

std::vector<std::string> OtherHost::Enter() const {
  return {"/usr/bin/nsenter", absl::StrCat("--net=/proc/", holder_->pid(), "/ns/net")};
}

std::unique_ptr<Child> OtherHost::Start(const std::vector<std::string>& variables,
                                        const std::vector<std::string>& argv,
                                        const std::string& log) const {
  std::vector<std::string> words = Enter();
  words.emplace_back("/usr/bin/env");
  words.insert(words.end(), variables.begin(), variables.end());
  words.insert(words.end(), argv.begin(), argv.end());
  return std::make_unique<Child>(std::move(words), log);
}

void OtherHost::SetLink(const std::string& state) const {
  std::vector<std::string> words = Enter();
  for (const char* word : {"ip", "link", "set", "eth"}) words.emplace_back(word);
  words.push_back(state);
  MustRun(words);
}

}  // namespace outpost::bench
