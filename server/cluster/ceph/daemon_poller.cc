#include "server/cluster/ceph/daemon_poller.h"

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/cluster/ceph/ceph_structures.h"
#include "server/log/log.h"

namespace outpost::cluster::ceph {
namespace {

void Complain(absl::string_view what, const absl::Status& status, bool* complained) {
  if (*complained || absl::IsCancelled(status)) return;
  *complained = true;
  log::Get("cluster").warn("not up to date: {}: {}", std::string(what),
                           std::string(status.message()));
}

}  // namespace

void DaemonPoller::Poll(const MonitorPoller::Seen& seen, MonitorCommand monitors,
                        TellMonitor tell) {
  if (seen.mgr.available) PollPgs(seen, monitors);
  PollMonStatus(seen.status, tell);
}

void DaemonPoller::PollPgs(const MonitorPoller::Seen& seen, MonitorCommand monitors) {
  // Where the groups are can change without their sums: then the OSD map has too.
  const std::string current = absl::StrCat(seen.status.osdmap_epoch, " ", seen.status.pgmap);
  if (current == pgs_) {
    for (const char* name : {"pg_summary", "pg_status", "osd_stats", "pool_stats"}) {
      state_.Confirm(name);
    }
    return;
  }
  if (const absl::Status status = FetchPgs(seen.status, monitors); !status.ok()) {
    Complain("pg_summary, pg_status, osd_stats and pool_stats", status, &complained_of_pgs_);
    return;
  }
  pgs_ = current;
  complained_of_pgs_ = false;
}

absl::Status DaemonPoller::FetchPgs(const StatusSummary& status, MonitorCommand monitors) {
  const absl::StatusOr<std::string> sum = Query(monitors, {"pg dump", R"("dumpcontents":["sum"])"});
  if (!sum.ok()) return sum.status();
  const absl::StatusOr<std::string> brief =
      Query(monitors, {"pg dump", R"("dumpcontents":["pgs_brief","osds","pools"])"});
  if (!brief.ok()) return brief.status();
  const absl::StatusOr<PgStructures> structures = MakePgStructures(*sum, *brief, status.pgmap);
  if (!structures.ok()) return structures.status();
  state_.Publish("pg_summary", structures->pg_summary);
  state_.Publish("pg_status", structures->pg_status);
  state_.Publish("osd_stats", structures->osd_stats);
  state_.Publish("pool_stats", structures->pool_stats);
  return absl::OkStatus();
}

void DaemonPoller::PollMonStatus(const StatusSummary& status, TellMonitor tell) {
  if (status.quorum.empty()) return;
  const std::string current = absl::StrCat(status.monmap_epoch, " ", status.quorum_text);
  if (current == mon_status_) {
    state_.Confirm("mon_status");
    return;
  }
  const absl::StatusOr<std::string> text =
      Query([&](absl::string_view command) { return tell(status.quorum.front(), command); },
            {"mon_status"});
  const absl::StatusOr<std::string> structure =
      text.ok() ? TextStructure(*text) : absl::StatusOr<std::string>(text.status());
  if (!structure.ok()) {
    Complain("mon_status", structure.status(), &complained_of_mon_status_);
    return;
  }
  state_.Publish("mon_status", *structure);
  mon_status_ = current;
  complained_of_mon_status_ = false;
}

}  // namespace outpost::cluster::ceph
