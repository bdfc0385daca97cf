// Does what a module should not, when it is told to. The module faulty does the
// same in Python.
#include "outpost/main.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "outpost/module.h"

namespace {

using outpost::CommandResult;
using outpost::Json;

class Faulty : public outpost::Module {
 public:
  Faulty() : Module({.name = "faulty_cpp", .notify_types = {"osd_map"}, .max_concurrency = 8}) {
    // Many of it may run at once, and no two modules have the same command.
    const char* other = std::getenv("FAULTY_PREFIX");
    const std::string prefix = other == nullptr ? "faulty-cpp" : other;
    Add(prefix, "Answer", [] {});
    Add(prefix + " spin", "Let Serve spin", [this] { spins_ = true; });
    Add(prefix + " freeze", "Let Serve break its promise", [this] { freezes_ = true; });
    Add(prefix + " babble", "Write much, when the manager is gone", [this] { babbles_ = true; });
    Add(prefix + " deaf", "Let Notify block", [this] {
      absl::MutexLock lock(&mu_);
      deaf_ = true;
    });
    Add(prefix + " hang", "Do not return", [this] { Never(); });
    Add(prefix + " well", "End all that", [this] {
      spins_ = false;
      absl::MutexLock lock(&mu_);
      deaf_ = false;
      ++recoveries_;
    });
    methods().Add("never", [this](const Json&, const Json&) -> absl::StatusOr<Json> {
      Never();
      return nullptr;
    });
  }

  // Spins, while that is asked for; never minds that it is to end.
  absl::Status Serve(outpost::ServeContext& context) override {
    constexpr absl::Duration kLook = absl::Milliseconds(10);
    while (true) {
      context.WaitFor(kLook);
      while (spins_) {
      }
      if (babbles_.exchange(false)) Babble();
      if (freezes_) {
        context.Watchdog(absl::Milliseconds(500));
        Never();
      }
    }
  }

  // Blocks, while that is asked for.
  void Notify(const outpost::Notification& notification) override {
    absl::MutexLock lock(&mu_);
    const auto hears = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return !deaf_; };
    mu_.Await(absl::Condition(&hears));
    log().Info("heard of OSD map %s", notification.id);
  }

 private:
  void Add(std::string prefix, std::string description, std::function<void()> act) {
    commands()
        .Add(std::move(prefix))
        .Describe(std::move(description))
        .Handle([act = std::move(act)](const outpost::CommandContext& context) {
          act();
          return CommandResult::Ok(context.cancelled() ? "nobody waits any more" : "here");
        });
  }

  // For the one who waits for it: the file "babbled" is there when all is written.
  static void Babble() {
    absl::SleepFor(absl::Milliseconds(500));
    for (int i = 0; i < 20'000; ++i) std::printf("line %d of many\n", i);
    std::fflush(stdout);
    std::ofstream("babbled") << "all\n";
  }

  void Never() {
    absl::MutexLock lock(&mu_);
    const int before = recoveries_;
    const auto well = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return recoveries_ > before; };
    mu_.Await(absl::Condition(&well));
  }

  std::atomic<bool> spins_ = false;
  std::atomic<bool> freezes_ = false;
  std::atomic<bool> babbles_ = false;
  absl::Mutex mu_;
  bool deaf_ ABSL_GUARDED_BY(mu_) = false;
  int recoveries_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace

int main(int argc, char** argv) { return outpost::RunModule<Faulty>(argc, argv); }
