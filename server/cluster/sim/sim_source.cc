#include "server/cluster/sim/sim_source.h"

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <fstream>
#include <sstream>
#include <string>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "outpost/internal/steady_wait.h"
#include "server/cluster/sim/sim_commands.h"
#include "server/cluster/sim/sim_structures.h"
#include "server/event/moment.h"
#include "server/event/thread_role.h"

namespace outpost::cluster::sim {
namespace {

using Clock = std::chrono::steady_clock;  // a step of the wall clock does not matter
using command::Result;

constexpr int kRestAfterFigures = 9;

Result Fail(int error, absl::string_view text) { return {-error, "", std::string(text)}; }

Result Stopped() { return Fail(ESHUTDOWN, "the simulated cluster has stopped"); }

}  // namespace

SimSource::SimSource(const SimOptions& options, ClusterState& state, PerfCounters& counters)
    : options_(options), state_(state), counters_(&counters) {}

SimSource::~SimSource() { Stop(); }

absl::Status SimSource::Start() {
  if (absl::Status status = Validate(options_); !status.ok()) return status;
  model_ = std::make_unique<Model>(options_);
  if (absl::Status status = ReadScript(); !status.ok()) return status;
  published_.assign(Structures().size(), 0);
  state_.SetClusterId(model_->cluster().fsid);
  counters_.Sample(model_->cluster(), event::Moment::Now());
  Publish(What::kAll, /*confirm=*/false);
  {
    absl::MutexLock lock(&mu_);
    phase_ = Phase::kRunning;
  }
  thread_ = std::thread([this] { Run(); });
  state_.SetConnection({true, ""});
  return absl::OkStatus();
}

void SimSource::Stop() {
  {
    absl::MutexLock lock(&mu_);
    if (phase_ != Phase::kRunning) return;
    phase_ = Phase::kStopped;
    changed_.Signal();
  }
  state_.SetConnection({false, "the simulated cluster has stopped"});
  thread_.join();
}

void SimSource::RunCommand(ClusterCommand command, command::ResultCallback done) {
  Result refusal;
  {
    absl::MutexLock lock(&mu_);
    if (phase_ == Phase::kNew) {
      refusal = Fail(ENOTCONN, "the simulated cluster has not started yet");
    } else if (phase_ == Phase::kStopped) {
      refusal = Stopped();
    } else if (queue_.size() >= options_.queue_limit) {
      refusal = Fail(EAGAIN, absl::StrCat(queue_.size(),
                                          " commands wait for the simulated cluster already: "
                                          "try again later"));
    } else {
      queue_.push_back({std::move(command), std::move(done)});
      changed_.Signal();
      return;
    }
  }
  done(std::move(refusal));
}

std::vector<command::Declaration> SimSource::Commands() const { return MonCommands(); }

void SimSource::OnCommandsChanged(std::function<void()>) {}

void SimSource::OnLog(
    const std::function<void(const std::string& who, v1::LogRecord line)>& listener) {
  on_log_ = listener;
}

absl::Status SimSource::ReadScript() {
  if (options_.script.empty()) return absl::OkStatus();
  std::ifstream file(options_.script);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file.is_open() || file.bad()) {
    return absl::NotFoundError(
        absl::StrCat("the script of the simulated cluster, ", options_.script, ", can't be read"));
  }
  absl::StatusOr<Script> script = Script::Parse(options_.script, text.str(), model_->cluster());
  if (!script.ok()) return script.status();
  script_ = *std::move(script);
  return absl::OkStatus();
}

void SimSource::WriteLine(absl::string_view level, absl::string_view text) {
  if (!on_log_) return;
  v1::LogRecord line;
  line.set_channel("cluster");
  line.set_message(std::string(text));
  line.set_level(level == "debug"   ? v1::LOG_LEVEL_DEBUG
                 : level == "warn"  ? v1::LOG_LEVEL_WARNING
                 : level == "error" ? v1::LOG_LEVEL_ERROR
                                    : v1::LOG_LEVEL_INFO);
  on_log_(absl::StrCat("mon.", model_->cluster().mons.front().name), std::move(line));
}

void SimSource::Run() {
  event::BeginBackground("sim");
  const Clock::duration tick = absl::ToChronoNanoseconds(options_.tick);
  Clock::time_point next_tick = Clock::now() + tick;
  mu_.Lock();
  while (phase_ == Phase::kRunning) {
    const Clock::time_point now = Clock::now();
    if (now >= next_tick) {
      // After a long halt it does not catch up.
      next_tick = std::max(next_tick + tick, now);
      mu_.Unlock();
      Tick();
      mu_.Lock();
    } else if (!queue_.empty()) {
      Waiting waiting = std::move(queue_.front());
      queue_.pop_front();
      mu_.Unlock();
      Obey(std::move(waiting));
      mu_.Lock();
    } else {
      changed_.Wait(&mu_, absl::FromChrono(next_tick - now));
    }
  }
  std::deque<Waiting> unanswered = std::move(queue_);
  queue_.clear();
  mu_.Unlock();
  for (Waiting& waiting : unanswered) waiting.done(Stopped());
}

void SimSource::Tick() {
  model_->Advance(options_.tick * options_.speed);
  const Cluster& cluster = model_->cluster();
  script_.Run(cluster.now - cluster.created, *model_,
              [this](absl::string_view level, absl::string_view text) { WriteLine(level, text); });
  counters_.Sample(model_->cluster(), event::Moment::Now());
  Publish(Clock::now() < figures_due_ ? What::kNoFigures : What::kAll, /*confirm=*/true);
}

void SimSource::Obey(Waiting waiting) {
  const ClusterCommand& command = waiting.command;
  if (internal::SteadyNow() >= command.deadline) {
    waiting.done(Fail(ETIMEDOUT, "the command's deadline passed before its turn came"));
    return;
  }
  const Cluster& cluster = model_->cluster();
  const auto revisions = [&] {
    return std::tuple(cluster.epoch, cluster.stats_revision, cluster.options_revision);
  };
  const auto before = revisions();
  Result result =
      sim::RunCommand(*model_, command.service_type, command.service_id, command.command_json);
  Publish(revisions() == before ? What::kNoFigures : What::kAll, /*confirm=*/false);
  waiting.done(std::move(result));
}

void SimSource::Publish(What what, bool confirm) {
  const Clock::time_point begin = Clock::now();
  const Cluster& cluster = model_->cluster();
  const absl::Span<const Structure> structures = Structures();
  for (size_t i = 0; i < structures.size(); ++i) {
    const Structure& structure = structures[i];
    if (what == What::kNoFigures && structure.figures()) continue;
    const uint64_t revision = structure.revision(cluster);
    if (revision != published_[i]) {
      state_.Publish(structure.name, Render(structure, cluster), structure.id(cluster));
      published_[i] = revision;
    } else if (confirm) {
      state_.Confirm(structure.name);
    }
  }
  if (what == What::kAll) {
    const Clock::time_point end = Clock::now();
    figures_due_ = end + kRestAfterFigures * (end - begin);
  }
}

}  // namespace outpost::cluster::sim
