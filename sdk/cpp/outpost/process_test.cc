// A module as a process: its environment, its signals, its exit status.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "outpost/testing/fake_manager.h"

namespace outpost {
namespace {

using testing::FakeManager;
using ::testing::HasSubstr;

// The program under test with pipes for its standard error and its token.
class Process {
 public:
  struct Options {
    std::vector<std::string> args = {};
    std::vector<std::string> env = {};
    std::optional<std::string> token = {};
  };

  explicit Process(Options options) {
    std::array<int, 2> error_pipe{}, token_pipe{};
    EXPECT_EQ(pipe2(error_pipe.data(), O_CLOEXEC), 0);
    EXPECT_EQ(pipe2(token_pipe.data(), O_CLOEXEC), 0);
    error_ = error_pipe[0];
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, error_pipe[1], 2);
    if (options.token) {
      posix_spawn_file_actions_adddup2(&actions, token_pipe[0], 9);
      options.env.push_back("OUTPOST_TOKEN_FD=9");
      const std::string& token = *options.token;
      EXPECT_EQ(write(token_pipe[1], token.data(), token.size()),
                static_cast<ssize_t>(token.size()));
    }
    options.args.insert(options.args.begin(), "sdk/cpp/scripted_module");
    if (const char* path = std::getenv("SCRIPTED_MODULE")) options.args[0] = path;
    const std::vector<char*> argv = Pointers(options.args), env = Pointers(options.env);
    EXPECT_EQ(posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), env.data()), 0);
    posix_spawn_file_actions_destroy(&actions);
    for (int fd : {error_pipe[1], token_pipe[0], token_pipe[1]}) close(fd);
  }
  ~Process() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    close(error_);
  }

  pid_t pid() const { return pid_; }
  // What it wrote to standard error, to the end.
  std::string Error() {
    std::string text;
    std::array<char, 4096> buffer{};
    for (ssize_t n = 0; (n = read(error_, buffer.data(), buffer.size())) > 0;) {
      text.append(buffer.data(), static_cast<size_t>(n));
    }
    return text;
  }
  // Its exit status, or 1000 and the signal that ended it.
  int Wait() {
    int status = 0;
    EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  }

 private:
  static std::vector<char*> Pointers(std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    pointers.reserve(texts.size() + 1);
    for (std::string& text : texts) pointers.push_back(text.data());
    pointers.push_back(nullptr);
    return pointers;
  }

  pid_t pid_ = -1;
  int error_ = -1;
};

class ProcessTest : public ::testing::Test {
 protected:
  std::unique_ptr<FakeManager> manager_ = FakeManager::Start();
  const std::string address_ = absl::StrCat("OUTPOST_ADDRESS=", manager_->address());
};

TEST_F(ProcessTest, TakesItsPlaceFromTheEnvironment) {
  Process process(
      {.env = {address_, "OUTPOST_MODULE=from_environment"}, .token = "secret\nof two lines"});
  ASSERT_TRUE(manager_->WaitForModule());
  EXPECT_EQ(manager_->registration().name(), "from_environment");
  EXPECT_EQ(manager_->registration().token(), "secret\nof two lines");
  EXPECT_EQ(manager_->registration().pid(), process.pid());
  manager_->Shutdown(absl::Seconds(10));
  EXPECT_EQ(process.Error(), "");
  EXPECT_EQ(process.Wait(), 0);
}

TEST_F(ProcessTest, TakesItsPlaceFromFlags) {
  Process process({.args = {"--address", manager_->address(), "--name=from_flag"}});
  ASSERT_TRUE(manager_->WaitForModule());
  EXPECT_EQ(manager_->registration().name(), "from_flag");
  EXPECT_EQ(manager_->registration().token(), "");
}

TEST_F(ProcessTest, HasANameOfItsOwn) {
  Process process({.env = {address_}});
  ASSERT_TRUE(manager_->WaitForModule());
  EXPECT_EQ(manager_->registration().name(), "scripted");
}

TEST_F(ProcessTest, EndsOnSignals) {
  for (int number : {SIGTERM, SIGINT}) {
    Process process({.env = {address_}, .token = "t"});
    ASSERT_TRUE(manager_->WaitForModule());
    manager_->Serve();
    kill(process.pid(), number);
    EXPECT_EQ(process.Wait(), 0);
    EXPECT_TRUE(manager_->WaitForGoodbye());
  }
}

TEST_F(ProcessTest, ServeThatDoesNotEndIsEndedAtTheGrace) {
  Process process({.env = {address_, "SCRIPT=stuck"}, .token = "t"});
  ASSERT_TRUE(manager_->WaitForModule());
  manager_->Serve();
  ASSERT_TRUE(manager_->WaitForLog("scripted serves"));
  const absl::Time start = absl::Now();
  manager_->Shutdown(absl::Milliseconds(300));
  EXPECT_THAT(process.Error(), HasSubstr("outpost: module scripted: it was asked to end, and did "
                                         "not in time: Serve still runs"));
  EXPECT_EQ(process.Wait(), 1);
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(300));
}

TEST_F(ProcessTest, ASecondSignalEndsItAtOnce) {
  Process process({.env = {address_, "SCRIPT=stuck"}, .token = "t"});
  ASSERT_TRUE(manager_->WaitForModule());
  manager_->Serve();
  kill(process.pid(), SIGINT);
  // Signals of one number are merged while they wait; another number is not.
  kill(process.pid(), SIGTERM);
  EXPECT_THAT(process.Wait(), ::testing::AnyOf(128 + SIGTERM, 128 + SIGINT));
}

TEST_F(ProcessTest, ARefusalIsALineAndAStatus) {
  manager_->Refuse(absl::AlreadyExistsError("module scripted is attached already (pid 7)"),
                   "NAME_TAKEN");
  Process process({.env = {address_}, .token = "t"});
  EXPECT_EQ(process.Wait(), 78);
  EXPECT_EQ(process.Error(),
            "outpost: module scripted: NAME_TAKEN: module scripted is attached already (pid 7)\n");
}

TEST_F(ProcessTest, AManagerThatDoesNotComeBackIsALineAndAStatus) {
  manager_ = FakeManager::Start({.orphan_grace = absl::Milliseconds(200)});
  Process process({.env = {absl::StrCat("OUTPOST_ADDRESS=", manager_->address())}, .token = "t"});
  ASSERT_TRUE(manager_->WaitForModule());
  manager_->Crash();
  EXPECT_EQ(process.Wait(), 75);
  EXPECT_THAT(process.Error(), HasSubstr("no manager could be reached at unix:"));
}

TEST_F(ProcessTest, BadEnvironmentsAndFlagsAreTold) {
  Process no_fd({.env = {address_, "OUTPOST_TOKEN_FD=x"}});
  EXPECT_EQ(no_fd.Wait(), 78);
  EXPECT_THAT(no_fd.Error(), HasSubstr("OUTPOST_TOKEN_FD: \"x\" is not the number"));
  Process closed_fd({.env = {address_, "OUTPOST_TOKEN_FD=77"}});
  EXPECT_EQ(closed_fd.Wait(), 78);
  EXPECT_THAT(closed_fd.Error(), HasSubstr("file descriptor 77 can't be read"));
  Process flag({.args = {"--adress", "x"}, .env = {address_}});
  EXPECT_EQ(flag.Wait(), 2);
  EXPECT_THAT(flag.Error(), HasSubstr("unexpected argument \"--adress\""));
  Process help({.args = {"--help"}});
  EXPECT_EQ(help.Wait(), 0);
}

}  // namespace
}  // namespace outpost
