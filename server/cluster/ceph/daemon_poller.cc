#include "server/cluster/ceph/daemon_poller.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "server/cluster/ceph/ceph_structures.h"
#include "server/cluster/ceph/pg_structures.h"
#include "server/cluster/ceph/whole_floats.h"
#include "server/event/moment.h"
#include "server/log/log.h"

namespace outpost::cluster::ceph {
namespace {

std::string RunningOsds(const MonitorPoller::Seen& seen) {
  return absl::StrJoin(seen.osds_up, " ", absl::PairFormatter(":"));
}

}  // namespace

bool Review::Due(absl::string_view key) {
  const absl::Duration now = event::Moment::Now().steady;
  const bool changed = absl::string_view(key_) != key;
  if (changed) {
    key_ = std::string(key);
    changed_ = now;
  }
  if (!changed && now - changed_ >= options_.settling && now - asked_ < options_.review) {
    return false;
  }
  asked_ = now;
  return true;
}

void DaemonPoller::Note(absl::string_view what, const absl::Status& status) {
  if (absl::IsCancelled(status)) return;
  if (status.ok()) {
    complained_.erase(std::string(what));
  } else if (complained_.emplace(what).second) {
    log::Get("cluster").warn("not up to date: {}: {}", std::string(what),
                             std::string(status.message()));
  }
}

void DaemonPoller::Poll(const MonitorPoller::Seen& seen, MonitorCommand monitors,
                        TellMonitor tell) {
  if (seen.mgr.available) {
    PollPgs(seen, monitors);
    PollDevices(seen, monitors);
    PollConfig(seen, monitors);
  }
  PollMonStatus(seen.status, tell);
}

void DaemonPoller::PollPgs(const MonitorPoller::Seen& seen, MonitorCommand monitors) {
  // Where the groups are can change without their sums: then the OSD map has too.
  const std::string current = absl::StrCat(seen.status.osdmap_epoch, " ", seen.status.pgmap);
  if (current == pgs_) {
    for (const char* name : pg_structures_) state_.Confirm(name);
    return;
  }
  const absl::Status status = FetchPgs(seen.status, monitors);
  Note("pg_dump, osd_stats, pool_stats and what is made of them", status);
  if (status.ok()) pgs_ = current;
}

absl::Status DaemonPoller::FetchPgs(const StatusSummary& status, MonitorCommand monitors) {
  const absl::StatusOr<std::string> dump =
      Query(monitors, {"pg dump", R"("dumpcontents":["all"])"});
  if (!dump.ok()) return dump.status();
  const absl::StatusOr<std::string> pools = Query(monitors, {"osd pool stats"});
  if (!pools.ok()) return pools.status();
  const absl::StatusOr<PgStructures> structures = MakePgStructures(*dump, status.pgmap);
  if (!structures.ok()) return structures.status();
  const absl::StatusOr<std::string> pool_stats =
      ListStructure("osd pool stats", "pool_stats", *pools);
  if (!pool_stats.ok()) return pool_stats.status();
  pg_structures_ = {"osd_pool_stats"};
  state_.Publish("osd_pool_stats", WithPoints("osd_pool_stats", *pool_stats));
  for (const auto& [name, json] : *structures) {
    pg_structures_.push_back(name);
    state_.Publish(name, WithPoints(name, json));
  }
  return absl::OkStatus();
}

void DaemonPoller::PollDevices(const MonitorPoller::Seen& seen, MonitorCommand monitors) {
  // It knows of disks from the daemons that have told it.
  const std::string key = absl::StrCat(seen.mgr.epoch, " ", seen.status.monmap_epoch, " ",
                                       seen.status.servicemap_epoch, " ", RunningOsds(seen));
  if (!devices_.Due(key)) return;
  const absl::Status status = FetchDevices(monitors);
  Note("devices", status);
  if (!status.ok()) devices_.Again();
}

absl::Status DaemonPoller::FetchDevices(MonitorCommand monitors) {
  const absl::StatusOr<std::string> list = Query(monitors, {"device ls"});
  if (!list.ok()) return list.status();
  const absl::StatusOr<std::string> devices = ListStructure("device ls", "devices", *list);
  if (!devices.ok()) return devices.status();
  state_.Publish("devices", *devices);
  return absl::OkStatus();
}

void DaemonPoller::PollConfig(const MonitorPoller::Seen& seen, MonitorCommand monitors) {
  const absl::StatusOr<std::string> log = Query(monitors, {"config log", R"("num":1)"});
  const absl::StatusOr<uint64_t> version =
      log.ok() ? ParseConfigVersion(*log) : absl::StatusOr<uint64_t>(log.status());
  Note("the version of the configuration", version.status());
  if (!version.ok()) return;
  const std::string key = absl::StrCat(*version, " ", seen.mgr.epoch);
  if (config_.Due(key)) {
    const absl::Status status = FetchConfig(seen.mgr, monitors);
    Note("config", status);
    if (!status.ok()) config_.Again();
  }
  PollModifiedOptions(seen, *version, monitors);
}

absl::Status DaemonPoller::FetchConfig(const MgrStat& mgr, MonitorCommand monitors) {
  const absl::StatusOr<std::string> options = Query(
      monitors, {"config show-with-defaults", absl::StrCat(R"("who":"mgr.)", mgr.active, "\"")});
  if (!options.ok()) return options.status();
  const absl::StatusOr<std::string> config =
      ConfigStructure(*options, mgr.active, options_.cluster, state_.cluster_id());
  if (!config.ok()) return config.status();
  state_.Publish("config", *config);
  state_.Publish("have_local_config_map", R"({"have_local_config_map":true})");
  return absl::OkStatus();
}

absl::Status DaemonPoller::FetchCentralOptions(MonitorCommand monitors) {
  const absl::StatusOr<std::string> dump = Query(monitors, {"config dump"});
  if (!dump.ok()) return dump.status();
  absl::StatusOr<std::vector<std::string>> names = CentralOptionNames(*dump);
  if (!names.ok()) return names.status();
  modified_.SetCentral(*std::move(names));
  return absl::OkStatus();
}

void DaemonPoller::PollModifiedOptions(const MonitorPoller::Seen& seen, uint64_t version,
                                       MonitorCommand monitors) {
  if (central_options_ != version) {
    const absl::Status status = FetchCentralOptions(monitors);
    Note("the central options of modified_config_options", status);
    if (!status.ok()) return;
    central_options_ = version;
  }
  std::vector<ModifiedOptions::Daemon> daemons = {
      {absl::StrCat("mgr.", seen.mgr.active), seen.mgr.epoch}};
  // One that has started again has made an election.
  const uint64_t election = std::hash<std::string>()(seen.status.quorum_text);
  for (const std::string& mon : seen.status.quorum) {
    daemons.emplace_back(absl::StrCat("mon.", mon), election);
  }
  for (const auto& [osd, up_from] : seen.osds_up) {
    daemons.emplace_back(absl::StrCat("osd.", osd), up_from);
  }
  modified_.SetDaemons(daemons);
  const absl::Duration now = event::Moment::Now().steady;
  const size_t questions = std::max(kOptionsPerPoll, daemons.size() / kPollsForOptions);
  for (size_t i = 0; i < questions; ++i) {
    const std::optional<std::string> daemon = modified_.Next(now);
    if (!daemon.has_value()) break;
    const absl::StatusOr<std::string> shown =
        Query(monitors, {"config show", absl::StrCat(R"("who":")", *daemon, "\"")});
    // No answer: it is asked again with the next poll. A refusal: the mgr has not heard of the
    // daemon yet, or it has gone.
    if (absl::IsDeadlineExceeded(shown.status()) || absl::IsCancelled(shown.status())) return;
    absl::StatusOr<std::vector<std::string>> names =
        shown.ok() ? LocalOptionNames(*shown)
                   : absl::StatusOr<std::vector<std::string>>(shown.status());
    if (names.ok()) {
      modified_.Told(*daemon, *std::move(names), now);
    } else {
      modified_.NotKnown(*daemon, now);
    }
  }
  state_.Publish("modified_config_options", ModifiedOptionsStructure(modified_.Names()));
}

void DaemonPoller::PollMonStatus(const StatusSummary& status, TellMonitor tell) {
  if (status.quorum.empty()) return;
  const std::string current = absl::StrCat(status.monmap_epoch, " ", status.quorum_text);
  if (current == mon_status_) {
    state_.Confirm("mon_status");
    return;
  }
  // librados loses memory with each question to one monitor, also a refused one.
  if (current == mon_status_denied_) return;
  const absl::StatusOr<std::string> text =
      Query([&](absl::string_view command) { return tell(status.quorum.front(), command); },
            {"mon_status"});
  const absl::StatusOr<std::string> structure =
      text.ok() ? TextStructure(*text) : absl::StatusOr<std::string>(text.status());
  Note("mon_status", structure.status());
  if (absl::IsPermissionDenied(structure.status())) mon_status_denied_ = current;
  if (!structure.ok()) return;
  state_.Publish("mon_status", *structure);
  mon_status_ = current;
}

}  // namespace outpost::cluster::ceph
