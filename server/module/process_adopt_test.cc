// A process that outlives its manager, and the manager after that.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/module/process.h"
#include "server/store/sqlite/scratch_dir.h"

namespace outpost::module {
namespace {

constexpr char kLauncher[] = "server/module/outpost-launch";  // below the runfiles

class AdoptTest : public testing::Test {
 protected:
  // Starts `script` as a manager in a process of its own that dies at once without
  // a word, and waits for the pid which that wrote.
  void StartUnderAnotherManager(const std::string& script) {
    for (const char* fifo : {"go", "on", "end", "done"}) {
      mkfifo(scratch_.File(fifo).c_str(), 0600);
    }
    const pid_t manager = fork();
    ASSERT_GE(manager, 0);
    if (manager == 0) {
      // Only this thread is here: no gtest from here on.
      ProcessRunner runner{kLauncher};
      auto process = runner.Spawn({.argv = {"/bin/sh", "-c", script},
                                   .environment = {},
                                   .directory = scratch_.path(),
                                   .output_fifo = Fifo(),
                                   .token = "secret"},
                                  {[](absl::string_view) {}, [](ExitStatus) {}});
      if (!process.ok()) _exit(1);
      std::ofstream(scratch_.File("pid"))
          << (*process)->pid() << " " << (*process)->start_ticks() << std::flush;
      _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(manager, &status, 0), manager);
    ASSERT_EQ(status, 0);
    std::ifstream(scratch_.File("pid")) >> pid_ >> ticks_;
    ASSERT_GT(pid_, 0);
    ASSERT_GT(ticks_, 0u);
  }

  ProcessCallbacks Callbacks() {
    return {.on_output =
                [this](absl::string_view line) {
                  absl::MutexLock lock(&mu_);
                  lines_.emplace_back(line);
                  heard_.SignalAll();
                },
            .on_exit =
                [this](ExitStatus status) {
                  absl::MutexLock lock(&mu_);
                  exit_ = status.ToString();
                  heard_.SignalAll();
                }};
  }
  // The first line that holds `part`, waiting for it; empty: none came.
  std::string WaitForLine(const std::string& part) {
    const absl::Time deadline = absl::Now() + absl::Seconds(30);
    absl::MutexLock lock(&mu_);
    while (true) {
      for (const std::string& line : lines_) {
        if (absl::StrContains(line, part)) return line;
      }
      if (heard_.WaitWithDeadline(&mu_, deadline)) return "";
    }
  }
  std::string WaitForExit() {
    const absl::Time deadline = absl::Now() + absl::Seconds(30);
    absl::MutexLock lock(&mu_);
    while (!exit_) {
      if (heard_.WaitWithDeadline(&mu_, deadline)) return "did not end";
    }
    return *exit_;
  }
  // The script waits for the FIFOs "go", "on" and "end" and writes to "done". (Each
  // serves once: the next reader could meet the end of the last writer.)
  void Tell(const std::string& fifo) { std::ofstream(scratch_.File(fifo)) << std::endl; }
  void AwaitDone() {
    std::string line;
    std::getline(std::ifstream(scratch_.File("done")), line);
  }
  std::string Fifo() const { return scratch_.File("out"); }

  store::ScratchDir scratch_;
  pid_t pid_ = 0;
  uint64_t ticks_ = 0;
  absl::Mutex mu_;
  absl::CondVar heard_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mu_);
  std::optional<std::string> exit_ ABSL_GUARDED_BY(mu_);
};

TEST_F(AdoptTest, OutputGoesOnWhereTheFirstReaderHasGone) {
  StartUnderAnotherManager(
      "read x < go; echo unread; echo > done; read x < on; echo more; read x < end; "
      "printf last; exit 3");
  Tell("go");
  AwaitDone();  // written while nobody reads
  ProcessRunner runner{kLauncher};
  const auto process = runner.Adopt(pid_, ticks_, Fifo(), {}, Callbacks());
  ASSERT_TRUE(process.ok()) << process.status();
  EXPECT_EQ((*process)->pid(), pid_);
  EXPECT_EQ(WaitForLine("unread"), "unread");
  Tell("on");
  EXPECT_EQ(WaitForLine("more"), "more");
  Tell("end");
  EXPECT_EQ(WaitForExit(), "ended; how is not known");
  EXPECT_EQ(WaitForLine("last"), "last");
}

TEST_F(AdoptTest, AnAdoptedProcessAndItsGroupCanBeKilled) {
  StartUnderAnotherManager("echo > done; sleep 600 & wait");
  AwaitDone();  // while a program is executed, its process has no memory
  ProcessRunner runner{kLauncher};
  const auto process = runner.Adopt(pid_, ticks_, Fifo(), {}, Callbacks());
  ASSERT_TRUE(process.ok()) << process.status();
  EXPECT_GT((*process)->Usage()->rss_bytes, 0u);
  (*process)->KillGroup();
  EXPECT_EQ(WaitForExit(), "ended; how is not known");
}

TEST_F(AdoptTest, WhatAnAdoptedProcessLeavesBehindGoesWithIt) {
  StartUnderAnotherManager("read x < go; sleep 600 & echo child $!; read x < end");
  ProcessRunner runner{kLauncher};
  ASSERT_TRUE(runner.Adopt(pid_, ticks_, Fifo(), {}, Callbacks()).ok());
  Tell("go");
  const std::string line = WaitForLine("child ");
  pid_t child = 0;
  ASSERT_TRUE(absl::SimpleAtoi(absl::StripPrefix(line, "child "), &child)) << line;
  ASSERT_TRUE(StartTicks(child).ok());
  Tell("end");
  EXPECT_EQ(WaitForExit(), "ended; how is not known");
  const OwnedFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
  pollfd end = {.fd = pidfd.get(), .events = POLLIN, .revents = 0};
  EXPECT_TRUE(!pidfd.valid() || poll(&end, 1, 20'000) == 1) << "it still runs";
}

TEST_F(AdoptTest, AnotherProcessWithTheSamePidIsNotAdopted) {
  StartUnderAnotherManager("exec sleep 600");
  ProcessRunner runner{kLauncher};
  const auto process = runner.Adopt(pid_, ticks_ + 1, Fifo(), {}, Callbacks());
  EXPECT_TRUE(absl::IsNotFound(process.status())) << process.status();
  EXPECT_EQ(process.status().message(), absl::StrCat("process ", pid_, " has ended"));
  EXPECT_TRUE(StartTicks(pid_).ok()) << "it was left alone";
  kill(pid_, SIGKILL);
}

TEST_F(AdoptTest, WhatHasEndedIsNotAdopted) {
  ProcessRunner runner{kLauncher};
  const pid_t child = fork();
  if (child == 0) _exit(0);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(absl::IsNotFound(runner.Adopt(child, 1, Fifo(), {}, Callbacks()).status()));
  EXPECT_TRUE(absl::IsNotFound(runner.Adopt(0, 1, Fifo(), {}, Callbacks()).status()));
  EXPECT_TRUE(absl::IsNotFound(runner.Adopt(-1, 1, Fifo(), {}, Callbacks()).status()));
}

TEST_F(AdoptTest, WithoutItsFifoAProcessIsAdoptedAllTheSame) {
  StartUnderAnotherManager("read x < end");
  ASSERT_EQ(unlink(Fifo().c_str()), 0);
  ProcessRunner runner{kLauncher};
  ASSERT_TRUE(runner.Adopt(pid_, ticks_, Fifo(), {}, Callbacks()).ok());
  Tell("end");
  EXPECT_EQ(WaitForExit(), "ended; how is not known");
}

TEST(StartTicksTest, TellsProcessesApart) {
  EXPECT_GT(*StartTicks(getpid()), 0u);
  EXPECT_EQ(*StartTicks(getpid()), *StartTicks(getpid()));
  const auto none = StartTicks(99'999'999);
  EXPECT_EQ(none.status(), absl::NotFoundError("there is no process 99999999"));
}

TEST(BootIdTest, IsTheSameAllTheTime) {
  EXPECT_EQ(BootId().size(), 36u);
  EXPECT_EQ(BootId(), BootId());
}

}  // namespace
}  // namespace outpost::module
