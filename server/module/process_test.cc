#include "server/module/process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/event/thread_role.h"
#include "server/store/sqlite/scratch_dir.h"

namespace outpost::module {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::MatchesRegex;

// What was heard of one process.
class Heard {
 public:
  ProcessCallbacks Callbacks() {
    return {.on_output =
                [this](absl::string_view line) {
                  absl::MutexLock lock(&mu_);
                  EXPECT_FALSE(exit_) << "output after the exit";
                  lines_.emplace_back(line);
                  heard_.SignalAll();
                },
            .on_exit =
                [this](const ExitStatus& status) {
                  absl::MutexLock lock(&mu_);
                  EXPECT_FALSE(exit_) << "a second exit";
                  exit_ = status;
                  heard_.SignalAll();
                }};
  }
  std::string Exit() { return Status() ? Status()->ToString() : "did not end"; }
  // Why it was not executed.
  absl::Status Launch() { return Status() ? Status()->launch : absl::UnknownError("no end"); }
  std::optional<ExitStatus> Status() {
    const absl::Time deadline = absl::Now() + absl::Seconds(30);
    absl::MutexLock lock(&mu_);
    while (!exit_) {
      if (heard_.WaitWithDeadline(&mu_, deadline)) break;
    }
    return exit_;
  }
  // The first `n` lines, waiting for them.
  std::vector<std::string> Lines(size_t n) {
    const absl::Time deadline = absl::Now() + absl::Seconds(30);
    absl::MutexLock lock(&mu_);
    while (lines_.size() < n) {
      if (!heard_.WaitWithDeadline(&mu_, deadline)) continue;
      ADD_FAILURE() << "only " << lines_.size() << " lines came";
      break;
    }
    return lines_;
  }
  std::vector<std::string> AllLines() {
    Exit();
    return Lines(0);
  }

 private:
  absl::Mutex mu_;
  absl::CondVar heard_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mu_);
  std::optional<ExitStatus> exit_ ABSL_GUARDED_BY(mu_);
};

class ProcessTest : public testing::Test {
 protected:
  ProcessSpec Shell(const std::string& script) {
    return {.argv = {"/bin/sh", "-c", script},
            .environment = {},
            .directory = scratch_.path(),
            .output_fifo = Fifo(),
            .token = "secret"};
  }
  std::string Fifo() const { return scratch_.File("out"); }
  std::string Program(const std::string& name, const std::string& text, mode_t mode) {
    std::string path = scratch_.File(name);
    std::ofstream(path) << text;
    chmod(path.c_str(), mode);
    return path;
  }
  std::shared_ptr<Process> Spawn(const std::string& script) {
    auto process = runner_.Spawn(Shell(script), heard_.Callbacks());
    EXPECT_TRUE(process.ok()) << process.status();
    return process.ok() ? *process : nullptr;
  }

  store::ScratchDir scratch_;
  Heard heard_;
  ProcessRunner runner_{"server/module/outpost-launch"};
};

// Waits for the end of process `pid`, whoever its parent is; false after `patience`.
bool AwaitEnd(pid_t pid, absl::Duration patience = absl::Seconds(20)) {
  const OwnedFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd.valid()) return true;
  pollfd end = {.fd = pidfd.get(), .events = POLLIN, .revents = 0};
  return poll(&end, 1, static_cast<int>(absl::ToInt64Milliseconds(patience))) == 1;
}
bool Runs(pid_t pid) { return !AwaitEnd(pid, absl::ZeroDuration()); }

TEST_F(ProcessTest, LinesOfStdoutAndStderrComeAlsoThePartialLast) {
  Spawn("echo one; echo two >&2; echo; printf end");
  EXPECT_EQ(heard_.Exit(), "exit status 0");
  EXPECT_THAT(heard_.AllLines(), ElementsAre("one", "two", "", "end"));
}

TEST_F(ProcessTest, ALineThatIsTooLongIsCutAndNothingIsLost) {
  Spawn(
      "head -c 40000 /dev/zero | tr '\\0' x; echo; head -c 16384 /dev/zero | tr '\\0' y; echo; "
      "echo z");
  EXPECT_EQ(heard_.Exit(), "exit status 0");
  constexpr size_t kMax = ProcessRunner::kMaxLine;
  EXPECT_THAT(heard_.AllLines(),
              ElementsAre(std::string(kMax, 'x'), std::string(kMax, 'x'),
                          std::string(40000 - 2 * kMax, 'x'), std::string(kMax, 'y'), "z"));
}

TEST_F(ProcessTest, MuchOutputComesWholeAndInOrder) {
  Spawn("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done");
  EXPECT_EQ(heard_.Exit(), "exit status 0");
  const auto lines = heard_.AllLines();
  ASSERT_EQ(lines.size(), 20000u);
  for (size_t i = 0; i < lines.size(); ++i) ASSERT_EQ(lines[i], absl::StrCat("line ", i));
}

TEST_F(ProcessTest, OneThatWritesWithoutEndDoesNotKeepTheOthersWaiting) {
  const auto flood = Spawn("exec yes");
  heard_.Lines(1000);
  Heard other;
  ProcessSpec spec = Shell("echo hi; exit 4");
  spec.output_fifo = scratch_.File("other");
  ASSERT_TRUE(runner_.Spawn(spec, other.Callbacks()).ok());
  EXPECT_EQ(other.Exit(), "exit status 4");
  EXPECT_THAT(other.AllLines(), ElementsAre("hi"));
  flood->KillGroup();
  EXPECT_EQ(heard_.Exit(), "signal 9 (Killed)");
}

TEST_F(ProcessTest, HowItEndedIsTold) {
  Spawn("exit 78");
  EXPECT_EQ(heard_.Exit(), "exit status 78");
  Heard killed;
  ASSERT_TRUE(runner_.Spawn(Shell("kill -TERM $$"), killed.Callbacks()).ok());
  EXPECT_EQ(killed.Exit(), "signal 15 (Terminated)");
}

TEST(ExitStatusTest, TextsSayWhatHappened) {
  using Kind = ExitStatus::Kind;
  EXPECT_EQ((ExitStatus{Kind::kExited, 1, false}.ToString()), "exit status 1");
  EXPECT_EQ((ExitStatus{Kind::kSignalled, 11, true}.ToString()),
            "signal 11 (Segmentation fault), core dumped");
  EXPECT_EQ((ExitStatus{Kind::kSignalled, 200, false}.ToString()), "signal 200 (?)");
  EXPECT_EQ(ExitStatus{}.ToString(), "ended; how is not known");
}

TEST_F(ProcessTest, ACoreDumpShowsWhereOneIsMade) {
  std::ifstream file("/proc/sys/kernel/core_pattern");
  std::string pattern;
  std::getline(file, pattern);
  rlimit limit;
  getrlimit(RLIMIT_CORE, &limit);
  if (pattern.empty() || pattern[0] == '|' || pattern[0] == '/' || limit.rlim_max == 0) {
    GTEST_SKIP() << "cores go elsewhere here: " << pattern;
  }
  Spawn("ulimit -c unlimited; kill -SEGV $$");
  EXPECT_EQ(heard_.Exit(), "signal 11 (Segmentation fault), core dumped");
}

TEST_F(ProcessTest, WhatCannotBeExecutedEndsWithTheReason) {
  ProcessSpec spec = Shell("");
  const auto error = [&](const std::string& program) {
    spec.argv = {program};
    Heard heard;
    const auto process = runner_.Spawn(spec, heard.Callbacks());
    EXPECT_TRUE(process.ok()) << process.status();
    return heard.Launch();
  };
  EXPECT_EQ(error("/nonexistent/program"),
            absl::NotFoundError("can't execute /nonexistent/program: No such file or directory"));
  EXPECT_EQ(
      error("no-such-program-in-path"),
      absl::NotFoundError("can't execute no-such-program-in-path: No such file or directory"));
  const std::string plain = Program("plain", "#!/bin/sh\n", 0644);
  EXPECT_EQ(error(plain),
            absl::PermissionDeniedError(absl::StrCat(
                "can't execute ", plain, ": Permission denied (is it executable? chmod +x)")));
  const std::string text = Program("text", "just text\n", 0755);
  EXPECT_EQ(error(text),
            absl::InvalidArgumentError(absl::StrCat(
                "can't execute ", text,
                ": Exec format error (a script needs a first line such as #!/usr/bin/python3)")));
  const std::string script = Program("script", "#!/nonexistent/python3\n", 0755);
  EXPECT_EQ(error(script),
            absl::NotFoundError(absl::StrCat(
                "can't execute ", script,
                ": No such file or directory (it is there: is what its first line names after #! "
                "there too?)")));
  spec.directory = "/nonexistent";
  EXPECT_EQ(
      error("/bin/true"),
      absl::NotFoundError("can't execute /bin/true in /nonexistent: No such file or directory"));
  spec.output_fifo = "/nonexistent/out";
  EXPECT_EQ(runner_.Spawn(spec, heard_.Callbacks()).status(),
            absl::UnavailableError("/nonexistent/out: No such file or directory"));
}

// As one whose program is on a file system that does not answer.
TEST_F(ProcessTest, ALaunchThatHangsKeepsNobodyWaitingAndCanBeEnded) {
  ProcessRunner hangs(Program("hangs", "#!/bin/sh\nexec sleep 600\n", 0755));
  const auto process = hangs.Spawn(Shell("echo never"), heard_.Callbacks());
  ASSERT_TRUE(process.ok()) << process.status();
  EXPECT_FALSE((*process)->launched());
  EXPECT_FALSE((*process)->Ended());
  EXPECT_THAT((*process)->launch().isolation, testing::IsEmpty());
  (*process)->Signal(SIGTERM);
  EXPECT_EQ(heard_.Exit(), "signal 15 (Terminated)");
  EXPECT_EQ(heard_.Launch().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(heard_.Launch().message()),
              MatchesRegex("can't execute /bin/sh: .*/hangs ended"));
  EXPECT_TRUE((*process)->Ended());
}

TEST_F(ProcessTest, WhatItIsHeldToIsKnownWhenItRuns) {
  ProcessSpec spec = Shell("echo runs; exec sleep 600");
  spec.limits.open_files = 64;
  const auto process = runner_.Spawn(spec, heard_.Callbacks());
  ASSERT_TRUE(process.ok()) << process.status();
  heard_.Lines(1);
  EXPECT_TRUE((*process)->launched());
  EXPECT_THAT((*process)->launch().isolation,
              testing::Contains(testing::Field(&Measure::name, "open-files")));
  (*process)->KillGroup();
  EXPECT_EQ(heard_.Launch(), absl::OkStatus());
}

TEST_F(ProcessTest, ItHasItsEnvironmentDirectoryAndTokenWhichEnds) {
  ProcessSpec spec = Shell(
      "echo $GREETING; echo $PATH; pwd; eval cat '<&'$OUTPOST_TOKEN_FD; echo; "
      "eval cat '<&'$OUTPOST_TOKEN_FD; cat; echo done");
  spec.environment = {{"GREETING", "hello world"}, {"OUTPOST_TOKEN_FD", "77"}};
  ASSERT_TRUE(runner_.Spawn(spec, heard_.Callbacks()).ok());
  EXPECT_THAT(heard_.AllLines(),
              ElementsAre("hello world", getenv("PATH"),
                          std::filesystem::canonical(scratch_.path()).string(), "secret", "done"))
      << "the token and stdin end; the manager's own environment is there";
}

TEST_F(ProcessTest, ItsPolicyOfSchedulingIsTheManagersAndNotThatOfTheThreadThatStartsIt) {
  std::thread([this] {
    event::BeginBackground("starts");
    Spawn("chrt --pid $$");
  }).join();
  EXPECT_THAT(heard_.AllLines(), Contains(HasSubstr("policy: SCHED_OTHER")));
}

TEST_F(ProcessTest, NoDescriptorOfTheManagersReachesIt) {
  int leaky[2];  // not close-on-exec
  ASSERT_EQ(pipe(leaky), 0);
  const OwnedFd a(leaky[0]), b(leaky[1]);
  Spawn(
      "fd=0; while [ $fd -lt 100 ]; do "
      "[ -e /proc/$$/fd/$fd ] && echo $fd $(readlink /proc/$$/fd/$fd); fd=$((fd+1)); done");
  auto lines = heard_.AllLines();
  ASSERT_EQ(lines.size(), 4u) << testing::PrintToString(lines);
  EXPECT_EQ(lines[0], "0 /dev/null");
  EXPECT_EQ(lines[1], "1 " + std::filesystem::canonical(Fifo()).string());
  EXPECT_EQ(lines[2], "2 " + std::filesystem::canonical(Fifo()).string());
  EXPECT_THAT(lines[3], HasSubstr("3 pipe:"));
}

TEST_F(ProcessTest, SignalsAreAsInAFreshProcess) {
  struct Restore {
    sigset_t mask;
    ~Restore() {
      signal(SIGPIPE, SIG_DFL);
      pthread_sigmask(SIG_SETMASK, &mask, nullptr);
    }
  } restore;
  signal(SIGPIPE, SIG_IGN);
  sigset_t blocked;
  sigemptyset(&blocked);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&blocked, number);
  pthread_sigmask(SIG_BLOCK, &blocked, &restore.mask);
  // The shell itself changes none of these; grep is a child of it. The C library
  // has 32 and 33 for itself.
  Spawn("grep -E 'Sig(Blk|Ign)' /proc/self/status");
  EXPECT_THAT(heard_.AllLines(),
              ElementsAre("SigBlk:\t0000000000000000", MatchesRegex("SigIgn:\t0000000[01]80000000|"
                                                                    "SigIgn:\t0000000000000000")));
}

TEST_F(ProcessTest, ItLeadsASessionAndGroupOfItsOwn) {
  // Not `exec`: a process that is just being executed has no memory for a moment.
  const auto process = Spawn("read x < /proc/$$/stat; echo $x; sleep 60 & wait");
  std::vector<std::string> fields = absl::StrSplit(heard_.Lines(1)[0], ' ');
  EXPECT_EQ(fields[4], absl::StrCat(process->pid()));  // pgrp
  EXPECT_EQ(fields[5], absl::StrCat(process->pid()));  // session
  EXPECT_GT(process->Usage()->rss_bytes, 0u);
  process->Signal(SIGTERM);
  EXPECT_EQ(heard_.Exit(), "signal 15 (Terminated)");
  EXPECT_FALSE(process->Usage());
  process->Signal(SIGTERM);  // to nobody
  process->KillGroup();
}

TEST_F(ProcessTest, KillGroupTakesGrandchildren) {
  const auto process = Spawn("sh -c 'sleep 600 & echo $!; wait' & wait");
  pid_t grandchild = 0;
  ASSERT_TRUE(absl::SimpleAtoi(heard_.Lines(1)[0], &grandchild));
  EXPECT_TRUE(Runs(grandchild));
  process->KillGroup();
  EXPECT_EQ(heard_.Exit(), "signal 9 (Killed)");
  EXPECT_TRUE(AwaitEnd(grandchild));
}

TEST_F(ProcessTest, WhatItLeavesBehindGoesWithIt) {
  Spawn("sleep 600 & echo $!");
  pid_t left = 0;
  ASSERT_TRUE(absl::SimpleAtoi(heard_.Lines(1)[0], &left));
  EXPECT_EQ(heard_.Exit(), "exit status 0");
  EXPECT_TRUE(AwaitEnd(left));
}

TEST_F(ProcessTest, StopAndTheDestructorLeaveProcessesAlone) {
  const auto process = Spawn("exec sleep 600");
  runner_.Stop();
  EXPECT_TRUE(Runs(process->pid()));
  process->KillGroup();
  EXPECT_EQ(waitpid(process->pid(), nullptr, 0), process->pid());
}

}  // namespace
}  // namespace outpost::module
