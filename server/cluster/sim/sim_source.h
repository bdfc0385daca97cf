// SimSource is a cluster that needs no cluster: a Model on a thread of its own,
// which ticks, obeys commands and publishes what has changed. For trying things
// out, and for tests.
//
// **Thread safety.** As Source says. A command's callback runs on the source's
// thread; where the command was not accepted, on the caller's.
//
// **Invariants.**
// 1. Commands run in the order of RunCommand, one at a time.
// 2. What a command changed is published before its callback runs.
// 3. A structure is rendered again only when it may have changed, and the figures that
//    change with time (usage, rates) during at most a tenth of the time: in a cluster of
//    thousands of OSDs they come every few seconds, all of the same moment.
#ifndef OUTPOST_SERVER_CLUSTER_SIM_SIM_SOURCE_H_
#define OUTPOST_SERVER_CLUSTER_SIM_SIM_SOURCE_H_

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "outpost/internal/steady_wait.h"
#include "server/cluster/cluster_state.h"
#include "server/cluster/perf_counters.h"
#include "server/cluster/sim/sim_counters.h"
#include "server/cluster/sim/sim_model.h"
#include "server/cluster/sim/sim_options.h"
#include "server/cluster/sim/sim_script.h"
#include "server/cluster/source.h"
#include "server/command/command.h"

namespace outpost::cluster::sim {

class SimSource final : public Source {
 public:
  // `state` and `counters` outlive the source.
  SimSource(const SimOptions& options, ClusterState& state, PerfCounters& counters);
  // Stops, where Stop was not called.
  ~SimSource() override;

  absl::string_view name() const override { return "sim"; }

  // INVALID_ARGUMENT: an option is out of its range, or the script is wrong; NOT_FOUND: it can't be
  // read. When it returns OK, everything
  // is published and connected.
  absl::Status Start() override;
  void Stop() override;

  // service_type "mon" or "osd". A command whose turn comes after its deadline is
  // not run.
  void RunCommand(ClusterCommand command, command::ResultCallback done) override;
  std::vector<command::Declaration> Commands() const override;
  // The commands are always the same: `listener` is never called.
  void OnCommandsChanged(std::function<void()> listener) override;
  // Lines that the script tells; the health is left to the manager.
  void OnLog(
      const std::function<void(const std::string& who, v1::LogRecord line)>& listener) override;

 private:
  enum class Phase { kNew, kRunning, kStopped };
  struct Waiting {
    ClusterCommand command;
    command::ResultCallback done;
  };

  absl::Status ReadScript();
  void WriteLine(absl::string_view level, absl::string_view text);
  void Run();
  void Tick();
  void Obey(Waiting waiting);
  enum class What { kAll, kNoFigures };
  // Publishes the structures that may have changed; with `confirm`, confirms the others.
  void Publish(What what, bool confirm);

  const SimOptions options_;
  ClusterState& state_;

  // Of Start, and then of the thread.
  SimCounters counters_;
  std::unique_ptr<Model> model_;
  Script script_;
  std::function<void(const std::string& who, v1::LogRecord line)> on_log_;
  std::vector<uint64_t> published_;  // the revision of each of Structures(); 0: none yet
  std::chrono::steady_clock::time_point figures_due_;

  absl::Mutex mu_;
  internal::SteadyCondVar changed_;
  Phase phase_ ABSL_GUARDED_BY(mu_) = Phase::kNew;
  std::deque<Waiting> queue_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};

}  // namespace outpost::cluster::sim

#endif  // OUTPOST_SERVER_CLUSTER_SIM_SIM_SOURCE_H_
