// ReportSource is the cluster that is made of nothing but what daemons report: it
// publishes nothing by itself (see reported_daemons.h), and takes no commands.
//
// **Thread safety.** As Source says.
#ifndef OUTPOST_SERVER_CLUSTER_REPORT_REPORT_SOURCE_H_
#define OUTPOST_SERVER_CLUSTER_REPORT_REPORT_SOURCE_H_

#include <functional>
#include <vector>

#include "server/cluster/cluster_state.h"
#include "server/cluster/source.h"

namespace outpost::cluster::report {

class ReportSource final : public Source {
 public:
  // `state` outlives the source.
  explicit ReportSource(ClusterState* state) : state_(state) {}

  absl::string_view name() const override { return "report"; }
  // The cluster is reached whenever the manager runs.
  absl::Status Start() override;
  void Stop() override;
  // -EOPNOTSUPP.
  void RunCommand(ClusterCommand command, command::ResultCallback done) override;
  std::vector<command::Declaration> Commands() const override { return {}; }
  // There are never any: `listener` is not called.
  void OnCommandsChanged(std::function<void()> listener) override;

 private:
  ClusterState* const state_;
};

}  // namespace outpost::cluster::report

#endif  // OUTPOST_SERVER_CLUSTER_REPORT_REPORT_SOURCE_H_
