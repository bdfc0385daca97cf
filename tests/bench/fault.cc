#include "tests/bench/fault.h"

#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "outpost/v1/commands.grpc.pb.h"
#include "outpost/v1/manager.grpc.pb.h"
#include "tests/bench/servers.h"

extern char** environ;

namespace outpost::bench {

Times::Times(const std::string& path) {
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  void* const map =
      file < 0 || ftruncate(file, sizeof *count_) != 0
          ? MAP_FAILED
          : mmap(nullptr, sizeof *count_, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (file >= 0) close(file);
  if (map == MAP_FAILED) Die(absl::StrCat(path, " can't be mapped"));
  count_ = static_cast<std::atomic<uint64_t>*>(map);
}

Times::~Times() { munmap(count_, sizeof *count_); }

std::optional<int> Try(const std::shared_ptr<grpc::Channel>& channel,
                       const std::vector<std::string>& words, absl::Duration timeout,
                       size_t inbuf) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  v1::CommandsRunRequest request;
  request.mutable_words()->Assign(words.begin(), words.end());
  if (inbuf > 0) {
    request.set_has_inbuf(true);
    request.set_inbuf(std::string(inbuf, 'x'));
  }
  v1::CommandsRunResponse response;
  const bool called = v1::Commands::NewStub(channel)->Run(&context, request, &response).ok();
  if (!called || response.result().retval() == -ETIMEDOUT) return std::nullopt;
  return response.result().retval();
}

void Paced(absl::Duration pace, const std::function<void()>& act) {
  const absl::Time begin = absl::Now();
  act();
  absl::SleepFor(begin + pace - absl::Now());
}

Fault Repeated(std::string name, std::string held, std::function<bool()> act) {
  struct State {
    std::atomic<uint64_t> times = 0;
    std::unique_ptr<Beside> beside;
  };
  auto state = std::make_shared<State>();
  Fault fault;
  fault.name = std::move(name);
  fault.held = std::move(held);
  fault.begin = [state, act = std::move(act)] {
    state->beside = std::make_unique<Beside>([state = state.get(), act] {
      if (act()) ++state->times;
    });
  };
  fault.end = [state] { state->beside.reset(); };
  fault.times = [state] { return state->times.load(); };
  return fault;
}

std::map<std::string, v1::ModuleInfo> InfoOf(const std::shared_ptr<grpc::Channel>& channel) {
  grpc::ClientContext context;
  v1::ListModulesResponse response;
  const auto status = v1::Manager::NewStub(channel)->ListModules(&context, {}, &response);
  if (!status.ok()) Die(absl::StrCat("ListModules: ", status.error_message()));
  std::map<std::string, v1::ModuleInfo> modules;
  for (auto& module : *response.mutable_modules()) modules[module.name()] = std::move(module);
  return modules;
}

bool Succeeds(const std::vector<std::string>& argv) {
  std::vector<std::string> copies = argv;
  std::vector<char*> words;
  words.reserve(copies.size() + 1);
  for (std::string& word : copies) words.push_back(word.data());
  words.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t pid = 0;
  int status = 0;
  const bool ran = posix_spawnp(&pid, words[0], &actions, nullptr, words.data(), environ) == 0 &&
                   waitpid(pid, &status, 0) == pid && status == 0;
  posix_spawn_file_actions_destroy(&actions);
  return ran;
}

void MustRun(const std::vector<std::string>& argv) {
  if (!Succeeds(argv)) Die(absl::StrCat(absl::StrJoin(argv, " "), " failed"));
}

}  // namespace outpost::bench
