#include "modules/status/status_module.h"

#include "modules/status/fs_status.h"
#include "modules/status/osd_status.h"

namespace status {

using outpost::CommandContext;
using outpost::CommandResult;
using outpost::StructureRef;

StatusModule::StatusModule()
    : Module({.name = "status", .version = "0.1.0", .max_concurrency = 4}) {
  commands()
      .Add("osd status")
      .Describe("Show the status of OSDs within a bucket, or all")
      .Perm("r")
      .Arg<std::optional<std::string>>("bucket")
      .Handle([this](const CommandContext& context, const std::optional<std::string>& bucket) {
        return OsdStatus(context, bucket);
      });
  commands()
      .Add("fs status")
      .Describe("Show the status of a CephFS filesystem")
      .Perm("r")
      .Arg<std::optional<std::string>>("fs")
      .Handle([this](const CommandContext& context, const std::optional<std::string>& fs) {
        return FsStatus(context, fs);
      });
}

absl::StatusOr<StructureRef> StatusModule::GetIfThere(absl::string_view name) {
  absl::StatusOr<StructureRef> structure = Get(name);
  if (absl::IsNotFound(structure.status())) return StructureRef(std::string(name), 0, "null");
  return structure;
}

Counters StatusModule::GetAllCounters(const std::string& daemon_type,
                                      std::vector<std::string> paths) {
  auto series = GetCounters({.daemon = {.type = daemon_type}, .paths = std::move(paths)});
  if (series.ok()) return Counters(*std::move(series));
  if (!absl::IsUnimplemented(series.status())) {
    log().Warning("no counters of %s daemons: %s", daemon_type, series.status().message());
  }
  return Counters();
}

CommandResult StatusModule::OsdStatus(const CommandContext& context,
                                      const std::optional<std::string>& bucket) {
  const absl::StatusOr<StructureRef> osd_map = Get("osd_map");
  if (!osd_map.ok()) return osd_map.status();
  std::optional<std::set<int64_t>> only;
  if (bucket) {
    const absl::StatusOr<StructureRef> tree = Get("osd_map_tree");
    if (!tree.ok()) return tree.status();
    absl::StatusOr<std::set<int64_t>> osds = OsdsUnder(tree->parsed(), *bucket);
    if (!osds.ok()) return osds.status();
    only = *std::move(osds);
  }
  const absl::StatusOr<StructureRef> osd_stats = GetIfThere("osd_stats");
  if (!osd_stats.ok()) return osd_stats.status();
  const absl::StatusOr<StructureRef> osd_metadata = GetIfThere("osd_metadata");
  if (!osd_metadata.ok()) return osd_metadata.status();
  const Counters counters = GetAllCounters(
      "osd", {"osd.op_w", "osd.op_rw", "osd.op_r", "osd.op_in_bytes", "osd.op_out_bytes"});
  const std::vector<OsdRow> rows = OsdRows({.osd_map = osd_map->parsed(),
                                            .osd_stats = osd_stats->parsed(),
                                            .osd_metadata = osd_metadata->parsed(),
                                            .counters = counters},
                                           only);
  return outpost::Render(context, OsdsJson(rows), [&rows] { return PrintOsds(rows); });
}

CommandResult StatusModule::FsStatus(const CommandContext& context,
                                     const std::optional<std::string>& fs) {
  const absl::StatusOr<StructureRef> fs_map = Get("fs_map");
  if (!fs_map.ok()) return fs_map.status();
  const absl::StatusOr<StructureRef> osd_map = GetIfThere("osd_map");
  if (!osd_map.ok()) return osd_map.status();
  const absl::StatusOr<StructureRef> df = GetIfThere("df");
  if (!df.ok()) return df.status();
  std::map<std::string, std::string> versions;
  for (const std::string& name : MdsNames(fs_map->parsed())) {
    const auto metadata = GetMetadata("mds", name);
    if (!metadata.ok()) continue;  // it has not said anything yet
    if (const auto it = metadata->find("ceph_version"); it != metadata->end()) {
      versions[name] = it->second;
    }
  }
  const Counters counters =
      GetAllCounters("mds", {"mds_mem.dn", "mds_mem.ino", "mds_mem.dir", "mds_mem.cap",
                             "mds_sessions.session_count", "mds_server.handle_client_request",
                             "mds_log.replayed"});
  const absl::StatusOr<status::FsStatus> answer = MakeFsStatus({.fs_map = fs_map->parsed(),
                                                                .osd_map = osd_map->parsed(),
                                                                .df = df->parsed(),
                                                                .counters = counters,
                                                                .mds_version = versions},
                                                               fs);
  if (!answer.ok()) return answer.status();
  return outpost::Render(context, FsJson(*answer), [&answer] { return PrintFs(*answer); });
}

}  // namespace status
