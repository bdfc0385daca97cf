#include "server/metrics/process_usage.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"

namespace outpost::metrics {
namespace {

TEST(ProcessUsage, SeesMemoryThatIsTouched) {
  const auto before = ReadProcessUsage(getpid());
  ASSERT_TRUE(before);
  constexpr size_t kSize = size_t{64} << 20;
  void* const memory = mmap(nullptr, kSize, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  const auto after = ReadProcessUsage(getpid());
  munmap(memory, kSize);
  ASSERT_TRUE(after);
  EXPECT_GE(after->rss_bytes, before->rss_bytes + kSize * 9 / 10);
  EXPECT_LE(after->rss_bytes, before->rss_bytes + kSize * 11 / 10);
}

TEST(ProcessUsage, SeesProcessorTime) {
  const auto before = ReadProcessUsage(getpid());
  ASSERT_TRUE(before);
  // Of this thread's own time, so that a busy machine changes nothing.
  const auto used = [] {
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return absl::DurationFromTimespec(time);
  };
  const absl::Duration begin = used();
  while (used() - begin < absl::Milliseconds(200)) {
  }
  const auto after = ReadProcessUsage(getpid());
  ASSERT_TRUE(after);
  EXPECT_GE(after->cpu - before->cpu, absl::Milliseconds(150));
  EXPECT_LE(after->cpu - before->cpu, absl::Seconds(5));
}

TEST(ProcessUsage, CountsThreads) {
  std::thread([] {}).join();  // a sanitizer has a thread of its own from the first one on
  const auto before = ReadProcessUsage(getpid());
  ASSERT_TRUE(before);
  absl::Notification done;
  std::vector<std::thread> threads;
  threads.reserve(5);
  for (int i = 0; i < 5; ++i) threads.emplace_back([&] { done.WaitForNotification(); });
  const auto with = ReadProcessUsage(getpid());
  done.Notify();
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(with);
  EXPECT_EQ(with->threads, before->threads + 5);
}

TEST(ProcessUsage, CountsOpenFiles) {
  const auto before = ReadProcessUsage(getpid());
  ASSERT_TRUE(before);
  std::vector<int> descriptors;
  descriptors.reserve(7);
  for (int i = 0; i < 7; ++i) descriptors.push_back(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const auto with = ReadProcessUsage(getpid());
  for (const int descriptor : descriptors) close(descriptor);
  ASSERT_TRUE(with);
  EXPECT_EQ(with->open_files, before->open_files + 7);
}

// Another process, whose name is hard to read; it lives until it is killed.
class Child {
 public:
  Child() {
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) != 0) return;
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_NAME, "a) R 1 (b");
      close(ready[0]);
      (void)!write(ready[1], "x", 1);
      while (true) pause();
    }
    close(ready[1]);
    char byte;
    (void)!read(ready[0], &byte, 1);
    close(ready[0]);
  }
  ~Child() { Reap(); }
  void Kill() {
    kill(pid_, SIGKILL);
    siginfo_t info;
    waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT);  // leaves the zombie
  }
  void Reap() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    reaped_ = std::exchange(pid_, 0);
  }
  pid_t pid() const { return pid_; }
  pid_t reaped() const { return reaped_; }

 private:
  pid_t pid_ = 0;
  pid_t reaped_ = 0;
};

TEST(ProcessUsage, ReadsAnotherProcess) {
  const Child child;
  ASSERT_GT(child.pid(), 0);
  const auto usage = ReadProcessUsage(child.pid());
  ASSERT_TRUE(usage);
#if defined(__SANITIZE_THREAD__)
  EXPECT_EQ(usage->threads, 2u) << "one is the sanitizer's";
#else
  EXPECT_EQ(usage->threads, 1u);
#endif
  EXPECT_GT(usage->rss_bytes, 0u);
  EXPECT_GE(usage->open_files, 3u);
  EXPECT_LT(usage->cpu, absl::Seconds(5));
}

TEST(ProcessUsage, OneThatHasEndedIsNoError) {
  Child child;
  ASSERT_GT(child.pid(), 0);
  child.Kill();
  EXPECT_FALSE(ReadProcessUsage(child.pid())) << "a zombie";
  child.Reap();
  EXPECT_FALSE(ReadProcessUsage(child.reaped()));
  EXPECT_FALSE(ReadProcessUsage(0));
  EXPECT_FALSE(ReadProcessUsage(-1));
}

}  // namespace
}  // namespace outpost::metrics
