// fault_bench: what faults of one module do to the commands of another.
//
//     fault_bench [--json FILE] [--seconds S] [--rounds N] [--only WORDS] [--command PREFIX]
//                 [--flag FLAG]
//
// Starts an outpostd with a module that does nothing, whose command is run over and over,
// and modules that break in the way that they are told to. For each fault, windows in which
// it is there and windows in which nothing is wrong follow each other; the ratios are those
// of the 50th and 99th percentiles of neighbouring windows, the median of all rounds. Then
// what it costs that a module registers, what one costs that is only there, and how soon one
// serves. Exits with 1 where a row misses its bar.
#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "nlohmann/json.hpp"
#include "outpost/table.h"
#include "tests/bench/faults.h"
#include "tests/bench/load.h"
#include "tests/bench/module_costs.h"
#include "tests/bench/rows.h"
#include "tests/bench/servers.h"

namespace outpost::bench {
namespace {

namespace fs = std::filesystem;

constexpr double kBar = 1.5;

struct Settings {
  std::string json_file;
  double seconds = 1.0;
  int rounds = 5;
  std::string only;
  std::string command = "noop-cpp";
  std::vector<std::string> flags;  // more of outpostd
  std::string flood;               // what of: this process floods a manager
  std::string socket;              // of that
};

struct FaultRow {
  std::string name;
  std::string held;
  double idle_p50 = 0, idle_p99 = 0, fault_p50 = 0, fault_p99 = 0;  // microseconds
  double ratio_p50 = 0, ratio_p99 = 0;
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

FaultRow Measure(const Settings& settings, const std::shared_ptr<grpc::Channel>& client,
                 const Fault& fault) {
  const Call call = {"/outpost.v1.Commands/Run", Always(Command(settings.command))};
  const auto window = [&] { return RunBlocking(client, call, absl::Seconds(settings.seconds)); };
  std::optional<Beside> always;
  if (fault.always) always.emplace(fault.always);
  std::vector<double> idle50, idle99, fault50, fault99, ratio50, ratio99;
  for (int round = 0; round < settings.rounds; ++round) {
    const Timing idle = window();
    fault.begin();
    const Timing broken = window();
    fault.end();
    idle50.push_back(idle.Quantile(0.5));
    idle99.push_back(idle.Quantile(0.99));
    fault50.push_back(broken.Quantile(0.5));
    fault99.push_back(broken.Quantile(0.99));
    ratio50.push_back(fault50.back() / idle50.back());
    ratio99.push_back(fault99.back() / idle99.back());
  }
  std::fprintf(stderr, "  %s\n", fault.name.c_str());
  return {fault.name,
          fault.held,
          Median(std::move(idle50)),
          Median(std::move(idle99)),
          Median(std::move(fault50)),
          Median(std::move(fault99)),
          Median(std::move(ratio50)),
          Median(std::move(ratio99))};
}

bool ReportFaults(const std::vector<FaultRow>& rows, nlohmann::json& json) {
  using Align = Table::Align;
  Table table({{"ANOTHER MODULE"},
               {"P50 IDLE", Align::kRight},
               {"P50", Align::kRight},
               {"RATIO", Align::kRight},
               {"P99 IDLE", Align::kRight},
               {"P99", Align::kRight},
               {"RATIO", Align::kRight},
               {""},
               {"HELD BY"}});
  const auto us = [](double value) { return absl::StrFormat("%.0f us", value); };
  bool all_hold = true;
  for (const FaultRow& row : rows) {
    const bool holds = row.ratio_p99 <= kBar;
    all_hold &= holds;
    table.AddRow({row.name, us(row.idle_p50), us(row.fault_p50),
                  absl::StrFormat("%.2f", row.ratio_p50), us(row.idle_p99), us(row.fault_p99),
                  absl::StrFormat("%.2f", row.ratio_p99), holds ? "holds" : "MISSED", row.held});
    json.push_back({{"fault", row.name},
                    {"held", row.held},
                    {"p50_idle_us", row.idle_p50},
                    {"p50_us", row.fault_p50},
                    {"p99_idle_us", row.idle_p99},
                    {"p99_us", row.fault_p99},
                    {"ratio_p50", row.ratio_p50},
                    {"ratio_p99", row.ratio_p99},
                    {"bar", kBar},
                    {"holds", holds}});
  }
  std::printf("%s\n", table.Print().c_str());
  return all_hold;
}

int Main(const Settings& settings) {
  if (!settings.flood.empty()) Flood(settings.socket, settings.flood);
  char pattern[] = "/tmp/outpost-bench-XXXXXX";
  const std::string directory = mkdtemp(pattern);
  const fs::path here = fs::current_path();
  InstallFaults(directory + "/modules");
  nlohmann::json json = nlohmann::json::array();
  bool all_hold = true;
  {
    const std::unique_ptr<SmallDisk> disk = SmallDisk::Mount(directory + "/disk");
    std::vector<std::string> flags = {
        "--module-path",     (here / "tests/bench/modules").string(),
        "--module-path",     (here / "tests/integration/modules").string(),
        "--module-path",     directory + "/modules",
        "--initial-modules", "noop_cpp,noop_py,breaks,faulty_cpp",
        "--python-path",     (here / "sdk/python").string(),
        "--shutdown-grace",  "0.5",
        "--log-level",       "warning",
        "--module-setting",  "*.drain-timeout=0.2",
        "--module-setting",  "breaks.cpu-weight=idle",
        "--module-setting",  "breaks.pids=64",
        "--module-setting",  "breaks.memory=128M",
        "--module-setting",  absl::StrCat("breaks.calls-per-second=", kCallsPerSecond)};
    flags.insert(flags.end(), settings.flags.begin(), settings.flags.end());
    const Manager manager(here, directory + "/a",
                          disk == nullptr ? directory + "/a/data" : directory + "/disk", flags);
    for (const char* prefix : {"noop-cpp", "noop-py", "breaks", "faulty-cpp"}) {
      WaitForModule(manager.channel(), prefix);
    }
    Faults faults(manager.channel(), manager.socket(), directory, disk.get());
    // The clock of the one who is watched runs on a connection of its own.
    const auto client = Connect(manager.socket(), 2);
    RunBlocking(client, {"/outpost.v1.Commands/Run", Always(Command(settings.command))},
                absl::Seconds(settings.seconds));
    std::vector<FaultRow> rows;
    for (const Fault& fault : faults.All()) {
      if (absl::StrContains(fault.name, settings.only)) {
        rows.push_back(Measure(settings, client, fault));
      }
    }
    if (!rows.empty()) all_hold &= ReportFaults(rows, json);
  }
  if (settings.only.empty() || absl::StrContains("modules", settings.only)) {
    const std::vector<Row> rows = ModuleCosts(here, directory, settings.rounds);
    all_hold &= Report(rows, "");
    for (const Row& row : rows) json.push_back(ToJson(row));
  }
  if (!settings.json_file.empty()) std::ofstream(settings.json_file) << json.dump(2) << "\n";
  fs::remove_all(directory);
  return all_hold ? 0 : 1;
}

}  // namespace
}  // namespace outpost::bench

// What fails ends it, also by an exception. NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) {
  // What starts is to find its bytecode, as it does where it is installed.
  unsetenv("PYTHONDONTWRITEBYTECODE");
  // As outpostd and modules do.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  outpost::bench::Settings settings;
  CLI::App app("what faults of one module do to the commands of another", "fault_bench");
  app.add_option("--json", settings.json_file, "also write the rows to this file, as JSON");
  app.add_option("--seconds", settings.seconds, "of each window")->capture_default_str();
  app.add_option("--rounds", settings.rounds, "of each row")->capture_default_str();
  app.add_option("--only", settings.only, "only faults whose names have these words");
  app.add_option("--command", settings.command, "the command that is watched: noop-cpp, noop-py")
      ->capture_default_str();
  app.add_option(
      "--flag", settings.flags,
      "another flag of outpostd: --flag=--module-setting=breaks.pids=9; may be repeated");
  // What the bench starts beside itself.
  app.add_option("--flood", settings.flood)->group("");
  app.add_option("--socket", settings.socket)->group("");
  CLI11_PARSE(app, argc, argv);
  return outpost::bench::Main(settings);
}
