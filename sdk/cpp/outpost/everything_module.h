// Everything is a module with every part, each as small as it can be, and
// AttachedTest a test that has it attached to a fake manager.
//
// **Thread safety.** Gauge and Everything's own members may be used from any thread.
#ifndef OUTPOST_SDK_CPP_OUTPOST_EVERYTHING_MODULE_H_
#define OUTPOST_SDK_CPP_OUTPOST_EVERYTHING_MODULE_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <functional>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "outpost/testing/fake_manager.h"
#include "outpost/testing/running_module.h"

namespace outpost {

// How many are somewhere, and were at most.
class Gauge {
 public:
  void Add(int n) {
    absl::MutexLock lock(&mu_);
    now_ += n;
    most_ = std::max(most_, now_);
    entered_ += n > 0;
  }
  bool AwaitAtLeast(int n) {
    const auto there = [this, n]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return now_ >= n; };
    absl::MutexLock lock(&mu_);
    return mu_.AwaitWithTimeout(absl::Condition(&there), testing::kPatience);
  }
  int now() const {
    absl::MutexLock lock(&mu_);
    return now_;
  }
  int most() const {
    absl::MutexLock lock(&mu_);
    return most_;
  }
  int entered() const {
    absl::MutexLock lock(&mu_);
    return entered_;
  }

 private:
  mutable absl::Mutex mu_;
  int now_ ABSL_GUARDED_BY(mu_) = 0;
  int most_ ABSL_GUARDED_BY(mu_) = 0;
  int entered_ ABSL_GUARDED_BY(mu_) = 0;
};

class Everything : public Module {
 public:
  Everything()
      : Module({.version = "7",
                .notify_types = {"osd_map", "clog", "command"},
                .max_concurrency = 2,
                .call_timeout = absl::Seconds(10)}) {
    commands()
        .Add("every echo")
        .Describe("Give back the arguments")
        .Perm("rw")
        .Arg<std::string>("text")
        .Arg<int64_t>("num", {.min = 0, .max = 10, .default_value = 3})
        .Arg<std::optional<double>>("factor")
        .Handle([](const CommandContext& context, std::string text, int64_t num,
                   std::optional<double> factor) {
          return CommandResult::Ok(
              absl::StrCat(text, " ", num, " ", factor.value_or(0.5), " ",
                           context.inbuf().value_or("(none)"), " ", std::string(context.caller())),
              "a note");
        });
    commands().Add("every fail").Handle([] {
      return absl::NotFoundError("there is no such thing");
    });
    commands().Add("every throw").Handle([]() -> CommandResult {
      throw std::runtime_error("boom");
    });
    commands().Add("every bytes").Handle([] {
      return CommandResult::Ok(std::string("a\xff\0z", 4));
    });
    commands().Add("every block").Handle([this](const CommandContext& context) {
      running_.Add(1);
      std::stop_callback stop(context.stop_token(), [this] { release_.Notify(); });
      release_.WaitForNotification();
      running_.Add(-1);
      return CommandResult::Ok(context.cancelled() ? "cancelled" : "released");
    });
    commands()
        .Add("every get")
        .Arg<std::string>("name")
        .Handle([this](const std::string& name) -> absl::StatusOr<std::string> {
          absl::StatusOr<StructureRef> structure = Get(name);
          if (!structure.ok()) return structure.status();
          return structure->parsed().dump();
        });
    commands().Add("every remote").Handle([this]() -> CommandResult {
      absl::StatusOr<Json> value = Remote("other", "add", {1, 2}, {{"third", 3}});
      if (!value.ok()) {
        const auto failure = GetRemoteFailure(value.status());
        return CommandResult::Error(
            EIO, absl::StrCat(failure ? failure->kind : ErrorReason(value.status()), ": ",
                              value.status().message()));
      }
      return CommandResult::Ok(value->dump());
    });
    options().OnChange<int64_t>(times_, [this](const int64_t& times) {
      heard_times_ = times;
      ++times_heard_;
    });
    methods().Add("add", [](const Json& args, const Json& kwargs) -> absl::StatusOr<Json> {
      return args.at(0).get<int>() + args.at(1).get<int>() + kwargs.value("third", 0);
    });
    methods().Add("refuse", [](const Json&, const Json&) -> absl::StatusOr<Json> {
      return absl::PermissionDeniedError("not you");
    });
  }

  absl::Status Start() override {
    started_.Notify();
    return start_status_;
  }
  absl::Status Serve(ServeContext& context) override {
    serving_.Add(1);
    while (context.WaitFor(absl::InfiniteDuration())) {
    }
    serving_.Add(-1);
    return absl::OkStatus();
  }
  void Notify(const Notification& notification) override {
    absl::MutexLock lock(&mu_);
    notified_.push_back(notification);
  }
  void ConfigChanged(const std::vector<std::string>& names) override {
    absl::MutexLock lock(&mu_);
    changed_.push_back(absl::StrCat(names.at(0), "=", times_.Get()));
  }
  absl::StatusOr<std::string> SelfTest() override {
    if (spoilt_) return absl::InternalError("no disk");
    return "all is well";
  }
  void Shutdown() override { shut_down_ = true; }

  bool AwaitNotified(const std::function<bool(const Notification&)>& wanted) {
    const auto there = [this, &wanted]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
      return std::any_of(notified_.begin(), notified_.end(), wanted);
    };
    absl::MutexLock lock(&mu_);
    return mu_.AwaitWithTimeout(absl::Condition(&there), testing::kPatience);
  }
  bool AwaitChanged(const std::string& wanted) {
    const auto there = [this, &wanted]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
      return std::find(changed_.begin(), changed_.end(), wanted) != changed_.end();
    };
    absl::MutexLock lock(&mu_);
    return mu_.AwaitWithTimeout(absl::Condition(&there), testing::kPatience);
  }

  // What tests reach for.
  using Module::Apply;
  using Module::CheckMonCommand;
  using Module::ClearProgress;
  using Module::ClusterId;
  using Module::ClusterLog;
  using Module::CompleteProgress;
  using Module::Get;
  using Module::GetClusterOption;
  using Module::GetCounters;
  using Module::GetDaemonHealthMetrics;
  using Module::GetDaemonStatus;
  using Module::GetLocalizedStore;
  using Module::GetManagerStatus;
  using Module::GetMetadata;
  using Module::GetModuleOption;
  using Module::GetOption;
  using Module::GetPart;
  using Module::GetPerfSchema;
  using Module::GetServer;
  using Module::GetStore;
  using Module::GetStorePrefix;
  using Module::HaveMonConnection;
  using Module::IsAuthorized;
  using Module::ListModules;
  using Module::ListServers;
  using Module::ListStructures;
  using Module::ListSubscriptions;
  using Module::log;
  using Module::MgrId;
  using Module::MgrIp;
  using Module::MonCommand;
  using Module::Name;
  using Module::OsdCommand;
  using Module::ReleaseName;
  using Module::Remote;
  using Module::RemoveLocalizedOption;
  using Module::RemoveOption;
  using Module::SendCommand;
  using Module::SetHealthChecks;
  using Module::SetLocalizedOption;
  using Module::SetLocalizedStore;
  using Module::SetModuleOption;
  using Module::SetOption;
  using Module::SetStore;
  using Module::SetUri;
  using Module::TellCommand;
  using Module::UpdateProgress;
  using Module::Version;
  using Module::WatchOptions;
  using Module::WatchStore;

  Option<int64_t> times_ = options().Add<int64_t>("times", 1, "How often", {.min = 1, .max = 9});
  Option<std::optional<absl::Duration>> pause_ =
      options().AddUnset<absl::Duration>("pause", "How long between");

  Gauge running_, serving_;
  std::atomic<bool> shut_down_{false};
  std::atomic<int64_t> heard_times_{0};
  std::atomic<int> times_heard_{0};
  std::atomic<bool> spoilt_{false};
  struct Gate {  // may be opened more than once
    void Notify() {
      absl::MutexLock lock(&mu);
      open = true;
    }
    void WaitForNotification() {
      absl::MutexLock lock(&mu);
      mu.Await(absl::Condition(&open));
    }
    absl::Mutex mu;
    bool open ABSL_GUARDED_BY(mu) = false;
  } release_;
  absl::Notification started_;
  absl::Status start_status_;
  absl::Mutex mu_;
  std::vector<Notification> notified_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> changed_ ABSL_GUARDED_BY(mu_);
};

class AttachedTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(manager_, nullptr);
    module_ = std::make_unique<testing::RunningModule<Everything>>(manager_->address());
    ASSERT_TRUE(manager_->WaitForModule());
  }
  Everything& module() { return module_->module(); }

  std::unique_ptr<testing::FakeManager> manager_ = testing::FakeManager::Start();
  std::unique_ptr<testing::RunningModule<Everything>> module_;
};

}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_EVERYTHING_MODULE_H_
