// Script is what befalls a simulated cluster, and when: OSDs and hosts that fail, pools that fill,
// flags, lines of the cluster log. docs/running-a-manager.md describes the text.
//
// **Thread safety.** One thread, that of the model.
//
// **Invariants.** Events happen in the order of their times, those of one time in the order of
// their lines; each once, or once a round where the script repeats.
#ifndef OUTPOST_SERVER_CLUSTER_SIM_SIM_SCRIPT_H_
#define OUTPOST_SERVER_CLUSTER_SIM_SIM_SCRIPT_H_

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/cluster/sim/sim_model.h"

namespace outpost::cluster::sim {

class Script {
 public:
  // Writes a line of the cluster log: "debug", "info", "warn" or "error", and the text.
  using Log = std::function<void(absl::string_view level, absl::string_view text)>;

  // Nothing befalls it.
  Script() = default;

  // `name` is the script's, for messages; OSDs, hosts and pools are those of `cluster`.
  // INVALID_ARGUMENT: "<name>:<line>: what is wrong, and what would be right".
  static absl::StatusOr<Script> Parse(absl::string_view name, absl::string_view text,
                                      const Cluster& cluster);

  // Lets happen what is due at `elapsed`, the simulated time since the start. `elapsed` does not
  // fall. Pools that were removed meanwhile are left alone.
  void Run(absl::Duration elapsed, Model& model, const Log& log);

 private:
  using Action = std::function<void(Model&, const Log&)>;
  struct Event {
    absl::Duration at;
    Action action;
  };
  friend class ScriptParser;

  std::vector<Event> events_;                         // by time
  absl::Duration repeat_ = absl::InfiniteDuration();  // a round
  absl::Duration round_began_;
  size_t next_ = 0;
};

}  // namespace outpost::cluster::sim

#endif  // OUTPOST_SERVER_CLUSTER_SIM_SIM_SCRIPT_H_
