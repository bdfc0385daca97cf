#include "tests/bench/read_rows.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "outpost/v1/cluster.pb.h"
#include "outpost/v1/commands.grpc.pb.h"
#include "tests/bench/echo.pb.h"
#include "tests/bench/load.h"
#include "tests/bench/subscribers.h"

namespace outpost::bench {
namespace {

constexpr int kSubscribers = 1000;
constexpr int kConnections = 20;
constexpr double kChangesPerSecond = 100;

// Runs a command, and gives what it prints.
std::string Run(const std::shared_ptr<grpc::Channel>& manager,
                const std::vector<std::string>& words) {
  grpc::ClientContext context;
  v1::CommandsRunRequest request;
  request.mutable_words()->Assign(words.begin(), words.end());
  v1::CommandsRunResponse response;
  const grpc::Status status = v1::Commands::NewStub(manager)->Run(&context, request, &response);
  if (!status.ok() || response.result().retval() != 0) {
    std::fprintf(stderr, "bench: %s: %s%s\n", words[0].c_str(), status.error_message().c_str(),
                 response.result().stderr().c_str());
    std::exit(1);
  }
  return response.result().stdout();
}

// A row that is measured against a number of units and no other program.
Row Absolute(const std::string& name, const std::string& what, double value, double bar,
             bool at_most = true) {
  return {name, value, 1, what, value, bar, at_most};
}

double ResidentKiB(pid_t pid) {
  std::ifstream status(absl::StrCat("/proc/", pid, "/status"));
  std::string word;
  double kib = 0;
  while (status >> word) {
    if (word == "VmRSS:") status >> kib;
  }
  return kib;
}

}  // namespace

std::vector<Row> ReadRows(const std::shared_ptr<grpc::Channel>& manager, int osds, int rounds,
                          absl::Duration time,
                          const std::function<EchoServer(size_t bytes)>& echo_of) {
  const size_t bytes = nlohmann::json::parse(Run(manager, {"reads-py"}))["bytes"];
  const EchoServer echo = echo_of(bytes);
  std::vector<nlohmann::json> cpp;
  std::vector<nlohmann::json> python;
  // The first of each warms up.
  for (int round = 0; round <= rounds; ++round) {
    cpp.push_back(nlohmann::json::parse(Run(manager, {"reads-cpp", echo.socket})));
    python.push_back(nlohmann::json::parse(Run(manager, {"reads-py"})));
    if (round == 0) {
      cpp.clear();
      python.clear();
    }
  }
  EchoRequest small;
  small.set_payload("osd_map /osds/0");
  const Call unary = {"/outpost.bench.Echo/Unary", Always(small.SerializeAsString())};
  v1::ClusterGetRequest part;
  part.set_name("osd_map");
  part.set_path(absl::StrCat("/osds/", osds * 3 / 4));
  const Call path = {"/outpost.v1.Cluster/Get", Always(part.SerializeAsString())};
  RunBlocking(manager, path, time);  // the first makes the index

  const auto of = [](const std::vector<nlohmann::json>& runs, const char* key) {
    std::vector<double> values;
    values.reserve(runs.size());
    for (const auto& run : runs) values.push_back(run[key]);
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
  };
  const auto each = [](const std::vector<nlohmann::json>& runs, const char* key) {
    auto at = std::make_shared<size_t>(0);
    return [&runs, key, at] { return runs[(*at)++ % runs.size()][key].get<double>(); };
  };
  const std::string at = absl::StrCat(", ", osds, " OSDs");
  std::vector<Row> rows = {
      Absolute("get of an unchanged osd_map, C++" + at, "us", of(cpp, "unchanged_us"), 2),
      Absolute("get of an unchanged osd_map, Python" + at, "us", of(python, "unchanged_us"), 5),
      Compare(
          "first get after a change, C++" + at, "MB/s", rounds,
          [&, next = each(cpp, "first_us")] { return static_cast<double>(bytes) / next(); },
          [&, next = each(cpp, "echo_us")] { return static_cast<double>(bytes) / next(); }, 0.85,
          false),
      Compare("first get after a change, Python (unit: loads alone)" + at, "us", rounds,
              each(python, "first_us"), each(python, "loads_us"), 1.3, true),
  };
  rows.push_back(Compare(
      "get of one OSD by path" + at, "p50 us", rounds,
      [&] { return RunBlocking(manager, path, time).Quantile(0.5); },
      [&] { return RunBlocking(echo.channel, unary, time).Quantile(0.5); }, 2, true));
  return rows;
}

std::vector<Row> FanoutRows(const std::function<std::shared_ptr<grpc::Channel>()>& connect,
                            pid_t pid, absl::Duration time) {
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  channels.reserve(kConnections);
  for (int i = 0; i < kConnections; ++i) channels.push_back(connect());
  const std::shared_ptr<grpc::Channel> operators = connect();
  const double before = ResidentKiB(pid);
  double most = 0;
  int changes = 0;
  const Fanout fanout = MeasureFanout(
      channels, kSubscribers, [] {},
      [&] {
        Run(operators, {"osd", ++changes % 2 == 1 ? "set" : "unset", "noout"});
        if (changes % 100 == 0) most = std::max(most, ResidentKiB(pid));
      },
      kChangesPerSecond, time);
  std::fprintf(stderr,
               "  %d subscribers: %.0f notifications of %.0f changes, worst %.1f ms, "
               "%.0f changes unheard, longest lag of the others %.3f s\n",
               kSubscribers, static_cast<double>(fanout.received),
               static_cast<double>(fanout.changes), fanout.worst_ms,
               static_cast<double>(fanout.unheard), fanout.longest_lag_s);
  return {
      Absolute("1,000 subscribers, 100 changes/s, one never reads: has the newest", "p99 ms",
               fanout.p99_ms, 50),
      Absolute("memory of the manager for a subscriber", "KiB", (most - before) / kSubscribers, 64),
      Absolute("lag of the one that never reads, as the manager tells", "s", fanout.stuck_lag_s,
               absl::ToDoubleSeconds(time) / 2, false),
  };
}

}  // namespace outpost::bench
