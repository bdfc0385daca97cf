#include "tests/bench/module_costs.h"

#include <grpcpp/grpcpp.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "outpost/v1/manager.grpc.pb.h"
#include "server/metrics/process_usage.h"
#include "tests/bench/attached_session.h"
#include "tests/bench/registration_cost.h"
#include "tests/bench/servers.h"

extern char** environ;

namespace outpost::bench {
namespace {

namespace fs = std::filesystem;

constexpr int kIdle = 1000;
constexpr char kPython[] = "/usr/bin/python3";

double Seconds(absl::Time begin) { return absl::ToDoubleSeconds(absl::Now() - begin); }

// The time that the interpreter takes to start, and to import gRPC.
double BareMilliseconds() {
  const char* const words[] = {kPython, "-c", "import grpc", nullptr};
  const absl::Time begin = absl::Now();
  pid_t pid = 0;
  int status = 0;
  if (posix_spawn(&pid, kPython, nullptr, nullptr, const_cast<char**>(words), environ) != 0 ||
      waitpid(pid, &status, 0) != pid || status != 0) {
    Die("python3 can't import grpc");
  }
  return Seconds(begin) * 1e3;
}

double ServingMilliseconds(v1::Manager::Stub* stub, const std::string& name) {
  const absl::Time begin = absl::Now();
  {
    grpc::ClientContext context;
    v1::EnableModuleRequest request;
    request.set_name(name);
    request.mutable_wait()->set_seconds(30);
    v1::EnableModuleResponse response;
    const auto status = stub->EnableModule(&context, request, &response);
    if (!status.ok() || response.module().state() != v1::MODULE_STATE_RUNNING) {
      Die(absl::StrCat(name, " does not run: ", status.error_message()));
    }
  }
  const double took = Seconds(begin) * 1e3;
  grpc::ClientContext context;
  v1::DisableModuleRequest request;
  request.set_name(name);
  v1::DisableModuleResponse response;
  stub->DisableModule(&context, request, &response);
  return took;
}

Row IdleModules(const fs::path& here, const std::string& directory) {
  // Each has a connection, so two descriptors there and here.
  rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  const Manager manager(here, directory + "/idle", directory + "/idle/data",
                        {"--module-path", "/nowhere", "--log-level", "warning"});
  const auto rss = [&] {
    return static_cast<double>(metrics::ReadProcessUsage(manager.pid())->rss_bytes) / 1024;
  };
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  std::vector<std::unique_ptr<v1::ModuleHost::Stub>> stubs;
  std::vector<std::unique_ptr<AttachedSession>> sessions;
  double first = 0;
  for (int i = 0; i <= kIdle; ++i) {
    channels.push_back(Connect(manager.socket(), i + 1));
    stubs.push_back(v1::ModuleHost::NewStub(channels.back()));
    v1::Register registration = Registration(absl::StrCat("idle-", i));
    for (const char* verb : {"show", "set", "reset"}) {
      auto& command = *registration.add_commands();
      command.set_signature(absl::StrCat("idle-", i, " ", verb, " name=what,type=CephString"));
      command.set_description("One of the commands of a module that is idle");
    }
    sessions.push_back(
        std::make_unique<AttachedSession>(stubs.back().get(), std::move(registration)));
    if (!sessions.back()->AwaitServe()) Die("a session is refused");
    if (i == 0) first = rss();  // the first one's are costs of the manager's
  }
  const double each = (rss() - first) / kIdle;
  std::fprintf(stderr, "  memory of idle modules\n");
  for (auto& session : sessions) session->End();
  return {absl::StrCat("memory of the manager for each of ", kIdle, " idle modules"),
          each,
          1,
          "KiB",
          each,
          150,
          true};
}

}  // namespace

std::vector<Row> ModuleCosts(const fs::path& here, const std::string& directory, int rounds) {
  std::vector<Row> rows = {RegistrationCost(rounds), IdleModules(here, directory)};
  const Manager manager(
      here, directory + "/start", directory + "/start/data",
      {"--module-path", (here / "tests/bench/modules").string(), "--python", kPython,
       "--python-path", (here / "sdk/python").string(), "--log-level", "warning"});
  const auto stub = v1::Manager::NewStub(manager.channel());
  BareMilliseconds();
  ServingMilliseconds(stub.get(), "noop_py");  // both have their files in memory now
  rows.push_back(Compare(
      "a Python module serves after (unit: python3 -c 'import grpc')", "ms", rounds,
      [&] { return ServingMilliseconds(stub.get(), "noop_py"); }, BareMilliseconds, 1.2, true));
  return rows;
}

}  // namespace outpost::bench
