#include "cli/testing/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace outpost::cli {
namespace {

constexpr absl::Duration kDeadline = absl::Seconds(30);

// Appends what there is to `text`; closes the stream at its end.
void Read(int* fd, std::string* text) {
  char buffer[65536];
  const ssize_t n = read(*fd, buffer, sizeof(buffer));
  if (n > 0) {
    text->append(buffer, n);
  } else {
    close(std::exchange(*fd, -1));
  }
}

}  // namespace

Process::Process(std::vector<std::string> argv, absl::string_view input) {
  int in[2], out[2], err[2];
  EXPECT_EQ(pipe2(in, O_CLOEXEC), 0);
  EXPECT_EQ(pipe2(out, O_CLOEXEC), 0);
  EXPECT_EQ(pipe2(err, O_CLOEXEC), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err[1], STDERR_FILENO);
  std::vector<char*> pointers;
  pointers.reserve(argv.size() + 1);
  for (std::string& arg : argv) pointers.push_back(arg.data());
  pointers.push_back(nullptr);
  EXPECT_EQ(posix_spawn(&pid_, pointers[0], &actions, nullptr, pointers.data(), environ), 0)
      << pointers[0];
  posix_spawn_file_actions_destroy(&actions);
  EXPECT_EQ(write(in[1], input.data(), input.size()), static_cast<ssize_t>(input.size()));
  for (int fd : {in[0], in[1], out[1], err[1]}) close(fd);
  out_ = out[0];
  err_ = err[0];
}

Process::~Process() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  if (out_ >= 0) close(out_);
  if (err_ >= 0) close(err_);
}

void Process::Signal(int signal) { kill(pid_, signal); }

void Process::CloseStandardOutput() { close(std::exchange(out_, -1)); }

bool Process::WaitForLines(size_t lines) {
  return ReadUntil([this, lines] {
    const auto count = std::count(outcome_.out.begin(), outcome_.out.end(), '\n');
    return static_cast<size_t>(count) >= lines;
  });
}

Outcome Process::Wait() {
  EXPECT_TRUE(ReadUntil([] { return false; })) << "still running after " << kDeadline;
  int status = 0;
  if (waitpid(std::exchange(pid_, -1), &status, 0) > 0 && WIFEXITED(status)) {
    outcome_.exit_status = WEXITSTATUS(status);
  }
  return outcome_;
}

bool Process::ReadUntil(const std::function<bool()>& done) {
  const absl::Time end = absl::Now() + kDeadline;
  while (!done()) {
    if (out_ < 0 && err_ < 0) return true;
    pollfd fds[] = {{out_, POLLIN, 0}, {err_, POLLIN, 0}};
    const int left = static_cast<int>(absl::ToInt64Milliseconds(end - absl::Now()));
    if (left <= 0 || poll(fds, 2, left) <= 0) {
      kill(pid_, SIGKILL);
      return false;
    }
    if (fds[0].revents != 0) Read(&out_, &outcome_.out);
    if (fds[1].revents != 0) Read(&err_, &outcome_.err);
  }
  return true;
}

}  // namespace outpost::cli
