// What the tests of the supervisor share: a manager's core over a real store, real
// processes, and modules that attach over a RecordingLink.
#ifndef OUTPOST_SERVER_MODULE_SUPERVISOR_FIXTURE_H_
#define OUTPOST_SERVER_MODULE_SUPERVISOR_FIXTURE_H_

#include <gtest/gtest.h>
#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/command/command_table.h"
#include "server/config/config_registry.h"
#include "server/event/timer_queue.h"
#include "server/health/health_registry.h"
#include "server/module/process.h"
#include "server/module/recording_link.h"
#include "server/module/supervisor.h"
#include "server/store/sqlite/scratch_dir.h"
#include "server/store/state_store.h"

namespace outpost::module {

// A process that a supervisor has started, and its token.
struct StartedProcess {
  pid_t pid = 0;
  std::string token;
};

// The core of one manager. Its destructor is the manager's crash: the processes
// stay. The calls that take a callback are waited for here.
class TestManager {
 public:
  explicit TestManager(const std::string& directory,
                       const std::function<void(SupervisorOptions&)>& adjust = {});
  ~TestManager();

  Supervisor* operator->() { return supervisor_.get(); }
  Supervisor& supervisor() { return *supervisor_; }
  config::ConfigRegistry& config() { return *config_; }
  command::CommandTable& commands() { return commands_; }
  health::HealthRegistry& health() { return *health_; }
  store::StateStore& store() { return *store_; }
  EventLog& events() { return *events_; }

  absl::StatusOr<v1::ModuleInfo> Enable(const std::string& name,
                                        absl::Duration wait = absl::ZeroDuration());
  absl::StatusOr<v1::ModuleInfo> Disable(const std::string& name);
  absl::StatusOr<v1::ModuleInfo> Restart(const std::string& name,
                                         absl::Duration wait = absl::ZeroDuration());

  // As it is now; without a name when there is no such module.
  v1::ModuleInfo Info(const std::string& name);
  // Waits until the module is so; false after 20 s.
  bool Await(const std::string& name, const std::function<bool(const v1::ModuleInfo&)>& is);
  bool AwaitState(const std::string& name, v1::ModuleState state);

  // The detail lines of the manager's own check `code`; empty: it is not raised.
  std::vector<std::string> HealthDetail(const std::string& code);
  // Waits until there are `lines` of them; false after 20 s.
  bool AwaitHealth(const std::string& code, size_t lines);

 private:
  std::unique_ptr<store::StateStore> store_;
  std::unique_ptr<config::ConfigRegistry> config_;
  command::CommandTable commands_;
  std::unique_ptr<health::HealthRegistry> health_;
  progress::ProgressRegistry progress_;
  std::unique_ptr<EventLog> events_;
  ProcessRunner processes_{"server/module/outpost-launch"};
  event::TimerQueue timers_;
  std::unique_ptr<Supervisor> supervisor_;
};

// A module's end of a session.
class FakeModule {
 public:
  FakeModule(TestManager& manager, const std::string& name, const std::string& token = "");

  // To be changed before Attach.
  v1::Register registration;

  // Attaches; false: it was refused, see `refusal`.
  bool Attach();
  // Answers Configure and Serve.
  void Serve();
  bool AttachAndServe() { return Attach() && (Serve(), true); }
  // Its stream ends.
  void Detach(const std::string& why = "has ended its session");

  void SendServeStatus(v1::ServeStatus::State state, const std::string& error = "");
  void SendConfigured(const std::string& error = "");
  void SendDrained();

  Refusal refusal;
  std::shared_ptr<RecordingLink> link = std::make_shared<RecordingLink>();
  std::shared_ptr<Session> session;

 private:
  TestManager& manager_;
};

class SupervisorTest : public testing::Test {
 protected:
  SupervisorTest();
  ~SupervisorTest() override;

  // Installs a module that tells the test its pid and token and then does `then`,
  // a piece of shell.
  void Install(const std::string& name, const std::string& then = "exec sleep 600");
  // The next process that has started; fails the test after 20 s.
  StartedProcess NextProcess();

  // Starts a manager over the test's store. Short times, see the .cc.
  void StartManager(const std::function<void(SupervisorOptions&)>& adjust = {},
                    const std::vector<std::string>& initial_modules = {});
  // The manager dies and leaves its processes.
  void CrashManager() { manager.reset(); }
  // Enables `name` and attaches it.
  std::unique_ptr<FakeModule> StartModule(const std::string& name);

  store::ScratchDir scratch;
  std::unique_ptr<TestManager> manager;

 private:
  OwnedFd attach_fifo_;
};

// Waits for the end of a process, by whatever parent it has; false after 20 s.
bool AwaitEnd(pid_t pid);

}  // namespace outpost::module

#endif  // OUTPOST_SERVER_MODULE_SUPERVISOR_FIXTURE_H_
