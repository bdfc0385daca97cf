#include "outpost/internal/hook_runner.h"

#include <exception>
#include <memory>
#include <utility>

namespace outpost::internal {

HookRunner::HookRunner(Module& module, bool has_serve, Logger log)
    : module_(module), has_serve_(has_serve), log_(std::move(log)), events_(1), serve_(1) {}

absl::Status HookRunner::Guard(absl::string_view name,
                               const std::function<absl::Status()>& hook) const {
  absl::Status status;
  try {  // the module's own code may throw; nothing of it goes further than here
    status = hook();
  } catch (const std::exception& e) {
    status = absl::InternalError(e.what());
  } catch (...) {
    status = absl::InternalError("an exception that is no std::exception");
  }
  if (!status.ok()) log_.Error("%s failed: %s", name, status.message());
  return status;
}

void HookRunner::Start(std::function<void(absl::Status)> done) {
  serve_.Post(
      [this, done = std::move(done)] { done(Guard("Start", [this] { return module_.Start(); })); });
}

bool HookRunner::Serve(std::function<void()> running, std::function<void(absl::Status)> ended) {
  if (!has_serve_) return false;
  {
    absl::MutexLock lock(&mu_);
    if (serving_) return false;
    serving_ = true;
  }
  serve_.Post([this, running = std::move(running), ended = std::move(ended)] {
    running();
    absl::Status status = Guard("Serve", [this] { return module_.Serve(serve_context_); });
    serve_context_.Watchdog(absl::InfiniteDuration());
    {
      absl::MutexLock lock(&mu_);
      serving_ = false;
    }
    if (!serve_context_.stopping()) ended(std::move(status));
  });
  return true;
}

void HookRunner::Notify(Notification notification, absl::AnyInvocable<void()> done) {
  events_.Post([this, notification = std::move(notification), done = std::move(done)]() mutable {
    (void)Guard("Notify", [this, &notification] {
      module_.Notify(notification);
      return absl::OkStatus();
    });
    if (done) done();
  });
}

void HookRunner::ConfigChanged(std::vector<std::string> names) {
  events_.Post([this, names = std::move(names)] {
    (void)Guard("ConfigChanged", [this, &names] {
      module_.ConfigChanged(names);
      return absl::OkStatus();
    });
  });
}

void HookRunner::PostEvent(absl::AnyInvocable<void()> task) {
  events_.Post([this, task = std::move(task)]() mutable {
    (void)Guard("a callback", [&task] {
      task();
      return absl::OkStatus();
    });
  });
}

std::vector<std::string> HookRunner::End(absl::Time deadline) {
  serve_context_.Stop();
  events_.DropWaiting();
  // Shutdown may hang as all of the module's code may.
  auto shutdown = std::make_unique<WorkerPool>(1);
  shutdown->Post([this] {
    (void)Guard("Shutdown", [this] {
      module_.Shutdown();
      return absl::OkStatus();
    });
  });
  std::vector<std::string> running;
  if (!shutdown->AwaitIdle(deadline)) {
    running.emplace_back("Shutdown");
    (void)shutdown.release();  // its thread can't be joined; the process ends now
  }
  if (!serve_.AwaitIdle(deadline)) running.emplace_back(has_serve_ ? "Serve" : "Start");
  if (!events_.AwaitIdle(deadline)) {
    running.emplace_back("Notify, ConfigChanged or a callback");
  }
  return running;
}

}  // namespace outpost::internal
