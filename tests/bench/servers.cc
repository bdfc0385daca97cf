#include "tests/bench/servers.h"

#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "outpost/v1/commands.grpc.pb.h"

extern char** environ;

namespace outpost::bench {

namespace fs = std::filesystem;

namespace {

// All children: those that have no end yet when this process exits, have it then.
class Living {
 public:
  static Living& All() {
    static Living living;
    return living;
  }
  void Add(pid_t pid) {
    absl::MutexLock lock(&mu_);
    pids_.insert(pid);
  }
  void Remove(pid_t pid) {
    absl::MutexLock lock(&mu_);
    pids_.erase(pid);
  }
  Living(const Living&) = delete;
  Living& operator=(const Living&) = delete;

 private:
  Living() = default;
  ~Living() {
    absl::MutexLock lock(&mu_);
    for (const pid_t pid : pids_) kill(pid, SIGTERM);
    for (const pid_t pid : pids_) waitpid(pid, nullptr, 0);
  }

  absl::Mutex mu_;
  std::set<pid_t> pids_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

void Die(const std::string& words) {
  static std::atomic<bool> dying = false;
  // What others miss while all is being ended is of no interest.
  if (dying.exchange(true)) {
    while (true) pause();
  }
  std::fprintf(stderr, "bench: %s\n", words.c_str());
  std::exit(1);
}

Child::Child(std::vector<std::string> argv, const std::string& log, const std::string& preload) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log.c_str(),
                                   O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  std::vector<char*> words;
  words.reserve(argv.size() + 1);
  for (auto& word : argv) words.push_back(word.data());
  words.push_back(nullptr);
  std::vector<char*> environment;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    environment.push_back(*variable);
  }
  std::string ld_preload = "LD_PRELOAD=" + preload;
  if (!preload.empty()) environment.push_back(ld_preload.data());
  environment.push_back(nullptr);
  const int error =
      posix_spawn(&pid_, words[0], &actions, nullptr, words.data(), environment.data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) Die(absl::StrCat(argv[0], ": ", strerrordesc_np(error)));
  Living::All().Add(pid_);
}

Child::~Child() { End(); }

int Child::End() {
  const pid_t pid = std::exchange(pid_, 0);
  int status = 0;
  if (pid != 0) Living::All().Remove(pid);
  if (pid == 0 || kill(pid, SIGTERM) != 0 || waitpid(pid, &status, 0) != pid) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void WaitForFile(const std::string& path) {
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (!fs::exists(path)) {
    if (absl::Now() > deadline) Die(path + " does not come");
    absl::SleepFor(absl::Milliseconds(10));
  }
}

std::shared_ptr<grpc::Channel> Connect(const std::string& socket, int number) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt("outpost.connection", number);
  auto channel =
      grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), arguments);
  if (!channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(20))) {
    Die(socket + " does not answer");
  }
  return channel;
}

std::string Command(const std::string& prefix) {
  v1::CommandsRunRequest request;
  request.set_command_json(nlohmann::json{{"prefix", prefix}}.dump());
  return request.SerializeAsString();
}

v1::CommandsRunResponse RunOnce(const std::shared_ptr<grpc::Channel>& channel,
                                const std::vector<std::string>& words, absl::Duration timeout) {
  auto stub = v1::Commands::NewStub(channel);
  grpc::ClientContext context;
  const bool bounded = timeout != absl::InfiniteDuration();
  if (bounded) context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  v1::CommandsRunRequest request;
  request.mutable_words()->Assign(words.begin(), words.end());
  v1::CommandsRunResponse response;
  const grpc::Status status = stub->Run(&context, request, &response);
  const bool late = status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED ||
                    response.result().retval() == -ETIMEDOUT;
  if (bounded ? !late : !status.ok() || response.result().retval() != 0) {
    Die(absl::StrCat(absl::StrJoin(words, " "), ": ", status.error_message(),
                     response.result().stderr()));
  }
  return response;
}

void WaitForModule(const std::shared_ptr<grpc::Channel>& channel, const std::string& prefix) {
  auto stub = v1::Commands::NewStub(channel);
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  while (true) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(deadline));
    v1::CommandsRunRequest request;
    request.set_command_json(nlohmann::json{{"prefix", prefix}}.dump());
    v1::CommandsRunResponse response;
    const grpc::Status status = stub->Run(&context, request, &response);
    if (status.ok() && response.result().retval() == 0) return;
    if (absl::Now() > deadline) {
      Die(absl::StrCat(prefix, " does not answer: ", status.error_message(),
                       response.result().stderr()));
    }
  }
}

Manager::Manager(const fs::path& here, const std::string& directory, const std::string& data,
                 const std::vector<std::string>& flags, const std::string& preload)
    : socket_(directory + "/run/outpost.sock") {
  fs::create_directories(data);
  fs::permissions(data, fs::perms::owner_all);
  fs::create_directories(directory);
  std::vector<std::string> argv = {(here / "server/outpostd").string(),
                                   "--data-dir",
                                   data,
                                   "--run-dir",
                                   directory + "/run",
                                   "--sim-speed",
                                   "0"};
  argv.insert(argv.end(), flags.begin(), flags.end());
  child_ = std::make_unique<Child>(std::move(argv), directory + "/outpostd.log", preload);
  WaitForFile(socket_);
  channel_ = Connect(socket_);
}

}  // namespace outpost::bench
