// ModifiedOptions gathers the names of the options that are not at their defaults
// (modified_config_options). What is set centrally, the monitors tell at once, for all daemons. The
// rest (a daemon's conf file, its command line, what was told to it alone) must be asked for each
// daemon: after its start, and again when much time has passed, so that in a cluster of thousands
// there are kRecurring of these questions a second, on average.
//
// **Thread safety.** For one thread.
//
// **Invariants.** A daemon is asked for once after each start, unless it was not known then; the
// names that it had count until it is asked for again, or is gone.
#ifndef OUTPOST_SERVER_CLUSTER_CEPH_MODIFIED_OPTIONS_H_
#define OUTPOST_SERVER_CLUSTER_CEPH_MODIFIED_OPTIONS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace outpost::cluster::ceph {

class ModifiedOptions {
 public:
  static constexpr int kRecurring = 2;

  // A daemon ("osd.0"), and which start of it this is.
  using Daemon = std::pair<std::string, uint64_t>;

  // A daemon is asked for again `review` after it was, or later; and `settling` after a start of
  // which the mgr had not heard.
  ModifiedOptions(absl::Duration review, absl::Duration settling)
      : review_(review), settling_(settling) {}

  void SetCentral(std::vector<std::string> names);
  // The daemons that run; the others are forgotten.
  void SetDaemons(const std::vector<Daemon>& daemons);

  // Whom to ask for now, at `now` by the steady clock; nullopt: nobody.
  std::optional<std::string> Next(absl::Duration now) const;
  // What was said of a daemon that is known.
  void Told(absl::string_view daemon, std::vector<std::string> names, absl::Duration now);
  // The mgr knows nothing of that daemon yet.
  void NotKnown(absl::string_view daemon, absl::Duration now);

  std::set<std::string> Names() const;

 private:
  struct State {
    uint64_t start = 0;
    absl::Duration due = -absl::InfiniteDuration();
    std::vector<std::string> names;
  };

  void Postpone(std::map<std::string, State, std::less<>>::iterator daemon, absl::Duration due);
  void Replace(std::vector<std::string>* names, std::vector<std::string> by);

  const absl::Duration review_;
  const absl::Duration settling_;
  std::vector<std::string> central_;
  std::map<std::string, State, std::less<>> daemons_;
  std::set<std::pair<absl::Duration, std::string>> queue_;  // by due
  std::map<std::string, int> uses_;                         // of each name, none of them 0
};

}  // namespace outpost::cluster::ceph

#endif  // OUTPOST_SERVER_CLUSTER_CEPH_MODIFIED_OPTIONS_H_
