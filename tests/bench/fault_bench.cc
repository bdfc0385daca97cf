// fault_bench: what faults of one module do to the commands of another.
//
//     fault_bench [--json FILE] [--seconds S] [--rounds N] [--only WORDS] [--command PREFIX]
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
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "nlohmann/json.hpp"
#include "outpost/table.h"
#include "outpost/v1/commands.grpc.pb.h"
#include "outpost/v1/manager.grpc.pb.h"
#include "tests/bench/attached_session.h"
#include "tests/bench/load.h"
#include "tests/bench/module_costs.h"
#include "tests/bench/rows.h"
#include "tests/bench/servers.h"

namespace outpost::bench {
namespace {

namespace fs = std::filesystem;

constexpr int kModulesAtOnce = 100;
constexpr double kBar = 1.5;

struct Settings {
  std::string json_file;
  double seconds = 1.0;
  int rounds = 5;
  std::string only;
  std::string command = "noop-cpp";
  std::string flood;  // the socket of the manager that this process is to flood
};

// A fault that can be made to last.
struct Fault {
  std::string name;
  std::string held;  // what keeps it from the others
  std::function<void()> begin;
  std::function<void()> end;
  // What is done over and over while nothing is wrong, too: what the fault needs, and is not.
  std::function<void()> always = nullptr;
};

// Does something over and over on a thread of its own, while it is there.
class Beside {
 public:
  explicit Beside(std::function<void()> act)
      : thread_([this, act = std::move(act)] {
          while (!over_) act();
        }) {}
  ~Beside() {
    over_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> over_ = false;
  std::thread thread_;
};

// Runs a command, whatever comes of it.
void Try(const std::shared_ptr<grpc::Channel>& channel, const std::vector<std::string>& words,
         absl::Duration timeout, size_t inbuf = 0) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  v1::CommandsRunRequest request;
  request.mutable_words()->Assign(words.begin(), words.end());
  if (inbuf > 0) {
    request.set_has_inbuf(true);
    request.set_inbuf(std::string(inbuf, 'x'));
  }
  v1::CommandsRunResponse response;
  v1::Commands::NewStub(channel)->Run(&context, request, &response);
}

std::map<std::string, v1::ModuleInfo> Modules(const std::shared_ptr<grpc::Channel>& channel) {
  grpc::ClientContext context;
  v1::ListModulesResponse response;
  const auto status = v1::Manager::NewStub(channel)->ListModules(&context, {}, &response);
  if (!status.ok()) Die(absl::StrCat("ListModules: ", status.error_message()));
  std::map<std::string, v1::ModuleInfo> modules;
  for (auto& module : *response.mutable_modules()) modules[module.name()] = std::move(module);
  return modules;
}

// What its limits are and who keeps them: "cpu-weight 20, cgroup v1".
std::string Limits(const v1::ModuleInfo& module) {
  std::string text;
  for (const auto& measure : module.isolation()) {
    if (measure.name() == "no-new-privileges") continue;
    absl::StrAppend(&text, text.empty() ? "" : "; ", measure.name(), " ", measure.wanted(), ": ",
                    measure.applied() ? measure.how() : "NOT APPLIED");
  }
  return text;
}

bool HasLimit(const v1::ModuleInfo& module, const std::string& name) {
  return std::any_of(module.isolation().begin(), module.isolation().end(),
                     [&](const auto& m) { return m.name() == name && m.applied(); });
}

// The modules that misbehave, and the faults that they have.
class Faults {
 public:
  Faults(const std::shared_ptr<grpc::Channel>& manager, const std::string& socket,
         const std::string& directory)
      : manager_(manager), socket_(socket), directory_(directory) {}

  std::vector<Fault> All() {
    const auto modules = Modules(manager_);
    const std::string limits = Limits(modules.at("breaks"));
    std::vector<Fault> all = {
        {"serve spins in one thread", "a process of its own", Ask({"faulty-cpp", "spin"}),
         Ask({"faulty-cpp", "well"})},
        {"spins with every processor", limits, Ask({"breaks", "spin"}), Restart()},
        {"notify is stuck", "its own subscription", Ask({"faulty-cpp", "deaf"}),
         Ask({"faulty-cpp", "well"}),
         // For it to block on, and to be told of without end. A change costs the simulator and the
         // manager what it costs, whoever hears of it.
         [this] {
           for (const char* change : {"set", "unset"}) {
             Try(manager_, {"osd", change, "noout"}, absl::Seconds(5));
           }
           absl::SleepFor(absl::Milliseconds(20));
         }},
        {"a handler never returns", "deadlines",
         [this] {
           for (int i = 0; i < 4; ++i) {
             RunOnce(manager_, {"faulty-cpp", "hang"}, absl::Milliseconds(20));
           }
         },
         Ask({"faulty-cpp", "well"})},
        {"a handler throws, 100 times a second", "a process of its own",
         [this] {
           Begin([this] {
             Try(manager_, {"breaks", "raise"}, absl::Seconds(5));
             absl::SleepFor(absl::Milliseconds(10));
           });
         },
         [this] { End(); }},
        {"SIGSTOP", "heartbeats",
         [this] {
           Try(manager_, {"breaks", "stop"}, absl::Milliseconds(20));
         },
         Restart()},
    };
    for (const std::string what : {"calls", "logs", "keys"}) {
      all.push_back(
          {absl::StrCat("floods the manager with ", what), limits,
           [this, what] {
             Begin([this, what] { Try(manager_, {"breaks", "flood", what}, absl::Seconds(60)); });
           },
           [this] { End(); }});
    }
    all.push_back({"floods the manager with registrations", "--registrations-per-second",
                   [this] {
                     flooder_ = std::make_unique<Child>(
                         std::vector<std::string>{fs::read_symlink("/proc/self/exe").string(),
                                                  "--flood", socket_},
                         directory_ + "/flood.log");
                   },
                   [this] { flooder_.reset(); }});
    if (HasLimit(modules.at("breaks"), "pids")) {
      all.push_back({"fork bomb", limits, Ask({"breaks", "fork"}), Restart()});
    }
    all.push_back({"killed again and again", "100 starts a second at most",
                   [this] { Enable("dies"); }, [this] { Disable("dies"); }});
    all.push_back({"reads nothing from its stream", "a bounded queue, deadlines",
                   [this] { BeginMute(); },
                   [this] {
                     End();
                     mute_->End();
                     mute_.reset();
                   }});
    all.push_back({absl::StrCat(kModulesAtOnce, " modules start"), "",
                   [this] {
                     for (int i = 0; i < kModulesAtOnce; ++i) Enable(absl::StrCat("m", i));
                   },
                   [this] {
                     // All at once: each takes the whole grace to end.
                     std::vector<std::thread> threads;
                     threads.reserve(kModulesAtOnce);
                     for (int i = 0; i < kModulesAtOnce; ++i) {
                       threads.emplace_back([this, i] { Disable(absl::StrCat("m", i)); });
                     }
                     for (std::thread& thread : threads) thread.join();
                   }});
    return all;
  }

 private:
  std::function<void()> Ask(std::vector<std::string> words) {
    return [this, words = std::move(words)] { RunOnce(manager_, words); };
  }
  std::function<void()> Restart() {
    return [this] {
      RunOnce(manager_, {"module", "restart", "breaks"});
      WaitForModule(manager_, "breaks");
    };
  }
  void Begin(std::function<void()> act) { beside_ = std::make_unique<Beside>(std::move(act)); }
  void End() { beside_.reset(); }

  void Enable(const std::string& name) {
    grpc::ClientContext context;
    v1::EnableModuleRequest request;
    request.set_name(name);
    request.mutable_wait();  // not at all
    v1::EnableModuleResponse response;
    const auto status = v1::Manager::NewStub(manager_)->EnableModule(&context, request, &response);
    if (!status.ok()) Die(absl::StrCat(name, ": ", status.error_message()));
  }
  void Disable(const std::string& name) { RunOnce(manager_, {"module", "disable", name}); }

  void BeginMute() {
    v1::Register registration = Registration("mute");
    registration.set_max_concurrency(64);
    registration.add_commands()->set_signature("mute");
    mute_channel_ = Connect(socket_, 1);
    mute_stub_ = v1::ModuleHost::NewStub(mute_channel_);
    mute_ = std::make_unique<AttachedSession>(mute_stub_.get(), std::move(registration),
                                              AttachedSession::Reads::kUntilItServes);
    if (!mute_->AwaitServe()) Die("the session that reads nothing is refused");
    Begin([this] { Try(manager_, {"mute"}, absl::Milliseconds(10), size_t{64} << 10); });
  }

  const std::shared_ptr<grpc::Channel> manager_;
  const std::string socket_;
  const std::string directory_;
  std::unique_ptr<Beside> beside_;
  std::unique_ptr<Child> flooder_;
  std::shared_ptr<grpc::Channel> mute_channel_;
  std::unique_ptr<v1::ModuleHost::Stub> mute_stub_;
  std::unique_ptr<AttachedSession> mute_;
};

// Registers as fast as it can, until it is killed: under one name, and under many.
[[noreturn]] void Flood(const std::string& socket) {
  const auto channel = Connect(socket);
  const auto stub = v1::ModuleHost::NewStub(channel);
  for (int i = 0;; ++i) {
    v1::Register registration = Registration(i % 2 == 0 ? "flood" : absl::StrCat("flood-", i));
    for (int n = 0; n < 20; ++n) {
      registration.add_commands()->set_signature(absl::StrCat(registration.name(), " ", n));
    }
    AttachedSession session(stub.get(), std::move(registration));
    session.AwaitKey();
    session.End();
  }
}

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

// Modules that are only installed: one that dies, and a hundred that could run at once.
void Install(const fs::path& here, const std::string& path) {
  fs::create_directories(path + "/dies");
  std::ofstream(path + "/dies/module.toml")
      << "argv = [\"/bin/sh\", \"-c\", \"kill -9 $$\"]\n[process]\nfirst-backoff = 0.01\n"
         "max-backoff = 0.01\nstart-limit = 0\n";
  const std::string program = (here / "tests/integration/modules/faulty_cpp/faulty_cpp").string();
  for (int i = 0; i < kModulesAtOnce; ++i) {
    const std::string name = absl::StrCat("m", i);
    fs::create_directories(absl::StrCat(path, "/", name));
    std::ofstream(absl::StrCat(path, "/", name, "/module.toml"))
        << "argv = [\"" << program << "\"]\n[environment]\nFAULTY_PREFIX = \"" << name << "\"\n";
  }
}

int Main(const Settings& settings) {
  if (!settings.flood.empty()) Flood(settings.flood);
  char pattern[] = "/tmp/outpost-bench-XXXXXX";
  const std::string directory = mkdtemp(pattern);
  const fs::path here = fs::current_path();
  Install(here, directory + "/modules");
  nlohmann::json json = nlohmann::json::array();
  bool all_hold = true;
  {
    const Manager manager(here, directory + "/a", directory + "/a/data",
                          {"--module-path",     (here / "tests/bench/modules").string(),
                           "--module-path",     (here / "tests/integration/modules").string(),
                           "--module-path",     directory + "/modules",
                           "--initial-modules", "noop_cpp,noop_py,breaks,faulty_cpp",
                           "--python-path",     (here / "sdk/python").string(),
                           "--shutdown-grace",  "0.5",
                           "--log-level",       "warning",
                           "--module-setting",  "*.drain-timeout=0.2",
                           "--module-setting",  "breaks.cpu-weight=20",
                           "--module-setting",  "breaks.pids=64"});
    for (const char* prefix : {"noop-cpp", "noop-py", "breaks", "faulty-cpp"}) {
      WaitForModule(manager.channel(), prefix);
    }
    Faults faults(manager.channel(), manager.socket(), directory);
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
  app.add_option("--flood", settings.flood)->group("");  // what the bench starts beside itself
  CLI11_PARSE(app, argc, argv);
  return outpost::bench::Main(settings);
}
