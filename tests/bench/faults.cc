#include "tests/bench/faults.h"

#include <grpcpp/grpcpp.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "outpost/v1/commands.grpc.pb.h"
#include "outpost/v1/manager.grpc.pb.h"
#include "tests/bench/attached_session.h"
#include "tests/bench/load.h"
#include "tests/bench/module_costs.h"
#include "tests/bench/servers.h"

namespace outpost::bench {
namespace {

namespace fs = std::filesystem;

constexpr int kModulesAtOnce = 100;

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

std::map<std::string, v1::ModuleInfo> InfoOf(const std::shared_ptr<grpc::Channel>& channel) {
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

}  // namespace

std::unique_ptr<SmallDisk> SmallDisk::Mount(const std::string& path) {
  fs::create_directories(path);
  if (mount("outpost-bench", path.c_str(), "tmpfs", 0, "size=64m,mode=0700") != 0) return nullptr;
  return std::unique_ptr<SmallDisk>(new SmallDisk(path));
}

SmallDisk::~SmallDisk() { umount2(path_.c_str(), MNT_DETACH); }

void SmallDisk::Fill() const {
  std::ofstream file(Filler(), std::ios::binary);
  const std::string page(4096, 'x');
  while (file.write(page.data(), static_cast<std::streamsize>(page.size())) && file.flush()) {
  }
}

void SmallDisk::Free() const { fs::remove(Filler()); }

class Faults::Modules {
 public:
  // `disk`: of the manager's store; null: it can't be filled.
  Modules(const std::shared_ptr<grpc::Channel>& manager, const std::string& socket,
          const std::string& directory, SmallDisk* disk)
      : manager_(manager), socket_(socket), directory_(directory), disk_(disk) {}

  std::vector<Fault> All() {
    const auto modules = InfoOf(manager_);
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
    const std::string held =
        absl::StrCat("calls-per-second ", kCallsPerSecond, "; log-lines-per-second; ", limits);
    for (const std::string what : {"calls", "logs", "keys"}) {
      all.push_back(
          {absl::StrCat("floods the manager with ", what), held,
           [this, what] {
             Begin([this, what] { Try(manager_, {"breaks", "flood", what}, absl::Seconds(60)); });
           },
           [this] { End(); }});
    }
    all.push_back(ByAnother("registrations", "floods the manager with registrations",
                            "--registrations-per-second"));
    all.push_back(ByAnother("tokens", "attaches with a token that is not its own",
                            "a refusal that comes after a second"));
    all.push_back(ByAnother("sessions", "calls with the key of no session",
                            "a refusal counts as fifty calls, of 5,000 a second"));
    if (HasLimit(modules.at("breaks"), "pids")) {
      all.push_back({"fork bomb", limits, Ask({"breaks", "fork"}), Restart()});
    }
    if (HasLimit(modules.at("breaks"), "memory")) {
      all.push_back(
          {"comes over its memory limit, over and over", limits,
           [this] {
             Begin([this] { Try(manager_, {"breaks", "eat", "1024"}, absl::Seconds(5)); });
           },
           [this] {
             End();
             Restart()();
           }});
    }
    if (disk_ != nullptr) {
      all.push_back({"the disk is full, 100 writes a second", "they are refused",
                     [this] {
                       disk_->Fill();
                       Begin([this] {
                         Try(manager_,
                             {"config-key", "set", "mgr/breaks/no-place", std::string(60'000, 'x')},
                             absl::Seconds(5));
                         absl::SleepFor(absl::Milliseconds(10));
                       });
                     },
                     [this] {
                       End();
                       disk_->Free();
                       AwaitWrites();
                     }});
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
  // What another process does as fast as it can; see Flood.
  Fault ByAnother(const std::string& what, const std::string& name, const std::string& held) {
    return {name, held,
            [this, what] {
              flooder_ = std::make_unique<Child>(
                  std::vector<std::string>{fs::read_symlink("/proc/self/exe").string(), "--flood",
                                           what, "--socket", socket_},
                  directory_ + "/flood.log");
            },
            [this] { flooder_.reset(); }};
  }
  // Until the manager has found out that there is place again.
  void AwaitWrites() {
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    v1::CommandsRunRequest request;
    for (const char* word : {"config-key", "set", "mgr/breaks/place", "x"}) request.add_words(word);
    while (absl::Now() < deadline) {
      grpc::ClientContext context;
      v1::CommandsRunResponse response;
      if (v1::Commands::NewStub(manager_)->Run(&context, request, &response).ok() &&
          response.result().retval() == 0) {
        return;
      }
      absl::SleepFor(absl::Milliseconds(20));
    }
    Die("the manager does not write again");
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
  SmallDisk* const disk_;
  std::unique_ptr<Beside> beside_;
  std::unique_ptr<Child> flooder_;
  std::shared_ptr<grpc::Channel> mute_channel_;
  std::unique_ptr<v1::ModuleHost::Stub> mute_stub_;
  std::unique_ptr<AttachedSession> mute_;
};

Faults::Faults(std::shared_ptr<grpc::Channel> manager, std::string socket, std::string directory,
               SmallDisk* disk)
    : modules_(std::make_unique<Modules>(std::move(manager), std::move(socket),
                                         std::move(directory), disk)) {}

Faults::~Faults() = default;

std::vector<Fault> Faults::All() { return modules_->All(); }

void Flood(const std::string& socket, const std::string& what) {
  const auto channel = Connect(socket);
  const auto stub = v1::ModuleHost::NewStub(channel);
  for (int i = 0;; ++i) {
    if (what == "sessions") {
      grpc::ClientContext context;
      context.AddMetadata("outpost-session", "of nobody");
      v1::ListModulesResponse response;
      v1::Manager::NewStub(channel)->ListModules(&context, {}, &response);
      continue;
    }
    v1::Register registration = Registration(i % 2 == 0 ? "flood" : absl::StrCat("flood-", i));
    if (what == "tokens") registration.set_token("of another");
    for (int n = 0; n < 20; ++n) {
      registration.add_commands()->set_signature(absl::StrCat(registration.name(), " ", n));
    }
    AttachedSession session(stub.get(), std::move(registration));
    session.AwaitKey();
    session.End();
  }
}

// One that dies, and a hundred that could run at once.
void InstallFaults(const std::string& path) {
  fs::create_directories(path + "/dies");
  std::ofstream(path + "/dies/module.toml")
      << "argv = [\"/bin/sh\", \"-c\", \"kill -9 $$\"]\n[process]\nfirst-backoff = 0.01\n"
         "max-backoff = 0.01\nstart-limit = 0\n";
  const std::string program =
      (fs::current_path() / "tests/integration/modules/faulty_cpp/faulty_cpp").string();
  for (int i = 0; i < kModulesAtOnce; ++i) {
    const std::string name = absl::StrCat("m", i);
    fs::create_directories(absl::StrCat(path, "/", name));
    std::ofstream(absl::StrCat(path, "/", name, "/module.toml"))
        << "argv = [\"" << program << "\"]\n[environment]\nFAULTY_PREFIX = \"" << name << "\"\n";
  }
}

}  // namespace outpost::bench
