#include "server/cluster/report/report_source.h"

#include <cerrno>

#include "absl/strings/str_cat.h"

namespace outpost::cluster::report {

absl::Status ReportSource::Start() {
  state_->SetConnection({true, ""});
  return absl::OkStatus();
}

void ReportSource::Stop() { state_->SetConnection({false, "the manager takes no more reports"}); }

void ReportSource::RunCommand(ClusterCommand command, command::ResultCallback done) {
  done({-EOPNOTSUPP, "",
        absl::StrCat("daemons that report take no commands, and there is no cluster beside them (",
                     command.service_type, command.service_id.empty() ? "" : ".",
                     command.service_id, " was meant)")});
}

void ReportSource::OnCommandsChanged(std::function<void()>) {}

}  // namespace outpost::cluster::report
