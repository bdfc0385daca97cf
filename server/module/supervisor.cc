#include "server/module/supervisor.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "server/log/log.h"
#include "server/text/nearest.h"

namespace outpost::module {
namespace {

constexpr char kEnabledPrefix[] = "module/enabled/";
constexpr char kRegisterPrefix[] = "module/register/";

std::string Quoted(absl::string_view name) { return absl::StrCat("module '", name, "'"); }

}  // namespace

std::string StateName(v1::ModuleState state) {
  std::string name = v1::ModuleState_Name(state);
  name.erase(0, sizeof("MODULE_STATE_") - 1);
  for (char& c : name) c = c == '_' ? ' ' : absl::ascii_tolower(c);
  return name;
}

Supervisor::Supervisor(SupervisorOptions options, Parts parts)
    : options_(std::move(options)),
      parts_(parts),
      own_registrations_(options_.registrations_per_second),
      other_registrations_(options_.registrations_per_second) {}

Supervisor::~Supervisor() = default;

Supervisor::Module* Supervisor::Find(absl::string_view name) {
  auto it = modules_.find(name);
  return it == modules_.end() ? nullptr : &it->second;
}

Supervisor::Module& Supervisor::FindOrAdd(const std::string& name) {
  const auto [it, added] = modules_.try_emplace(name);
  Module& m = it->second;
  if (added) {
    m.name = name;
    m.policy = PolicyOf(m);
  }
  return m;
}

ProcessPolicy Supervisor::PolicyOf(const Module& m) const {
  ProcessPolicy policy = options_.policy;
  // Each was checked when it was read.
  if (m.installed) {
    for (const ProcessSetting& setting : m.installed->process) {
      Apply(setting, &policy).IgnoreError();
    }
  }
  for (const std::string& whose : {std::string("*"), m.name}) {
    for (const OperatorSetting& s : options_.module_settings) {
      if (s.module == whose) Apply(s.setting, &policy).IgnoreError();
    }
  }
  return policy;
}

void Supervisor::LookAgain(const std::string& name) {
  const std::string directory = Locked([&] {
    mu_.AssertHeld();
    const Module* m = Find(name);
    return m != nullptr && m->installed ? m->installed->directory : "";
  });
  const event::LentMutexLock path_lock(&path_mu_);
  if (directory.empty() || !module_path_.Holds(directory)) Rescan();
}

void Supervisor::Rescan() {
  event::TakesItsTime();
  auto installed = module_path_.Scan();
  Locked([&] {
    mu_.AssertHeld();
    for (auto& [name, m] : modules_) m.installed.reset();
    for (auto& [name, module] : installed) FindOrAdd(name).installed = std::move(module);
    ApplyUpgradedPaths();
    for (auto& [name, m] : modules_) m.policy = PolicyOf(m);
  });
}

absl::Status Supervisor::Start(const std::vector<std::string>& initial_modules) {
  store::Batch initial;
  {
    absl::MutexLock path_lock(&path_mu_);
    Rescan();
  }
  absl::Status status = Locked([&]() -> absl::Status {
    mu_.AssertHeld();
    const auto records = parts_.store->List(kEnabledPrefix);
    for (const auto& [key, value] : records) {
      const std::string name(absl::StripPrefix(key, kEnabledPrefix));
      Module& m = FindOrAdd(name);
      m.enabled = value == "true";
      m.disabled_by_operator = !m.enabled;
    }
    for (const auto& [key, value] : parts_.store->List(kRegisterPrefix)) {
      Module* m = Find(absl::StripPrefix(key, kRegisterPrefix));
      if (m == nullptr || !m->registration.ParseFromString(value)) continue;
      const absl::Status set = parts_.commands->SetCommands(
          {command::Provider::Kind::kModule, m->name}, Declarations(m->registration));
      if (!set.ok()) log::Get("module").warn("{}: {}", m->name, set.ToString());
    }
    if (records.empty()) {
      for (const std::string& name : initial_modules) {
        Module* m = Find(name);
        if (m == nullptr) {
          return absl::NotFoundError(absl::StrCat("initial module '", name,
                                                  "' is not installed in ",
                                                  absl::StrJoin(options_.module_path, ":")));
        }
        m->enabled = true;
        initial.changes.push_back({absl::StrCat(kEnabledPrefix, name), "true"});
      }
    }
    return absl::OkStatus();
  });
  // Without the lock: the store's thread may want it for another write.
  if (status.ok() && !initial.changes.empty()) {
    status = parts_.store->WriteAndWait(std::move(initial));
  }
  if (!status.ok()) return status;
  return Locked([&]() -> absl::Status {
    mu_.AssertHeld();
    EndSecondProcesses();
    for (const auto& [key, record] : parts_.store->List(kProcessPrefix)) {
      const std::string name(absl::StripPrefix(key, kProcessPrefix));
      Module& m = FindOrAdd(name);
      if (AdoptProcess(m, record)) {
        if (!m.enabled) BeginStop(m, "not enabled");
        continue;
      }
      parts_.store->Write({.conditions = {}, .changes = {{key, std::nullopt}}},
                          [](const absl::Status&) {});
      ForgetStranger(name);
    }
    for (auto& [name, m] : modules_) {
      if (!m.enabled || m.process != nullptr) continue;
      if (m.installed.has_value()) {
        StartProcess(m);
      } else if (m.registration.name().empty()) {
        SetState(m, v1::MODULE_STATE_FAILED,
                 absl::StrCat("not installed in ", absl::StrJoin(options_.module_path, ":")));
      }
    }
    for (const std::string& name : parts_.config->DeclaredModules()) {
      if (Find(name) == nullptr && parts_.config->ForgetStranger(name)) {
        BoundOptionsOfStrangers(name);
      }
    }
    started_ = true;
    ReportHealth();
    return absl::OkStatus();
  });
}

void Supervisor::Stop() {
  Locked([&] {
    mu_.AssertHeld();
    shutting_down_ = true;
    for (auto& [name, m] : modules_) {
      m.start_after_stop = false;
      if (m.state == v1::MODULE_STATE_DISABLED || m.state == v1::MODULE_STATE_FAILED) continue;
      if (!m.stopping) BeginStop(m, "the manager stops");
    }
  });
  absl::MutexLock lock(&mu_);
  const auto busy = [&] {
    mu_.AssertHeld();
    return std::any_of(modules_.begin(), modules_.end(), [](const auto& entry) {
      const Module& m = entry.second;
      return m.process != nullptr || m.session != nullptr || m.predecessor != nullptr;
    });
  };
  // BeginStop ends in SIGKILL or a closed stream, so that this comes to an end.
  absl::Duration longest;
  for (const auto& [name, m] : modules_) {
    longest = std::max(longest, m.policy.drain_timeout + 2 * m.policy.shutdown_grace);
  }
  const event::Moment deadline = event::Moment::Now() + longest + absl::Seconds(5);
  while (busy()) {
    const absl::Duration left = deadline - event::Moment::Now();
    if (left <= absl::ZeroDuration()) break;
    gone_.Wait(&mu_, left);
  }
}

// ---------------------------------------------------------------- operators

void Supervisor::WriteEnabled(const std::string& name, bool enabled,
                              store::StateStore::WriteDone done) {
  parts_.store->Write(
      {.conditions = {},
       .changes = {{absl::StrCat(kEnabledPrefix, name), enabled ? "true" : "false"}}},
      std::move(done));
}

void Supervisor::Enable(const std::string& name, const std::string& by, absl::Duration wait,
                        ModuleInfoCallback callback) {
  const bool may_be_new = Locked([&] {
    mu_.AssertHeld();
    const Module* m = Find(name);
    return m == nullptr || m->state == v1::MODULE_STATE_DISABLED ||
           m->state == v1::MODULE_STATE_FAILED || m->state == v1::MODULE_STATE_ENDED;
  });
  if (may_be_new) LookAgain(name);  // it may have been installed, or mended, since
  absl::Status refusal = Locked([&]() -> absl::Status {
    mu_.AssertHeld();
    const Module* m = Find(name);
    if (m == nullptr || (!m->installed && !m->disabled_by_operator && m->session == nullptr)) {
      std::vector<std::string> known;
      for (const auto& [other, unused] : modules_) known.push_back(other);
      return absl::NotFoundError(absl::StrCat(Quoted(name), " is not installed in ",
                                              absl::StrJoin(options_.module_path, ":"),
                                              text::DidYouMean(text::Nearest(name, known, 3))));
    }
    if (m->installed && !m->installed->problem.empty()) {
      return absl::FailedPreconditionError(
          absl::StrCat(Quoted(name), " can't be started: ", m->installed->problem));
    }
    return absl::OkStatus();
  });
  if (!refusal.ok()) return callback(std::move(refusal));
  WriteEnabled(
      name, true,
      [this, name, by, wait, callback = std::move(callback)](absl::Status written) mutable {
        if (!written.ok()) return callback(std::move(written));
        Locked([&] {
          mu_.AssertHeld();
          Module& m = FindOrAdd(name);
          if (!std::exchange(m.enabled, true)) TellBy(name, v1::EVENT_KIND_ENABLED, by);
          m.disabled_by_operator = false;
          if (m.stopping) {
            m.start_after_stop = true;
          } else if (m.process == nullptr && m.session == nullptr && m.installed &&
                     m.state != v1::MODULE_STATE_BACKOFF) {
            m.failures = 0;
            m.restarts = 0;
            StartProcess(m);
          }
          Wait(m, /*for_stop=*/false, wait, std::move(callback));
        });
      });
}

void Supervisor::Disable(const std::string& name, const std::string& by,
                         ModuleInfoCallback callback) {
  const bool known = Locked([&] {
    mu_.AssertHeld();
    return Find(name) != nullptr;
  });
  if (!known) return callback(absl::NotFoundError(absl::StrCat(Quoted(name), " is not known")));
  WriteEnabled(name, false,
               [this, name, by, callback = std::move(callback)](absl::Status written) mutable {
                 if (!written.ok()) return callback(std::move(written));
                 Locked([&] {
                   mu_.AssertHeld();
                   Module& m = FindOrAdd(name);
                   if (std::exchange(m.enabled, false)) TellBy(name, v1::EVENT_KIND_DISABLED, by);
                   m.disabled_by_operator = true;
                   m.start_after_stop = false;
                   if (!m.stopping && m.state != v1::MODULE_STATE_DISABLED)
                     BeginStop(m, "disabled");
                   Wait(m, /*for_stop=*/true, absl::InfiniteDuration(), std::move(callback));
                 });
               });
}

void Supervisor::Restart(const std::string& name, const std::string& by, absl::Duration wait,
                         ModuleInfoCallback callback) {
  LookAgain(name);
  absl::Status refusal = Locked([&]() -> absl::Status {
    mu_.AssertHeld();
    Module* m = Find(name);
    if (m == nullptr || (!m->enabled && m->session == nullptr)) {
      return absl::FailedPreconditionError(absl::StrCat(
          Quoted(name), " is not enabled; `outpost module enable ", name, "` enables it"));
    }
    if (!m->enabled || (m->session != nullptr && m->process == nullptr)) {
      return absl::FailedPreconditionError(absl::StrCat(
          Quoted(name), " was not started by this manager; start it again where it was started"));
    }
    TellBy(name, v1::EVENT_KIND_RESTART, by);
    m->failures = 0;
    m->start_after_stop = true;
    if (!m->stopping) BeginStop(*m, "restart");
    Wait(*m, /*for_stop=*/false, wait, std::move(callback));
    return absl::OkStatus();
  });
  if (!refusal.ok()) callback(std::move(refusal));
}

void Supervisor::Wait(Module& m, bool for_stop, absl::Duration wait, ModuleInfoCallback callback) {
  const uint64_t id = next_waiter_++;
  Waiter& waiter = m.waiters[id];
  waiter.for_stop = for_stop;
  waiter.callback = std::move(callback);
  waiter.timer = parts_.timers->After(wait, [this, name = m.name, id] {
    Locked([&] {
      mu_.AssertHeld();
      Module* late = Find(name);
      if (late == nullptr) return;
      auto it = late->waiters.find(id);
      if (it == late->waiters.end()) return;
      deferred_.push_back([callback = std::move(it->second.callback),
                           info = Info(*late)]() mutable { callback(std::move(info)); });
      late->waiters.erase(it);
    });
  });
  Settle(m);
}

// Tells those who wait what they wait for, once it is so.
void Supervisor::Settle(Module& m) {
  const bool ended = m.session == nullptr && m.process == nullptr && !m.stopping;
  const bool settled = !m.stopping && m.state != v1::MODULE_STATE_STARTING &&
                       m.state != v1::MODULE_STATE_CONFIGURING &&
                       m.state != v1::MODULE_STATE_STOPPING;  // has failed, is being ended
  for (auto it = m.waiters.begin(); it != m.waiters.end();) {
    if (it->second.for_stop ? !ended : !settled) {
      ++it;
      continue;
    }
    parts_.timers->Cancel(it->second.timer);
    deferred_.push_back([callback = std::move(it->second.callback), info = Info(m)]() mutable {
      callback(std::move(info));
    });
    it = m.waiters.erase(it);
  }
}

}  // namespace outpost::module
