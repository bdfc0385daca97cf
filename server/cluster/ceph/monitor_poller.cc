#include "server/cluster/ceph/monitor_poller.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/cluster/ceph/ceph_structures.h"
#include "server/cluster/ceph/monitor_query.h"
#include "server/cluster/ceph/whole_floats.h"
#include "server/cluster/crush_text.h"
#include "server/log/log.h"

namespace outpost::cluster::ceph {
namespace {

constexpr absl::string_view kDetail = R"("detail":"detail")";
// The name that ceph-mgr knows, and the one that its guide tells.
constexpr const char* kCrushMapTexts[] = {"osdmap_crush_map_text", "osd_crush_map_text"};

// Asks, and checks that the answer is JSON.
absl::StatusOr<std::string> QueryJson(MonitorCommand monitors, const MonitorQuery& query) {
  absl::StatusOr<std::string> answer = Query(monitors, query);
  if (!answer.ok()) return answer;
  if (absl::Status status = CheckJson(*answer); !status.ok()) {
    return absl::UnavailableError(absl::StrCat("\"", query.prefix,
                                               "\" was answered with text "
                                               "that is not JSON"));
  }
  return answer;
}

}  // namespace

template <typename T>
absl::Status MonitorPoller::Refresh(absl::string_view structure, const T& current,
                                    std::optional<T>* known,
                                    absl::FunctionRef<absl::StatusOr<T>()> fetch) {
  if (*known == current) {
    state_.Confirm(structure);
    return absl::OkStatus();
  }
  absl::StatusOr<T> fetched = fetch();
  if (fetched.ok()) {
    *known = *std::move(fetched);
    complained_.erase(std::string(structure));
    return absl::OkStatus();
  }
  if (absl::IsDeadlineExceeded(fetched.status()) || absl::IsCancelled(fetched.status())) {
    return fetched.status();
  }
  if (complained_.insert(std::string(structure)).second) {
    log::Get("cluster").warn("structure {} stays as it was: {}", std::string(structure),
                             std::string(fetched.status().message()));
  }
  return absl::OkStatus();
}

absl::StatusOr<MonitorPoller::Seen> MonitorPoller::Poll(MonitorCommand monitors) {
  const absl::StatusOr<std::string> status_text = Query(monitors, {"status"});
  if (!status_text.ok()) return status_text.status();
  absl::StatusOr<StatusSummary> status = ParseStatus(*status_text);
  if (!status.ok()) return status.status();
  const absl::StatusOr<std::string> mgr_text = Query(monitors, {"mgr stat"});
  if (!mgr_text.ok()) return mgr_text.status();
  const absl::StatusOr<MgrStat> mgr = ParseMgrStat(*mgr_text);
  if (!mgr.ok()) return mgr.status();

  absl::Status result = RefreshMonMap(monitors, status->monmap_epoch);
  if (result.ok()) result = RefreshOsdMap(monitors, status->osdmap_epoch);
  if (result.ok()) result = RefreshOsdDetails(monitors);
  if (result.ok()) {
    result = RefreshMap(monitors, "fs_map", {"fs dump"}, status->fsmap_epoch, &fs_map_);
  }
  if (result.ok()) result = RefreshMap(monitors, "mgr_map", {"mgr dump"}, mgr->epoch, &mgr_map_);
  if (result.ok()) {
    result = RefreshMap(monitors, "service_map", {"service dump"}, status->servicemap_epoch,
                        &service_map_);
  }
  if (result.ok()) {
    result = RefreshMetadata(monitors, "mon", status->monmap_epoch, &mon_metadata_);
  }
  if (result.ok()) result = RefreshMetadata(monitors, "mgr", mgr->epoch, &mgr_metadata_);
  if (result.ok()) {
    result = RefreshMetadata(monitors, "mds", status->fsmap_epoch, &mds_metadata_);
  }
  if (result.ok()) result = RefreshHealth(monitors, *status);
  if (result.ok()) result = RefreshDf(monitors, *status);
  if (!result.ok()) return result;
  return Seen{*std::move(status), *mgr, osd_map_facts_.up};
}

absl::Status MonitorPoller::RefreshMonMap(MonitorCommand monitors, uint64_t epoch) {
  return Refresh<uint64_t>("mon_map", epoch, &mon_map_, [&]() -> absl::StatusOr<uint64_t> {
    const absl::StatusOr<std::string> dump = Query(monitors, {"mon dump"});
    if (!dump.ok()) return dump.status();
    const absl::StatusOr<std::string> map = MonMapStructure(*dump);
    if (!map.ok()) return map.status();
    absl::StatusOr<uint64_t> fetched = ParseEpoch(*map);
    if (fetched.ok()) state_.Publish("mon_map", *map, absl::StrCat(*fetched));
    return fetched;
  });
}

absl::Status MonitorPoller::RefreshOsdMap(MonitorCommand monitors, uint64_t epoch) {
  return Refresh<uint64_t>("osd_map", epoch, &osd_map_, [&]() -> absl::StatusOr<uint64_t> {
    const absl::StatusOr<std::string> dump = Query(monitors, {"osd dump"});
    if (!dump.ok()) return dump.status();
    absl::StatusOr<OsdMapFacts> facts = ParseOsdMap(*dump);
    if (!facts.ok()) return facts.status();
    osd_map_facts_ = *std::move(facts);
    state_.Publish("osd_map", WithPoints("osd_map", *dump), absl::StrCat(osd_map_facts_.epoch));
    return osd_map_facts_.epoch;
  });
}

absl::Status MonitorPoller::RefreshOsdDetails(MonitorCommand monitors) {
  if (!osd_map_.has_value()) return absl::OkStatus();
  const std::string id = absl::StrCat(osd_map_facts_.epoch);
  absl::Status result = Refresh<uint64_t>(
      "osd_map_crush", osd_map_facts_.crush_version, &osd_map_crush_,
      [&]() -> absl::StatusOr<uint64_t> {
        const absl::StatusOr<std::string> crush = Query(monitors, {"osd crush dump"});
        if (!crush.ok()) return crush.status();
        const absl::StatusOr<std::string> text = CrushText(*crush);
        if (!text.ok()) return text.status();
        state_.Publish("osd_map_crush", WithPoints("osd_map_crush", *crush), id);
        const std::string structure = JsonText(*text);
        for (const char* name : kCrushMapTexts) state_.Publish(name, structure, id);
        return osd_map_facts_.crush_version;
      });
  if (!result.ok()) return result;
  if (osd_map_crush_ == osd_map_facts_.crush_version) {
    for (const char* name : kCrushMapTexts) state_.Confirm(name);
    result = Refresh<uint64_t>(
        "osd_map_tree", osd_map_facts_.epoch, &osd_map_tree_, [&]() -> absl::StatusOr<uint64_t> {
          const absl::StatusOr<SnapshotPtr> map = state_.Get("osd_map");
          const absl::StatusOr<SnapshotPtr> crush = state_.Get("osd_map_crush");
          if (!map.ok()) return map.status();
          if (!crush.ok()) return crush.status();
          const absl::StatusOr<std::string> tree = OsdTreeStructure((*map)->json, (*crush)->json);
          if (!tree.ok()) return tree.status();
          state_.Publish("osd_map_tree", WithPoints("osd_map_tree", *tree), id);
          return osd_map_facts_.epoch;
        });
    if (!result.ok()) return result;
  }
  return Refresh<OsdBoots>(
      "osd_metadata", osd_map_facts_.boots, &osd_metadata_, [&]() -> absl::StatusOr<OsdBoots> {
        const absl::StatusOr<std::string> list = Query(monitors, {"osd metadata"});
        if (!list.ok()) return list.status();
        const absl::StatusOr<std::string> metadata = OsdMetadataStructure(*list);
        if (!metadata.ok()) return metadata.status();
        state_.Publish("osd_metadata", *metadata, id);
        return osd_map_facts_.boots;
      });
}

absl::Status MonitorPoller::RefreshMap(MonitorCommand monitors, absl::string_view structure,
                                       const MonitorQuery& query, uint64_t epoch,
                                       std::optional<uint64_t>* known) {
  return Refresh<uint64_t>(structure, epoch, known, [&]() -> absl::StatusOr<uint64_t> {
    const absl::StatusOr<std::string> map = Query(monitors, query);
    if (!map.ok()) return map.status();
    absl::StatusOr<uint64_t> fetched = ParseEpoch(*map);
    if (fetched.ok()) state_.Publish(structure, *map, absl::StrCat(*fetched));
    return fetched;
  });
}

absl::Status MonitorPoller::RefreshMetadata(MonitorCommand monitors, absl::string_view type,
                                            uint64_t epoch, std::optional<uint64_t>* known) {
  const std::string structure = absl::StrCat(type, "_metadata");
  const std::string query = absl::StrCat(type, " metadata");
  return Refresh<uint64_t>(structure, epoch, known, [&]() -> absl::StatusOr<uint64_t> {
    const absl::StatusOr<std::string> list = Query(monitors, {query});
    if (!list.ok()) return list.status();
    const absl::StatusOr<std::string> metadata = NamedMetadataStructure(query, *list);
    if (!metadata.ok()) return metadata.status();
    state_.Publish(structure, *metadata, absl::StrCat(epoch));
    return epoch;
  });
}

absl::Status MonitorPoller::RefreshHealth(MonitorCommand monitors, const StatusSummary& status) {
  // Details may change while the summary stays; they are few.
  if (!status.healthy) health_.reset();
  return Refresh<std::string>(
      "health", status.health, &health_, [&]() -> absl::StatusOr<std::string> {
        const absl::StatusOr<std::string> health = Query(monitors, {"health", kDetail});
        if (!health.ok()) return health.status();
        const absl::StatusOr<std::string> structure = TextStructure(*health);
        if (!structure.ok()) return structure.status();
        state_.Publish("health", *structure);
        return status.health;
      });
}

absl::Status MonitorPoller::RefreshDf(MonitorCommand monitors, const StatusSummary& status) {
  return Refresh<std::string>("df", status.pgmap, &df_, [&]() -> absl::StatusOr<std::string> {
    const absl::StatusOr<std::string> df = QueryJson(monitors, {"df", kDetail});
    if (!df.ok()) return df.status();
    state_.Publish("df", WithPoints("df", *df));
    return status.pgmap;
  });
}

}  // namespace outpost::cluster::ceph
