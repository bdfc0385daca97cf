// bench: what Outpost costs, as ratios to a bare gRPC echo taken in the same run.
//
//     bench [--json FILE] [--seconds S] [--rounds N] [--fanout-seconds S] [--peer[=OSDS]]
//
// Starts an echo server and an outpostd (simulated cluster of 1,000 OSDs, SQLite)
// on unix sockets in a directory of its own, with a C++ and a Python module that
// do nothing, and calls both with the same client, in rounds that alternate, so
// that what else the machine does meets both alike. A row's ratio is the median
// of its rounds' ratios. Exits with 1 where a row misses its bar. What faults of a
// module do to another is fault_bench's.
#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
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
#include "outpost/v1/key_value.pb.h"
#include "tests/bench/echo.pb.h"
#include "tests/bench/load.h"
#include "tests/bench/read_rows.h"
#include "tests/bench/rows.h"
#include "tests/bench/servers.h"

namespace outpost::bench {
namespace {

namespace fs = std::filesystem;

std::string Payload(const std::string& bytes) {
  EchoRequest request;
  request.set_payload(bytes);
  return request.SerializeAsString();
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
      Compare(absl::StrFormat("Get of a %.2f MB osd_map",
                              static_cast<double>(map.ByteSizeLong()) / 1e6),
              "MB/s", n, megabytes(manager, get_call), megabytes(echo, slice_call), 0.85, false),
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
  // Each a connection of its own, as each module has.
  const auto connect = [&] { return Connect(manager.socket(), ++connections); };
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

// What fails ends it, also by an exception. NOLINTNEXTLINE(bugprone-exception-escape)
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
