// fault_bench: what faults of one module do to the commands of another.
//
//     fault_bench [--json FILE] [--seconds S] [--rounds N] [--only WORDS] [--command PREFIX]
//                 [--flag FLAG]
//
// Starts an outpostd with a module that does nothing, whose command is run over and over,
// and modules that break in the way that they are told to. For each fault, windows in which
// it is there and windows in which nothing is wrong follow each other; the ratios are those of
// the 50th and 99th percentiles of all windows of either kind. Then
// what it costs that a module registers, what one costs that is only there, and how soon one
// serves. Exits with 1 where a row misses its bar.
#include <grpcpp/grpcpp.h>
#include <stdlib.h>

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
#include "tests/bench/fault.h"
#include "tests/bench/load.h"
#include "tests/bench/module_costs.h"
#include "tests/bench/module_faults.h"
#include "tests/bench/namespaces.h"
#include "tests/bench/peer_faults.h"
#include "tests/bench/rows.h"
#include "tests/bench/servers.h"

namespace outpost::bench {
namespace {

namespace fs = std::filesystem;

constexpr double kBar = 1.5;
constexpr double kNear = 0.15;  // of the bar
constexpr int kLonger = 3;      // times as many windows, at most

struct Settings {
  std::string json_file;
  double seconds = 1.0;
  int rounds = 7;
  std::string only;
  std::string command = "noop-cpp";
  std::vector<std::string> flags;  // more of outpostd
  Flood flood;                     // with a `what`: this process does that, and nothing else
};

struct FaultRow {
  std::string name;
  std::string held;
  double idle_p50 = 0, idle_p99 = 0, fault_p50 = 0, fault_p99 = 0;  // microseconds
  double ratio_p50() const { return fault_p50 / idle_p50; }
  double ratio_p99() const { return fault_p99 / idle_p99; }
  double times = 0;  // in a window; 0: it is not counted
  int rounds = 0;
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// What calls took in all windows of a kind.
class Windows {
 public:
  void Add(Timing window) {
    all_.seconds.insert(all_.seconds.end(), window.seconds.begin(), window.seconds.end());
    sorted_ = false;
  }
  double Quantile(double q) {
    if (!sorted_) std::sort(all_.seconds.begin(), all_.seconds.end());
    sorted_ = true;
    return all_.Quantile(q);
  }

 private:
  Timing all_;
  bool sorted_ = false;
};

// Windows with a fault, and as much time without it: with and without in turn, for the machine is
// not always as fast.
class Pairs {
 public:
  Pairs(const Fault& fault, std::function<Timing()> window)
      : fault_(fault), window_(std::move(window)) {}

  void Measure() {
    idle_.Add(window_());
    fault_.begin();
    const uint64_t before = fault_.times ? fault_.times() : 0;
    int windows = 0;
    do {
      broken_.Add(window_());
      ++windows;
    } while (fault_.over && !fault_.over());
    times_.push_back(fault_.times ? static_cast<double>(fault_.times() - before) : 0);
    if (fault_.times && times_.back() == 0) Die(absl::StrCat(fault_.name, ": it did not happen"));
    fault_.end();
    while (--windows > 0) idle_.Add(window_());
  }

  FaultRow Row() {
    FaultRow row = {.name = fault_.name, .held = fault_.held};
    row.idle_p50 = idle_.Quantile(0.5);
    row.idle_p99 = idle_.Quantile(0.99);
    row.fault_p50 = broken_.Quantile(0.5);
    row.fault_p99 = broken_.Quantile(0.99);
    row.times = Median(times_);
    row.rounds = static_cast<int>(times_.size());
    return row;
  }

 private:
  const Fault& fault_;
  const std::function<Timing()> window_;
  Windows idle_, broken_;
  std::vector<double> times_;
};

// So near to the bar, on either side, that another run may be on the other.
bool IsNear(const FaultRow& row) {
  return row.ratio_p99() > kBar * (1 - kNear) && row.ratio_p99() < kBar * (1 + kNear);
}

FaultRow Measure(const Settings& settings, const std::shared_ptr<grpc::Channel>& client,
                 const Fault& fault) {
  const Call call = {"/outpost.v1.Commands/Run", Always(Command(settings.command))};
  const auto window = [&] {
    return RunBlocking(fault.client ? fault.client() : client, call,
                       absl::Seconds(settings.seconds));
  };
  if (fault.before) fault.before();
  if (fault.client) window();  // the first of a manager is that of caches
  FaultRow row;
  {
    std::optional<Beside> always;
    if (fault.always) always.emplace(fault.always);
    const int rounds = std::max(1, static_cast<int>(settings.rounds * fault.rounds));
    Pairs pairs(fault, window);
    // Near the bar for longer, and all of it counts.
    do {
      for (int round = 0; round < rounds; ++round) pairs.Measure();
      row = pairs.Row();
    } while (IsNear(row) && row.rounds < kLonger * rounds);
  }
  if (fault.after) fault.after();
  // At once: a row that can't be measured ends the bench.
  std::fprintf(stderr, "  %s: p99 %.0f us, %.2f times that without it, %d rounds%s\n",
               fault.name.c_str(), row.fault_p99, row.ratio_p99(), row.rounds,
               fault.times ? absl::StrCat(" (", row.times, " times in a window)").c_str() : "");
  return row;
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
    const bool holds = row.ratio_p99() <= kBar;
    all_hold &= holds;
    table.AddRow({row.name, us(row.idle_p50), us(row.fault_p50),
                  absl::StrFormat("%.2f", row.ratio_p50()), us(row.idle_p99), us(row.fault_p99),
                  absl::StrFormat("%.2f", row.ratio_p99()), holds ? "holds" : "MISSED", row.held});
    json.push_back({{"fault", row.name},
                    {"held", row.held},
                    {"p50_idle_us", row.idle_p50},
                    {"p50_us", row.fault_p50},
                    {"p99_idle_us", row.idle_p99},
                    {"p99_us", row.fault_p99},
                    {"ratio_p50", row.ratio_p50()},
                    {"ratio_p99", row.ratio_p99()},
                    {"times", row.times},
                    {"rounds", row.rounds},
                    {"bar", kBar},
                    {"holds", holds}});
  }
  std::printf("%s\n", table.Print().c_str());
  return all_hold;
}

// The rows of all faults whose names have the words that were asked for.
std::vector<FaultRow> MeasureAll(const Settings& settings, const std::string& directory,
                                 bool apart) {
  const fs::path here = fs::current_path();
  Scene scene;
  scene.here = here;
  scene.directory = directory;
  scene.watched = settings.command;
  scene.apart = apart;
  scene.flags = {"--module-path",     (here / "tests/bench/modules").string(),
                 "--module-path",     (here / "tests/integration/modules").string(),
                 "--module-path",     directory + "/modules",
                 "--initial-modules", "noop_cpp,noop_py,breaks,faulty_cpp",
                 "--python-path",     (here / "sdk/python").string(),
                 "--shutdown-grace",  "0.5",
                 "--log-level",       "warning",
                 "--module-setting",  "*.drain-timeout=0.2"};
  for (const auto& more : {SettingsOfBreaks(), settings.flags}) {
    scene.flags.insert(scene.flags.end(), more.begin(), more.end());
  }
  std::vector<std::string> flags = scene.flags;
  for (const std::string& flag : FlagsForUsers()) flags.push_back(flag);
  if (apart) {
    MakeCertificates(directory + "/tls");
    flags.insert(flags.end(), {"--listen-tls", absl::StrCat("0.0.0.0:", kTlsPort), "--tls-dir",
                               directory + "/tls/manager"});
  }
  const Manager manager(here, directory + "/a", directory + "/a/data", flags);
  scene.manager = manager.channel();
  scene.socket = manager.socket();
  for (const char* prefix : {"noop-cpp", "noop-py", "breaks", "faulty-cpp"}) {
    WaitForModule(manager.channel(), prefix);
  }
  RunOnce(manager.channel(), {"auth", "add", "user/alice", "mgr", "allow r"});
  // The clock of the one who is watched runs on a connection of its own.
  const auto client = Connect(manager.socket(), 2);
  RunBlocking(client, {"/outpost.v1.Commands/Run", Always(Command(settings.command))},
              absl::Seconds(settings.seconds));
  std::vector<FaultRow> rows;
  for (const auto& faults : {ModuleFaults, PeerFaults, NetworkFaults, ManagerFaults}) {
    for (const Fault& fault : faults(scene)) {
      if (absl::StrContains(fault.name, settings.only)) {
        rows.push_back(Measure(settings, client, fault));
      }
    }
  }
  return rows;
}

int Main(const Settings& settings, const std::string& directory, bool apart) {
  InstallModules(directory + "/modules");
  nlohmann::json json = nlohmann::json::array();
  bool all_hold = true;
  const std::vector<FaultRow> rows = MeasureAll(settings, directory, apart);
  if (!rows.empty()) all_hold &= ReportFaults(rows, json);
  if (settings.only.empty() || absl::StrContains("modules", settings.only)) {
    const std::vector<Row> costs = ModuleCosts(fs::current_path(), directory, settings.rounds);
    all_hold &= Report(costs, "");
    for (const Row& row : costs) json.push_back(ToJson(row));
  }
  if (!settings.json_file.empty()) std::ofstream(settings.json_file) << json.dump(2) << "\n";
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
  app.add_option("--flood", settings.flood.what)->group("");
  app.add_option("--address", settings.flood.address)->group("");
  app.add_option("--times", settings.flood.times)->group("");
  app.add_option("--tls", settings.flood.tls)->group("");
  app.add_option("--expected", settings.flood.expected)->group("");
  app.add_option("--user", settings.flood.user)->group("");
  CLI11_PARSE(app, argc, argv);
  if (!settings.flood.what.empty()) outpost::bench::Do(settings.flood);
  char pattern[] = "/tmp/outpost-bench-XXXXXX";
  const std::string directory = mkdtemp(pattern);
  // Other users reach the socket in it.
  std::filesystem::permissions(directory, std::filesystem::perms(0711));
  const int status = outpost::bench::RunApart(
      [&](bool apart) { return outpost::bench::Main(settings, directory, apart); });
  std::filesystem::remove_all(directory);
  return status;
}
