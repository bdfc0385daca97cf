#include "tests/bench/module_faults.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <memory>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "outpost/v1/manager.grpc.pb.h"
#include "tests/bench/attached_session.h"
#include "tests/bench/fault.h"
#include "tests/bench/servers.h"

namespace outpost::bench {
namespace {

namespace fs = std::filesystem;

constexpr int kModulesAtOnce = 100;
// How often the module `breaks` may call.
constexpr int kCallsPerSecond = 300;
// Between tries of what is done a hundred times a second.
constexpr absl::Duration kPace = absl::Milliseconds(10);

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

// Makes faults of one scene's manager.
class Maker {
 public:
  explicit Maker(const Scene& scene) : scene_(scene) {}

  Fault Lasting(std::string name, std::string held, std::vector<std::string> words,
                std::function<void()> end) const {
    Fault fault;
    fault.name = std::move(name);
    fault.held = std::move(held);
    fault.begin = Ask(std::move(words));
    fault.end = std::move(end);
    return fault;
  }
  // A command of `breaks` that ends its process, again and again; who runs it waits for as long as
  // `patience`.
  Fault Ends(std::string name, std::string held, std::vector<std::string> words,
             absl::Duration patience) const {
    Fault fault = Repeated(std::move(name), std::move(held),
                           [manager = scene_.manager, words = std::move(words), patience] {
                             Paced(kPace, [&] { Try(manager, words, patience); });
                             return false;
                           });
    fault.end = [manager = scene_.manager, stop = std::move(fault.end)] {
      stop();
      StartAgain(manager);
    };
    fault.times = Failures("breaks");
    return fault;
  }
  // A command of `breaks` that is run a hundred times a second, as another one of it is while
  // nothing is wrong. It happens when that returns `expected`.
  Fault Asked(std::string name, std::string held, std::vector<std::string> words, int expected,
              absl::Duration patience = absl::Seconds(5)) const {
    struct State {
      std::atomic<bool> bad = false;
      std::atomic<uint64_t> times = 0;
    };
    const auto state = std::make_shared<State>();
    Fault fault;
    fault.name = std::move(name);
    fault.held = std::move(held);
    fault.always = [manager = scene_.manager, state, words = std::move(words), expected, patience] {
      Paced(kPace, [&] {
        const bool bad = state->bad;
        const auto result =
            Try(manager, bad ? words : std::vector<std::string>{"breaks"}, patience);
        if (bad && result == expected) ++state->times;
      });
    };
    fault.begin = [state] { state->bad = true; };
    fault.end = [state] { state->bad = false; };
    fault.times = [state] { return state->times.load(); };
    return fault;
  }
  // The same with a command that ends its process.
  Fault AskedToEnd(std::string name, std::string held, std::vector<std::string> words) const {
    Fault fault = Asked(std::move(name), std::move(held), std::move(words), 0, kPace);
    fault.end = [manager = scene_.manager, stop = std::move(fault.end)] {
      stop();
      StartAgain(manager);
    };
    fault.times = Failures("breaks");
    fault.rounds = 2;  // a window has but two or three of it
    return fault;
  }
  // A module that is enabled while the fault lasts.
  Fault Enabled(std::string name, std::string held, const std::string& module) const {
    return {.name = std::move(name),
            .held = std::move(held),
            .begin = [manager = scene_.manager, module] { Enable(manager, module); },
            .end = Ask({"module", "disable", module}),
            .times = Failures(module)};
  }
  std::function<void()> Ask(std::vector<std::string> words) const {
    return [manager = scene_.manager, words = std::move(words)] { RunOnce(manager, words); };
  }
  std::function<void()> Again() const {
    return [manager = scene_.manager] { StartAgain(manager); };
  }
  // A new process of `breaks`, whose failures before do not count any more.
  static void StartAgain(const std::shared_ptr<grpc::Channel>& manager) {
    RunOnce(manager, {"module", "disable", "breaks"});
    Enable(manager, "breaks");
    WaitForModule(manager, "breaks");
  }
  std::function<uint64_t()> Failures(const std::string& module) const {
    return [manager = scene_.manager, module] { return InfoOf(manager)[module].failures(); };
  }
  static void Enable(const std::shared_ptr<grpc::Channel>& manager, const std::string& name) {
    grpc::ClientContext context;
    v1::EnableModuleRequest request;
    request.set_name(name);
    request.mutable_wait();  // not at all
    v1::EnableModuleResponse response;
    const auto status = v1::Manager::NewStub(manager)->EnableModule(&context, request, &response);
    if (!status.ok()) Die(absl::StrCat(name, ": ", status.error_message()));
  }

 private:
  const Scene& scene_;
};

// A session that reads nothing. While nothing is wrong, the same commands go to a module that
// reads and answers.
Fault Mute(const Scene& scene) {
  struct State {
    std::shared_ptr<grpc::Channel> channel;
    std::unique_ptr<v1::ModuleHost::Stub> stub;
    std::unique_ptr<AttachedSession> session;
    std::atomic<bool> attached = false;
    std::atomic<uint64_t> times = 0;
  };
  auto state = std::make_shared<State>();
  return {.name = "reads nothing from its stream",
          .held = "a bounded queue, deadlines",
          .begin =
              [state, &scene] {
                v1::Register registration = Registration("mute");
                registration.set_max_concurrency(64);
                registration.add_commands()->set_signature("mute");
                state->channel = Connect(scene.socket, 1);
                state->stub = v1::ModuleHost::NewStub(state->channel);
                state->session =
                    std::make_unique<AttachedSession>(state->stub.get(), std::move(registration),
                                                      AttachedSession::Reads::kUntilItServes);
                if (!state->session->AwaitServe()) Die("the session that reads nothing is refused");
                state->attached = true;
              },
          .end =
              [state] {
                state->attached = false;
                state->session->End();
                state->session.reset();
              },
          .always =
              [state, &scene] {
                Paced(kPace, [&] {
                  const bool mute = state->attached;
                  const auto result =
                      Try(scene.manager, {mute ? "mute" : "faulty-cpp"}, kPace, size_t{64} << 10);
                  if (mute && !result) ++state->times;
                });
              },
          .times = [state] { return state->times.load(); }};
}

// They start one after the other (outpostd --starts-per-second): what is measured is all of that.
Fault ManyStart(const Scene& scene) {
  const auto running = [&scene] {
    const auto modules = InfoOf(scene.manager);
    return static_cast<uint64_t>(std::count_if(modules.begin(), modules.end(), [](const auto& m) {
      return m.first.starts_with("m") && m.second.state() == v1::MODULE_STATE_RUNNING;
    }));
  };
  const auto enabling = std::make_shared<std::thread>();
  return {.name = absl::StrCat(kModulesAtOnce, " modules are enabled at once, until all run"),
          .held = "2 starts a second for each processor",
          .begin =
              [&scene, enabling] {
                *enabling = std::thread([&scene] {
                  for (int i = 0; i < kModulesAtOnce; ++i) {
                    Maker::Enable(scene.manager, absl::StrCat("m", i));
                  }
                });
              },
          .end =
              [&scene, enabling] {
                enabling->join();
                // All at once: each takes the whole grace to end.
                std::vector<std::thread> threads;
                threads.reserve(kModulesAtOnce);
                for (int i = 0; i < kModulesAtOnce; ++i) {
                  threads.emplace_back([&scene, i] {
                    RunOnce(scene.manager, {"module", "disable", absl::StrCat("m", i)});
                  });
                }
                for (std::thread& thread : threads) thread.join();
              },
          .times = running,
          .over = [running] { return running() == kModulesAtOnce; },
          .rounds = 0.3};
}

void Install(const std::string& path, const std::string& name, const std::string& manifest) {
  fs::create_directories(absl::StrCat(path, "/", name));
  std::ofstream(absl::StrCat(path, "/", name, "/module.toml")) << manifest;
}

}  // namespace

std::vector<Fault> ModuleFaults(const Scene& scene) {
  const Maker make(scene);
  const auto& manager = scene.manager;
  const v1::ModuleInfo breaks = InfoOf(manager).at("breaks");
  const std::string limits = Limits(breaks);
  const char backoff[] = "backoff";
  const char own_process[] = "a process of its own";
  std::vector<Fault> all = {
      make.AskedToEnd("segfaults as soon as it is asked for something", backoff,
                      {"breaks", "segfault"}),
      make.AskedToEnd("aborts as soon as it is asked for something", backoff, {"breaks", "abort"}),
      make.Enabled("can't be executed", backoff, "gone"),
      make.Enabled("ends as it is imported", backoff, "early"),
      make.Enabled("killed as soon as it runs", backoff, "shot"),
      make.Enabled("killed as soon as it runs (first-backoff 0.01, start-limit 0)",
                   "2 starts a second for each processor", "dies"),
      make.Asked("leaks file descriptors", limits, {"breaks", "leak"}, -EMFILE),
      make.Lasting("serve spins in one thread", own_process, {"faulty-cpp", "spin"},
                   make.Ask({"faulty-cpp", "well"})),
      make.Lasting("spins with every processor", limits, {"breaks", "spin"}, make.Again()),
      make.Lasting("notify is stuck", "its own subscription", {"faulty-cpp", "deaf"},
                   make.Ask({"faulty-cpp", "well"}))};
  // For it to block on, and to be told of without end. A change costs the simulator and the
  // manager what it costs, whoever hears of it.
  all.back().always = [manager] {
    for (const char* change : {"set", "unset"}) {
      Try(manager, {"osd", change, "noout"}, absl::Seconds(5));
    }
    absl::SleepFor(absl::Milliseconds(20));
  };
  all.push_back({.name = "a handler never returns",
                 .held = "deadlines",
                 .begin =
                     [manager] {
                       for (int i = 0; i < 4; ++i) {
                         RunOnce(manager, {"faulty-cpp", "hang"}, absl::Milliseconds(20));
                       }
                     },
                 .end = make.Ask({"faulty-cpp", "well"})});
  all.push_back(make.Asked("a handler throws, 100 times a second", own_process, {"breaks", "raise"},
                           -EINVAL));
  all.push_back({.name = "SIGSTOP",
                 .held = "heartbeats",
                 .begin =
                     [manager] {
                       Try(manager, {"breaks", "stop"}, absl::Milliseconds(20));
                     },
                 .end = make.Again()});
  for (const std::string what : {"calls", "logs", "keys"}) {
    Fault flood = Repeated(
        absl::StrCat("floods the manager with ", what),
        absl::StrCat("calls-per-second ", kCallsPerSecond, "; log-lines-per-second; ", limits),
        [manager, what] {
          Try(manager, {"breaks", "flood", what}, absl::Seconds(60));
          return false;
        });
    flood.times = nullptr;  // one takes longer than a window
    all.push_back(std::move(flood));
  }
  if (HasLimit(breaks, "pids")) {
    all.push_back(make.Lasting("fork bomb", limits, {"breaks", "fork"}, make.Again()));
  }
  if (HasLimit(breaks, "memory")) {
    all.push_back(make.Ends("comes over its memory limit, over and over", limits,
                            {"breaks", "eat", "1024"}, absl::Seconds(5)));
  }
  all.push_back(Mute(scene));
  all.push_back(ManyStart(scene));
  return all;
}

std::vector<std::string> SettingsOfBreaks() {
  std::vector<std::string> flags;
  for (const std::string& setting :
       {std::string("cpu-weight=idle"), std::string("pids=64"), std::string("memory=128M"),
        std::string("open-files=1024"), absl::StrCat("calls-per-second=", kCallsPerSecond)}) {
    flags.insert(flags.end(), {"--module-setting", "breaks." + setting});
  }
  return flags;
}

void InstallModules(const std::string& path) {
  Install(path, "shot", "argv = [\"/bin/sh\", \"-c\", \"kill -9 $$\"]\n");
  Install(path, "dies",
          "argv = [\"/bin/sh\", \"-c\", \"kill -9 $$\"]\n[process]\nfirst-backoff = 0.01\n"
          "max-backoff = 0.01\nstart-limit = 0\n");
  Install(path, "gone", "argv = [\"./gone\"]\n");
  Install(path, "early", "");
  std::ofstream(path + "/early/module.py") << "import sys\nsys.exit('no coffee')\n";
  // As many as could run at once: when they have started they do nothing, so that it is the starts
  // that are measured.
  const std::string program =
      (fs::current_path() / "tests/bench/modules/noop_cpp/noop_cpp").string();
  for (int i = 0; i < kModulesAtOnce; ++i) {
    const std::string name = absl::StrCat("m", i);
    Install(
        path, name,
        absl::StrCat("argv = [\"", program, "\"]\n[environment]\nNOOP_PREFIX = \"", name, "\"\n"));
  }
}

}  // namespace outpost::bench
