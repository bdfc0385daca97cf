// bench: what Outpost costs, as ratios to a bare gRPC echo taken in the same run.
//
//     bench [--json FILE] [--seconds S] [--rounds N] [--fanout-seconds S] [--peer[=OSDS]]
//
// Starts an echo server and an outpostd (simulated cluster of 1,000 OSDs, SQLite)
// on unix sockets in a directory of its own, with a C++ and a Python module that
// do nothing, and calls both with the same client, in rounds that alternate, so
// that what else the machine does meets both alike. A row's ratio is the median
// of its rounds' ratios. Rows of faults compare a command with itself: while
// another module spins, blocks or hangs, and while it does not. Exits with 1 where
// a row misses its bar.
#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "nlohmann/json.hpp"
#include "outpost/v1/cluster.grpc.pb.h"
#include "outpost/v1/commands.grpc.pb.h"
#include "outpost/v1/key_value.pb.h"
#include "tests/bench/echo.pb.h"
#include "tests/bench/load.h"
#include "tests/bench/read_rows.h"
#include "tests/bench/rows.h"

extern char** environ;

namespace outpost::bench {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void Die(const std::string& words) {
  std::fprintf(stderr, "bench: %s\n", words.c_str());
  std::exit(1);
}

// A process that ends with its owner.
class Child {
 public:
  // `preload`: a library to load first; empty: none.
  Child(std::vector<std::string> argv, const std::string& log, const std::string& preload = "") {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log.c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    std::vector<char*> words;
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
  }
  ~Child() {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

 private:
  pid_t pid_ = 0;
};

// A socket is there when its server listens.
void WaitForFile(const std::string& path) {
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (!fs::exists(path)) {
    if (absl::Now() > deadline) Die(path + " does not come");
    absl::SleepFor(absl::Milliseconds(10));
  }
}

std::shared_ptr<grpc::Channel> Connect(const std::string& socket) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
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

std::string Payload(const std::string& bytes) {
  EchoRequest request;
  request.set_payload(bytes);
  return request.SerializeAsString();
}

// Runs a command. With a `timeout`, it is expected not to answer within it.
void RunOnce(const std::shared_ptr<grpc::Channel>& channel, const std::vector<std::string>& words,
             absl::Duration timeout = absl::InfiniteDuration()) {
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
    Die(absl::StrCat(words[0], " ", words[1], ": ", status.error_message(),
                     response.result().stderr()));
  }
}

// Waits until the module's command answers: the manager holds it while the
// module is starting.
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

v1::ClusterGetResponse GetOsdMap(const std::shared_ptr<grpc::Channel>& channel) {
  v1::ClusterGetRequest get;
  get.set_name("osd_map");
  v1::ClusterGetResponse response;
  auto cluster = v1::Cluster::NewStub(channel);
  grpc::ClientContext context;
  const grpc::Status status = cluster->Get(&context, get, &response);
  if (!status.ok()) Die(absl::StrCat("osd_map: ", status.error_message()));
  return response;
}

// How often a block can be appended to a file in `directory` and made durable, a second.
double FdatasyncRate(const std::string& directory, absl::Duration time) {
  const std::string path = directory + "/fdatasync";
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  const std::string block(4096, 'x');
  const absl::Time begin = absl::Now();
  int n = 0;
  for (; absl::Now() - begin < time; ++n) {
    if (write(fd, block.data(), block.size()) < 0 || fdatasync(fd) != 0) Die("fdatasync fails");
  }
  close(fd);
  return n / absl::ToDoubleSeconds(absl::Now() - begin);
}

// A manager of its own in a directory of its own, gone with its owner.
class Manager {
 public:
  // `data`: where its database is.
  Manager(const fs::path& here, const std::string& directory, const std::string& data,
          const std::vector<std::string>& flags, const std::string& preload) {
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
    WaitForFile(directory + "/run/outpost.sock");
    channel_ = Connect(directory + "/run/outpost.sock");
  }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  pid_t pid() const { return child_->pid(); }

 private:
  std::unique_ptr<Child> child_;
  std::shared_ptr<grpc::Channel> channel_;
};

struct Settings {
  std::string json_file;
  double seconds = 1.0;
  int rounds = 5;
  double fanout_seconds = 10;
  int peer = 0;  // how many OSDs the real ceph-mgr has; 0: it is not measured
};

std::vector<Row> Measurements(
    const Settings& settings, const std::string& directory,
    const std::shared_ptr<grpc::Channel>& manager, const std::shared_ptr<grpc::Channel>& slow_disk,
    const std::function<std::shared_ptr<grpc::Channel>(size_t)>& echo_of) {
  const absl::Duration time = absl::Seconds(settings.seconds);
  const v1::ClusterGetResponse map = GetOsdMap(manager);
  const std::shared_ptr<grpc::Channel> echo = echo_of(map.ByteSizeLong());
  const Call echo_call = {"/outpost.bench.Echo/Unary", Always(Payload(Command("noop-cpp")))};
  const Call slice_call = {"/outpost.bench.Echo/Slice", Always(Payload("x"))};
  const Call cpp_call = {"/outpost.v1.Commands/Run", Always(Command("noop-cpp"))};
  const Call python_call = {"/outpost.v1.Commands/Run", Always(Command("noop-py"))};
  v1::ClusterGetRequest get;
  get.set_name("osd_map");
  const Call get_call = {"/outpost.v1.Cluster/Get", Always(get.SerializeAsString())};
  get.set_if_newer_than(map.version());
  const Call unchanged_call = {"/outpost.v1.Cluster/Get", Always(get.SerializeAsString())};
  const Call put_call = {"/outpost.v1.KeyValue/Put", [](uint64_t n) {
                           v1::KeyValuePutRequest put;
                           put.set_module("bench");
                           put.set_key(absl::StrCat("key-", n % 1000));
                           put.set_value(absl::StrCat("value-", n));
                           const grpc::Slice slice(put.SerializeAsString());
                           return grpc::ByteBuffer(&slice, 1);
                         }};

  const auto p50 = [&](const std::shared_ptr<grpc::Channel>& channel, const Call& call) {
    return [&, channel] { return RunBlocking(channel, call, time).Quantile(0.5); };
  };
  const auto rate = [&](const std::shared_ptr<grpc::Channel>& channel, const Call& call, int n) {
    return [&, channel, n] { return Run(channel, call, n, time).calls_per_second; };
  };
  const auto megabytes = [&](const std::shared_ptr<grpc::Channel>& channel, const Call& call) {
    return [&, channel] { return RunBlocking(channel, call, time).bytes_per_second / 1e6; };
  };
  for (const Call* call : {&cpp_call, &python_call, &get_call}) Run(manager, *call, 8, time);
  Run(echo, echo_call, 8, time);

  const int n = settings.rounds;
  return {
      Compare("command to the C++ module, 1 in flight", "p50 us", n, p50(manager, cpp_call),
              p50(echo, echo_call), 2.6, true),
      Compare("command to the C++ module, 64 in flight", "calls/s", n, rate(manager, cpp_call, 64),
              rate(echo, echo_call, 64), 0.35, false),
      Compare("command to the Python module, 1 in flight", "p50 us", n, p50(manager, python_call),
              p50(echo, echo_call), 0, true),
      Compare("command to the Python module, 64 in flight", "calls/s", n,
              rate(manager, python_call, 64), rate(echo, echo_call, 64), 0, false),
      Compare(absl::StrFormat("Get of a %.2f MB osd_map", map.ByteSizeLong() / 1e6), "MB/s", n,
              megabytes(manager, get_call), megabytes(echo, slice_call), 0.85, false),
      Compare("Get of an unchanged osd_map", "p50 us", n, p50(manager, unchanged_call),
              p50(echo, echo_call), 1.2, true),
      Compare(
          "KV writes, 1 writer (unit: fdatasync)", "writes/s", n, rate(manager, put_call, 1),
          [&] { return FdatasyncRate(directory, time); }, 0, false),
      Compare("KV writes, 64 writers (unit: 1 writer)", "writes/s", n, rate(manager, put_call, 64),
              rate(manager, put_call, 1), 0, false),
      Compare("the same where fdatasync takes 2 ms more", "writes/s", n,
              rate(slow_disk, put_call, 64), rate(slow_disk, put_call, 1), 10, false),
  };
}

// What the faults of one module do to commands of others. The unit is the same
// command while the faulty module behaves itself.
std::vector<Row> Disturbances(const Settings& settings,
                              const std::shared_ptr<grpc::Channel>& manager) {
  struct Fault {
    std::string name;
    std::function<void()> begin;
  };
  constexpr absl::Duration kHangs = absl::Milliseconds(20);
  const std::vector<Fault> faults = {
      {"serve spins",
       [&] {
         RunOnce(manager, {"faulty", "spin"});
       }},
      {"notify blocks",
       [&] {
         RunOnce(manager, {"faulty", "deaf"});
         for (const char* change : {"set", "unset"}) {  // for it to block on
           RunOnce(manager, {"osd", change, "noout"});
         }
       }},
      {"handlers hang",
       [&] {
         for (int i = 0; i < 4; ++i) RunOnce(manager, {"faulty", "hang"}, kHangs);
       }},
  };
  std::vector<Row> rows;
  for (const std::string module : {"C++", "Python"}) {
    const Call call = {"/outpost.v1.Commands/Run",
                       Always(Command(module == "C++" ? "noop-cpp" : "noop-py"))};
    const auto p99 = [&] {
      return RunBlocking(manager, call, absl::Seconds(settings.seconds)).Quantile(0.99);
    };
    for (const Fault& fault : faults) {
      rows.push_back(Compare(
          absl::StrCat("command to the ", module, " module, ", fault.name, " in another"), "p99 us",
          settings.rounds,
          [&] {
            fault.begin();
            const double value = p99();
            RunOnce(manager, {"faulty", "well"});
            return value;
          },
          p99, 1.5, true));
    }
  }
  return rows;
}

// What modules read, at sizes of the cluster, and who is told of changes.
std::vector<Row> ReadsAndFanout(const Settings& settings, const std::string& directory,
                                const std::string& data) {
  const fs::path here = fs::current_path();
  std::vector<Row> rows;
  for (const int osds : {1000, 5000, 10000}) {
    const std::string name = absl::StrCat("/r", osds);
    const Manager manager(here, directory + name, data + name,
                          {"--module-path", (here / "tests/bench/modules").string(),
                           "--initial-modules", "noop_cpp,noop_py", "--python-path",
                           (here / "sdk/python").string(), "--sim-osds", absl::StrCat(osds)},
                          "");
    for (const char* prefix : {"noop-cpp", "noop-py"}) WaitForModule(manager.channel(), prefix);
    std::unique_ptr<Child> echo;
    const std::vector<Row> more =
        ReadRows(manager.channel(), osds, std::min(settings.rounds, 3),
                 absl::Seconds(settings.seconds), [&](size_t bytes) {
                   const std::string socket = directory + name + "/echo.sock";
                   echo = std::make_unique<Child>(
                       std::vector<std::string>{(here / "tests/bench/echo_server").string(), socket,
                                                absl::StrCat(bytes)},
                       directory + "/echo.log");
                   WaitForFile(socket);
                   return EchoServer{socket, Connect(socket)};
                 });
    rows.insert(rows.end(), more.begin(), more.end());
  }
  const Manager manager(here, directory + "/f", data + "/f", {"--module-path", "/nowhere"}, "");
  int connections = 0;
  const auto connect = [&] {
    grpc::ChannelArguments arguments;
    // Each a connection of its own, as each module has.
    arguments.SetInt("outpost.connection", ++connections);
    auto channel = grpc::CreateCustomChannel("unix:" + directory + "/f/run/outpost.sock",
                                             grpc::InsecureChannelCredentials(), arguments);
    channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(20));
    return channel;
  };
  const std::vector<Row> more =
      FanoutRows(connect, manager.pid(), absl::Seconds(settings.fanout_seconds));
  rows.insert(rows.end(), more.begin(), more.end());
  return rows;
}

// What the command prints. Dies where it fails.
std::string OutputOf(const std::string& command) {
  FILE* const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) Die(command + " can't be started");
  std::string output;
  for (int c = fgetc(pipe); c != EOF; c = fgetc(pipe)) output.push_back(static_cast<char>(c));
  if (pclose(pipe) != 0) Die(command + " fails");
  return output;
}

// The same get() inside of the real ceph-mgr, as the unit of ours, which `rows` has.
std::vector<Row> PeerRows(const Settings& settings, const std::vector<Row>& rows) {
  const std::string at = absl::StrCat(", ", settings.peer, " OSDs");
  const auto ours = [&](const std::string& begin) {
    for (const Row& row : rows) {
      if (absl::StartsWith(row.name, begin) && absl::EndsWith(row.name, at)) return row.ours;
    }
    Die("--peer: no rows are measured with so many OSDs");
  };
  const auto told = nlohmann::json::parse(OutputOf(
      absl::StrCat((fs::current_path() / "tests/bench/peer").string(), " ", settings.peer)));
  const double peer = told["get_us"];
  const double first = ours("first get after a change, Python");
  const double next = ours("get of an unchanged osd_map, Python");
  return {
      {"real ceph-mgr over ours, first get after a change, Python" + at, first, peer, "us",
       peer / first, 3, false},
      {"real ceph-mgr over ours, the next get, Python" + at, next, peer, "us", peer / next, 1000,
       false},
  };
}

int Main(const Settings& settings) {
  char pattern[] = "/tmp/outpost-bench-XXXXXX";
  const std::string directory = mkdtemp(pattern);
  // On the disk that the checkout is on, where there is a choice: /tmp may be memory.
  const char* const disk = std::getenv("BUILD_WORKSPACE_DIRECTORY");
  const std::string data =
      disk == nullptr ? directory + "/data" : absl::StrCat(disk, "/.outpost/bench-", getpid());
  std::vector<Row> rows;
  {
    const fs::path here = fs::current_path();
    const Manager manager(
        here, directory + "/a", data + "/a",
        {"--module-path", (here / "tests/bench/modules").string(), "--initial-modules",
         "noop_cpp,noop_py", "--python-path", (here / "sdk/python").string(), "--sim-osds", "1000"},
        "");
    const Manager slow_disk(here, directory + "/b", data + "/b", {"--module-path", "/nowhere"},
                            (here / "tests/bench/libslow_fdatasync.so").string());
    WaitForModule(manager.channel(), "noop-cpp");
    WaitForModule(manager.channel(), "noop-py");
    std::unique_ptr<Child> echo;
    rows = Measurements(settings, data, manager.channel(), slow_disk.channel(), [&](size_t bytes) {
      const std::string socket = directory + "/echo.sock";
      echo = std::make_unique<Child>(
          std::vector<std::string>{(here / "tests/bench/echo_server").string(), socket,
                                   absl::StrCat(bytes)},
          directory + "/echo.log");
      WaitForFile(socket);
      return Connect(socket);
    });
  }
  {
    const fs::path here = fs::current_path();
    const Manager manager(
        here, directory + "/c", data + "/c",
        {"--module-path", (here / "tests/bench/modules").string(), "--module-path",
         (here / "tests/integration/modules").string(), "--initial-modules",
         "noop_cpp,noop_py,faulty", "--python-path", (here / "sdk/python").string()},
        "");
    for (const char* prefix : {"noop-cpp", "noop-py", "faulty"}) {
      WaitForModule(manager.channel(), prefix);
    }
    const std::vector<Row> more = Disturbances(settings, manager.channel());
    rows.insert(rows.end(), more.begin(), more.end());
  }
  for (const Row& row : ReadsAndFanout(settings, directory, data)) rows.push_back(row);
  if (settings.peer > 0) {
    for (const Row& row : PeerRows(settings, rows)) rows.push_back(row);
  }
  fs::remove_all(directory);
  fs::remove_all(data);

  return Report(rows, settings.json_file) ? 0 : 1;
}

}  // namespace
}  // namespace outpost::bench

int main(int argc, char** argv) {
  // As outpostd and modules do.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  outpost::bench::Settings settings;
  CLI::App app("what Outpost costs, as ratios to a bare gRPC echo", "bench");
  app.add_option("--json", settings.json_file, "also write the rows to this file, as JSON");
  app.add_option("--seconds", settings.seconds, "of each measurement")->capture_default_str();
  app.add_option("--rounds", settings.rounds, "of each row")->capture_default_str();
  app.add_option("--fanout-seconds", settings.fanout_seconds, "of changes to 1,000 subscribers")
      ->capture_default_str();
  app.add_flag("--peer{5000}", settings.peer,
               "also measure the real ceph-mgr, with so many OSDs: --peer=1000, 5000, 10000");
  CLI11_PARSE(app, argc, argv);
  return outpost::bench::Main(settings);
}
