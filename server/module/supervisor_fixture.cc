#include "server/module/supervisor_fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/sinks/base_sink.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "server/log/log.h"
#include "server/store/sqlite/sqlite_store.h"

namespace outpost::module {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);

// Rings at every line of the log (the supervisor logs each change of a state), and
// at every change of the health report.
class Bell : public spdlog::sinks::base_sink<std::mutex> {
 public:
  static Bell& Get() {
    static const auto bell = [] {
      auto made = std::make_shared<Bell>();
      log::Get("module").sinks().push_back(made);
      return made;
    }();
    return *bell;
  }
  void Ring() {
    absl::MutexLock lock(&mu_);
    ++rung_;
    rings_.SignalAll();
  }
  uint64_t rung() const {
    absl::MutexLock lock(&mu_);
    return rung_;
  }
  // False: it is too late.
  bool Await(uint64_t more_than, absl::Time deadline) const {
    absl::MutexLock lock(&mu_);
    while (rung_ <= more_than) {
      if (rings_.WaitWithDeadline(&mu_, deadline)) return rung_ > more_than;
    }
    return true;
  }

 protected:
  void sink_it_(const spdlog::details::log_msg&) override { Ring(); }
  void flush_() override {}

 private:
  mutable absl::Mutex mu_;
  mutable absl::CondVar rings_;
  uint64_t rung_ ABSL_GUARDED_BY(mu_) = 0;
};

absl::StatusOr<v1::ModuleInfo> AwaitInfo(
    const std::function<void(Supervisor::ModuleInfoCallback)>& call) {
  struct Shared {
    absl::Notification done;
    absl::StatusOr<v1::ModuleInfo> info;
  };
  auto shared = std::make_shared<Shared>();
  call([shared](absl::StatusOr<v1::ModuleInfo> info) {
    shared->info = std::move(info);
    shared->done.Notify();
  });
  if (!shared->done.WaitForNotificationWithTimeout(absl::Seconds(40))) {
    return absl::InternalError("the callback did not run");
  }
  return shared->info;
}

}  // namespace

bool AwaitEnd(pid_t pid) {
  const OwnedFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd.valid()) return true;
  pollfd end = {.fd = pidfd.get(), .events = POLLIN, .revents = 0};
  return poll(&end, 1, static_cast<int>(absl::ToInt64Milliseconds(kPatience))) == 1;
}

TestManager::TestManager(const std::string& directory,
                         const std::function<void(SupervisorOptions&)>& adjust) {
  Bell::Get();
  auto store = store::SqliteStore::Open(directory + "/state.db");
  if (!store.ok()) {
    ADD_FAILURE() << store.status();
    return;
  }
  store_ = *std::move(store);
  health_ = std::make_unique<health::HealthRegistry>(
      store_.get(), &timers_,
      health::HealthRegistry::Listeners{.changed = [] { Bell::Get().Ring(); }});
  events_ = std::make_unique<EventLog>(store_.get());
  config_ = *config::ConfigRegistry::Create(*store_, "x", {});
  SupervisorOptions options;
  options.manager_id = "x";
  options.manager_instance = "instance";
  options.manager_version = "outpost test";
  options.address = "unix:/nonexistent";
  options.run_directory = directory;
  options.module_path = {directory + "/modules"};
  options.policy.ready_timeout = absl::Seconds(20);
  options.policy.drain_timeout = absl::Milliseconds(200);
  options.policy.shutdown_grace = absl::Milliseconds(300);
  options.heartbeat_interval = absl::Seconds(20);
  options.policy.first_backoff = absl::Milliseconds(20);
  options.policy.max_backoff = absl::Milliseconds(200);
  if (adjust) adjust(options);
  supervisor_ =
      std::make_unique<Supervisor>(std::move(options), Supervisor::Parts{.store = store_.get(),
                                                                         .config = config_.get(),
                                                                         .commands = &commands_,
                                                                         .health = health_.get(),
                                                                         .progress = &progress_,
                                                                         .events = events_.get(),
                                                                         .processes = &processes_,
                                                                         .timers = &timers_});
  config_->OnChange([this](const std::string& module, const v1::OptionValue& value) {
    supervisor_->SendConfigChanged(module, value);
  });
}

TestManager::~TestManager() {
  processes_.Stop();
  timers_.Stop();
  config_.reset();
  store_.reset();
}

absl::StatusOr<v1::ModuleInfo> TestManager::Enable(const std::string& name, absl::Duration wait) {
  return AwaitInfo(
      [&](auto callback) { supervisor_->Enable(name, "client", wait, std::move(callback)); });
}

absl::StatusOr<v1::ModuleInfo> TestManager::Disable(const std::string& name) {
  return AwaitInfo(
      [&](auto callback) { supervisor_->Disable(name, "client", std::move(callback)); });
}

absl::StatusOr<v1::ModuleInfo> TestManager::Restart(const std::string& name, absl::Duration wait) {
  return AwaitInfo(
      [&](auto callback) { supervisor_->Restart(name, "client", wait, std::move(callback)); });
}

v1::ModuleInfo TestManager::Info(const std::string& name) {
  for (auto& info : supervisor_->ListWithUsage()) {
    if (info.name() == name) return info;
  }
  return {};
}

bool TestManager::Await(const std::string& name,
                        const std::function<bool(const v1::ModuleInfo&)>& is) {
  const absl::Time deadline = absl::Now() + kPatience;
  while (true) {
    const uint64_t rung = Bell::Get().rung();
    const v1::ModuleInfo info = Info(name);
    if (is(info)) return true;
    if (!Bell::Get().Await(rung, deadline)) {
      ADD_FAILURE() << "the module stays as it is: " << info.DebugString();
      return false;
    }
  }
}

bool TestManager::AwaitState(const std::string& name, v1::ModuleState state) {
  return Await(name, [state](const v1::ModuleInfo& info) { return info.state() == state; });
}

std::vector<std::string> TestManager::HealthDetail(const std::string& code) {
  for (const auto& check : health_->Get().checks) {
    if (check.code() == code) return {check.detail().begin(), check.detail().end()};
  }
  return {};
}

bool TestManager::AwaitHealth(const std::string& code, size_t lines) {
  const absl::Time deadline = absl::Now() + kPatience;
  while (true) {
    const uint64_t rung = Bell::Get().rung();
    if (HealthDetail(code).size() == lines) return true;
    if (!Bell::Get().Await(rung, deadline)) return false;
  }
}

FakeModule::FakeModule(TestManager& manager, const std::string& name, const std::string& token)
    : manager_(manager) {
  registration.set_name(name);
  registration.set_token(token);
  registration.add_protocol_versions(1);
  registration.set_can_run(true);
  registration.set_has_serve(true);
}

bool FakeModule::Attach() {
  session = manager_->Attach(registration, link, &refusal);
  return session != nullptr;
}

void FakeModule::SendConfigured(const std::string& error) {
  v1::AttachRequest message;
  message.mutable_configured()->set_error(error);
  manager_->Handle(session, message);
}

void FakeModule::SendServeStatus(v1::ServeStatus::State state, const std::string& error) {
  v1::AttachRequest message;
  message.mutable_serve_status()->set_state(state);
  message.mutable_serve_status()->set_error(error);
  manager_->Handle(session, message);
}

void FakeModule::SendDrained() {
  v1::AttachRequest message;
  message.mutable_drained();
  manager_->Handle(session, message);
}

void FakeModule::Serve() {
  link->Next(RecordingLink::Case::kConfigure);
  SendConfigured();
  link->Next(RecordingLink::Case::kServe);
  SendServeStatus(v1::ServeStatus::STATE_RUNNING);
}

void FakeModule::Detach(const std::string& why) { manager_->Detach(session, why); }

SupervisorTest::SupervisorTest() {
  std::filesystem::create_directory(scratch.File("modules"));
  mkfifo(scratch.File("attach").c_str(), 0600);
  attach_fifo_ = OwnedFd(open(scratch.File("attach").c_str(), O_RDWR | O_CLOEXEC));
}

SupervisorTest::~SupervisorTest() {
  if (manager != nullptr) (*manager)->Stop();
}

void SupervisorTest::Install(const std::string& name, const std::string& then) {
  const std::string directory = scratch.File("modules/" + name);
  std::filesystem::create_directory(directory);
  const std::string program = directory + "/run";
  std::ofstream(program) << "#!/bin/sh\nread -r token <&3\necho \"$$ $token\" > \"$ATTACH\"\n"
                         << then << "\n";
  chmod(program.c_str(), 0755);
  std::ofstream(directory + "/module.toml")
      << "argv = [\"./run\"]\n[environment]\nATTACH = \"" << scratch.File("attach") << "\"\n";
}

StartedProcess SupervisorTest::NextProcess() {
  std::string line;
  char c = 0;
  pollfd readable = {.fd = attach_fifo_.get(), .events = POLLIN, .revents = 0};
  while (poll(&readable, 1, static_cast<int>(absl::ToInt64Milliseconds(kPatience))) == 1 &&
         read(attach_fifo_.get(), &c, 1) == 1 && c != '\n') {
    line.push_back(c);
  }
  EXPECT_EQ(c, '\n') << "no process has started";
  StartedProcess process;
  std::istringstream(line) >> process.pid >> process.token;
  return process;
}

void SupervisorTest::StartManager(const std::function<void(SupervisorOptions&)>& adjust,
                                  const std::vector<std::string>& initial_modules) {
  manager = std::make_unique<TestManager>(scratch.path(), adjust);
  const absl::Status status = (*manager)->Start(initial_modules);
  ASSERT_TRUE(status.ok()) << status;
}

std::unique_ptr<FakeModule> SupervisorTest::StartModule(const std::string& name) {
  const auto enabled = manager->Enable(name);
  EXPECT_TRUE(enabled.ok()) << enabled.status();
  auto module = std::make_unique<FakeModule>(*manager, name, NextProcess().token);
  EXPECT_TRUE(module->AttachAndServe()) << module->refusal.status;
  return module;
}

}  // namespace outpost::module
