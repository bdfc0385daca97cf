// RunningModule runs a module in a thread of a test, attached to a FakeManager.
//
// **Thread safety.** Made, stopped and destroyed by one thread.
//
// **Invariants.** The destructor ends the module and waits for it. A module whose
// threads do not end within kPatience ends the test's process: there is no other
// way out.
#ifndef OUTPOST_SDK_CPP_TESTING_RUNNING_MODULE_H_
#define OUTPOST_SDK_CPP_TESTING_RUNNING_MODULE_H_

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/time/time.h"
#include "outpost/internal/session.h"
#include "outpost/main.h"
#include "outpost/testing/fake_manager.h"

namespace outpost::testing {

template <typename T>
class RunningModule {
 public:
  explicit RunningModule(std::string address, std::string name = "tested")
      : module_(std::make_unique<T>()),
        session_(std::make_unique<internal::Session>(
            *module_, FactoryOf<T>().has_serve, T::CanRun(),
            internal::SessionConfig{
                .address = std::move(address),
                .name = std::move(name),
                .token = "",
                .backoff = {.initial = absl::Milliseconds(10), .max = absl::Milliseconds(200)}})) {
    thread_ = std::thread([this] { outcome_ = session_->Run(); });
  }
  ~RunningModule() { Stop(); }
  RunningModule(const RunningModule&) = delete;
  RunningModule& operator=(const RunningModule&) = delete;

  T& module() { return *module_; }

  // Ends the module as a signal would; gives the exit status that its process
  // would have.
  int Stop() {
    session_->RequestShutdown(kPatience, "the test is over");
    return Wait();
  }

  // Waits until the module has ended by itself.
  int Wait() {
    if (thread_.joinable()) thread_.join();
    if (outcome_.stuck) {
      std::fprintf(stderr, "the module under test is stuck: %s\n", outcome_.message.c_str());
      std::abort();
    }
    return outcome_.exit_status;
  }

  // After Wait: why it ended, as its process would have written it to standard error;
  // empty: as it was asked to.
  const std::string& message() const { return outcome_.message; }

 private:
  std::unique_ptr<T> module_;
  std::unique_ptr<internal::Session> session_;
  internal::SessionOutcome outcome_;
  std::thread thread_;
};

}  // namespace outpost::testing

#endif  // OUTPOST_SDK_CPP_TESTING_RUNNING_MODULE_H_
