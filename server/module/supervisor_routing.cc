// Supervisor: which session takes the commands of a module, and why none does.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "outpost/internal/steady_wait.h"
#include "server/event/moment.h"
#include "server/module/supervisor.h"
#include "server/text/nearest.h"

namespace outpost::module {
namespace {

constexpr absl::Duration kLongestHold = absl::Seconds(10);
constexpr size_t kMaxHeld = 1024;  // commands that wait for a starting module

}  // namespace

void Supervisor::GiveUpWaiting(Module& m) {
  if (m.held.empty() && m.parked == nullptr) return;
  const absl::Status why = WhyNotRunning(m);
  if (m.parked != nullptr) {
    deferred_.push_back(
        [session = std::exchange(m.parked, nullptr), why] { session->GiveUp(why); });
  }
  for (auto& [id, held] : m.held) {
    parts_.timers->Cancel(held.timer);
    deferred_.push_back([callback = std::move(held.callback), why]() mutable { callback(why); });
  }
  m.held.clear();
}

void Supervisor::Route(Module& m) {
  if (m.parked != nullptr) {
    deferred_.push_back(std::exchange(m.parked, nullptr)->HandOver(m.session));
  }
  {
    absl::MutexLock lock(&route_mu_);
    routes_[m.name] = {.session = m.session, .process = m.process};
  }
  for (auto& [id, held] : m.held) {
    parts_.timers->Cancel(held.timer);
    deferred_.push_back([callback = std::move(held.callback), session = m.session]() mutable {
      callback(std::move(session));
    });
  }
  m.held.clear();
}

void Supervisor::Unroute(const Module& m) {
  absl::MutexLock lock(&route_mu_);
  routes_.erase(m.name);
}

std::string Supervisor::ModuleOfProcess(pid_t pid) const {
  const event::LentMutexLock lock(&mu_);
  const auto is = [pid](const auto& of) {
    return of != nullptr && of->process != nullptr && of->process->pid() == pid;
  };
  for (const auto& [name, m] : modules_) {
    if (is(&m) || is(m.successor) || is(m.predecessor)) return name;
  }
  return "";
}

std::optional<auth::Caps> Supervisor::AskedCaps(absl::string_view name) const {
  const event::LentMutexLock lock(&mu_);
  const auto it = modules_.find(name);
  if (it == modules_.end() || !it->second.installed) return std::nullopt;
  return it->second.installed->caps;
}

std::shared_ptr<Session> Supervisor::FindByKey(absl::string_view key) const {
  absl::MutexLock lock(&route_mu_);
  auto it = by_key_.find(key);
  return it == by_key_.end() ? nullptr : it->second;
}

bool Supervisor::IsRunning(absl::string_view name) const {
  absl::MutexLock lock(&route_mu_);
  return routes_.contains(name);
}

size_t Supervisor::MaxConcurrency(absl::string_view name) const {
  absl::MutexLock lock(&route_mu_);
  auto it = routes_.find(name);
  return it == routes_.end() ? 0 : it->second.session->max_concurrency();
}

std::string Supervisor::InstanceOf(absl::string_view name) const {
  absl::MutexLock lock(&route_mu_);
  auto it = routes_.find(name);
  return it == routes_.end() ? "" : it->second.session->registration().instance();
}

bool Supervisor::ComesSoon(const Module& m) const {
  if (shutting_down_) return false;
  if (m.stopping) return m.start_after_stop;
  return m.state == v1::MODULE_STATE_STARTING || m.state == v1::MODULE_STATE_CONFIGURING ||
         (m.state == v1::MODULE_STATE_BACKOFF &&
          m.next_start - event::Moment::Now() < absl::Seconds(1));
}

absl::Status Supervisor::WhyNotRunning(const Module& m) const {
  if (shutting_down_) {
    return absl::UnavailableError(absl::StrCat("module '", m.name, "': the manager stops"));
  }
  if (m.stopping && m.start_after_stop) {
    return absl::UnavailableError(absl::StrCat("module '", m.name, "' is being restarted"));
  }
  if (!m.stopping && !m.failure.empty()) {
    return absl::UnavailableError(absl::StrCat(
        "module '", m.name, "' has failed and is ended, then started again: ", m.failure));
  }
  switch (m.state) {
    case v1::MODULE_STATE_BACKOFF:
      return absl::UnavailableError(absl::StrCat(
          "module '", m.name, "' has failed and is started again in ",
          absl::FormatDuration(
              std::max(absl::ZeroDuration(),
                       absl::Trunc(m.next_start - event::Moment::Now(), absl::Milliseconds(100)))),
          ": ", m.reason));
    case v1::MODULE_STATE_FAILED:
      return absl::InternalError(absl::StrCat(
          "module '", m.name, "' has experienced an error and cannot handle commands: ", m.reason));
    case v1::MODULE_STATE_ENDED:
      return absl::FailedPreconditionError(absl::StrCat(
          "module '", m.name, "' ", m.reason, "; `outpost module restart ", m.name, "` starts it"));
    case v1::MODULE_STATE_CANNOT_RUN:
      return absl::InternalError(absl::StrCat("module '", m.name, "' cannot run: ", m.reason));
    case v1::MODULE_STATE_STARTING:
    case v1::MODULE_STATE_CONFIGURING:
      return absl::UnavailableError(absl::StrCat("module '", m.name, "' is still starting",
                                                 m.reason.empty() ? "" : ": ", m.reason));
    default:
      return absl::FailedPreconditionError(
          absl::StrCat("Module '", m.name, "' is not enabled/loaded: use `outpost module enable ",
                       m.name, "` to enable it"));
  }
}

void Supervisor::WhenRunning(const std::string& name, absl::Time deadline,
                             SessionCallback callback) {
  {
    Destination destination;
    {
      absl::MutexLock lock(&route_mu_);
      auto it = routes_.find(name);
      if (it != routes_.end()) destination = it->second;
    }
    if (destination.IsThere()) return callback(std::move(destination.session));
  }
  Locked([&] {
    mu_.AssertHeld();
    const auto answer = [&](absl::StatusOr<std::shared_ptr<Session>> session) {
      mu_.AssertHeld();
      deferred_.push_back([callback = std::move(callback), session = std::move(session)]() mutable {
        callback(std::move(session));
      });
    };
    Module* m = Find(name);
    if (m == nullptr) {
      std::vector<std::string> known;
      for (const auto& [other, unused] : modules_) known.push_back(other);
      std::vector<std::string> nearest = text::Nearest(name, known, 1);
      for (std::string& near : nearest) near = absl::StrCat("'", near, "'");
      return answer(absl::FailedPreconditionError(
          absl::StrCat("module '", name, "' is not known", text::DidYouMean(nearest))));
    }
    if (m->state == v1::MODULE_STATE_RUNNING) {
      const Destination now = {.session = m->session, .process = m->process};
      if (now.IsThere()) return answer(m->session);  // since a moment ago
      // Its end is about to be noticed, and decides what becomes of this.
    } else if (!ComesSoon(*m)) {
      return answer(WhyNotRunning(*m));
    }
    if (m->held.size() >= kMaxHeld) {
      return answer(absl::ResourceExhaustedError(absl::StrCat(
          "module '", name, "' is starting, and ", kMaxHeld, " commands wait for it already")));
    }
    const uint64_t id = next_waiter_++;
    Held& held = m->held[id];
    held.callback = std::move(callback);
    held.timer = parts_.timers->After(
        std::min(deadline - internal::SteadyNow(), kLongestHold), [this, name, id] {
          Locked([&] {
            mu_.AssertHeld();
            Module* late = Find(name);
            if (late == nullptr) return;
            auto it = late->held.find(id);
            if (it == late->held.end()) return;
            deferred_.push_back([callback = std::move(it->second.callback),
                                 why_not = WhyNotRunning(*late)]() mutable { callback(why_not); });
            late->held.erase(it);
          });
        });
  });
}

}  // namespace outpost::module
