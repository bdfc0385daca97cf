#include "modules/status/fs_status.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "modules/status/json_access.h"
#include "modules/status/units.h"
#include "outpost/table.h"

namespace status {

using outpost::Json;
using outpost::Table;

namespace {

constexpr char kUnknownVersion[] = "unknown";

MdsRow MakeMdsRow(const Json& info, const Counters& counters) {
  MdsRow row;
  row.name = Text(info, "name");
  row.dns = counters.Latest(row.name, "mds_mem.dn");
  row.inos = counters.Latest(row.name, "mds_mem.ino");
  row.dirs = counters.Latest(row.name, "mds_mem.dir");
  row.caps = counters.Latest(row.name, "mds_mem.cap");
  // "up:active"
  const std::string state = Text(info, "state");
  row.state = state.substr(state.find(':') + 1);
  if (row.state == "active") {
    row.rate = counters.Rate(row.name, "mds_server.handle_client_request");
  } else if (row.state == "standby-replay") {
    row.rate = counters.Rate(row.name, "mds_log.replayed");
  }
  if (!Field(info, "laggy_since").is_null()) row.state += "(laggy)";
  return row;
}

FileSystem MakeFileSystem(const Json& mdsmap, const FsInputs& inputs) {
  FileSystem fs;
  fs.name = Text(mdsmap, "fs_name");
  const Json& infos = Field(mdsmap, "info");
  for (const Json& in : Field(mdsmap, "in")) {
    const int64_t rank = in.is_number_integer() ? in.get<int64_t>() : -1;
    const Json& gid = Field(Field(mdsmap, "up"), absl::StrCat("mds_", rank));
    MdsRow row;
    row.state = "failed";
    if (gid.is_number_integer()) {
      row = MakeMdsRow(Field(infos, absl::StrCat("gid_", gid.get<int64_t>())), inputs.counters);
      // Rank 0 knows the clients; while it is down, another may.
      if (rank == 0 || fs.clients == 0) {
        fs.clients = inputs.counters.Latest(row.name, "mds_sessions.session_count");
      }
    }
    row.rank = rank;
    fs.servers.push_back(std::move(row));
  }
  for (const auto& [gid, info] : infos.items()) {
    if (Text(info, "state") != "up:standby-replay") continue;
    MdsRow row = MakeMdsRow(info, inputs.counters);
    row.rank = Number(info, "rank");
    fs.servers.push_back(std::move(row));
  }
  const auto add_pool = [&](int64_t id, bool metadata) {
    PoolRow pool{.id = id, .name = absl::StrCat(id), .metadata = metadata};
    for (const Json& p : Field(inputs.osd_map, "pools")) {
      if (Number(p, "pool", -1) == id) pool.name = Text(p, "pool_name");
    }
    for (const Json& p : Field(inputs.df, "pools")) {
      if (Number(p, "id", -1) != id) continue;
      pool.used_bytes = Number(Field(p, "stats"), "bytes_used");
      pool.avail_bytes = Number(Field(p, "stats"), "max_avail");
    }
    fs.pools.push_back(std::move(pool));
  };
  add_pool(Number(mdsmap, "metadata_pool"), true);
  for (const Json& id : Field(mdsmap, "data_pools")) {
    if (id.is_number_integer()) add_pool(id.get<int64_t>(), false);
  }
  return fs;
}

std::string PrintFileSystem(const FileSystem& fs) {
  constexpr auto kCenter = Table::Align::kCenter;
  Table ranks({{"RANK", kCenter},
               {"STATE", kCenter},
               {"MDS", kCenter},
               {"ACTIVITY", kCenter},
               {"DNS", kCenter},
               {"INOS", kCenter},
               {"DIRS", kCenter},
               {"CAPS", kCenter}});
  for (const MdsRow& row : fs.servers) {
    std::string rank = row.rank ? absl::StrCat(*row.rank) : "";
    if (row.name.empty()) {
      ranks.AddRow({rank, row.state});
      continue;
    }
    const bool replay = absl::StartsWith(row.state, "standby-replay");
    std::string activity;
    if (row.state == "active") activity = absl::StrCat("Reqs: ", FormatCount(row.rate), "/s");
    if (replay) activity = absl::StrCat("Evts: ", FormatCount(row.rate), "/s");
    if (replay) rank += "-s";
    ranks.AddRow({rank, row.state, row.name, activity, FormatCount(row.dns), FormatCount(row.inos),
                  FormatCount(row.dirs), FormatCount(row.caps)});
  }
  Table pools({{"POOL", kCenter}, {"TYPE", kCenter}, {"USED", kCenter}, {"AVAIL", kCenter}});
  const auto bytes = [](const std::optional<int64_t>& n) { return n ? FormatBytes(*n) : "-"; };
  for (const PoolRow& pool : fs.pools) {
    pools.AddRow({pool.name, pool.metadata ? "metadata" : "data", bytes(pool.used_bytes),
                  bytes(pool.avail_bytes)});
  }
  return absl::StrCat(fs.name, " - ", fs.clients, " clients\n", std::string(fs.name.size(), '='),
                      "\n", ranks.Print(), "\n", pools.Print(), "\n");
}

}  // namespace

std::vector<std::string> MdsNames(const Json& fs_map) {
  std::vector<std::string> names;
  for (const Json& fs : Field(fs_map, "filesystems")) {
    for (const Json& info : Field(Field(fs, "mdsmap"), "info")) names.push_back(Text(info, "name"));
  }
  for (const Json& standby : Field(fs_map, "standbys")) names.push_back(Text(standby, "name"));
  return names;
}

absl::StatusOr<FsStatus> MakeFsStatus(const FsInputs& inputs,
                                      const std::optional<std::string>& only) {
  FsStatus status;
  std::vector<std::string> names;
  for (const Json& fs : Field(inputs.fs_map, "filesystems")) {
    const Json& mdsmap = Field(fs, "mdsmap");
    names.push_back(Text(mdsmap, "fs_name"));
    if (!only || names.back() == *only) {
      status.file_systems.push_back(MakeFileSystem(mdsmap, inputs));
    }
  }
  if (only && status.file_systems.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "Invalid filesystem: ", *only,
        names.empty() ? " (there is none)"
                      : absl::StrCat(" (there are: ", absl::StrJoin(names, ", "), ")")));
  }
  for (const Json& standby : Field(inputs.fs_map, "standbys")) {
    status.standbys.push_back(Text(standby, "name"));
  }
  const auto add_version = [&](const std::string& name) {
    const auto it = inputs.mds_version.find(name);
    status.versions[it == inputs.mds_version.end() ? kUnknownVersion : it->second].push_back(name);
  };
  for (const FileSystem& fs : status.file_systems) {
    for (const MdsRow& row : fs.servers) {
      if (!row.name.empty()) add_version(row.name);
    }
  }
  for (const std::string& name : status.standbys) add_version(name);
  return status;
}

std::string PrintFs(const FsStatus& status) {
  std::string text;
  for (const FileSystem& fs : status.file_systems) text += PrintFileSystem(fs);
  Table standbys({{"STANDBY MDS", Table::Align::kCenter}});
  for (const std::string& name : status.standbys) standbys.AddRow({name});
  absl::StrAppend(&text, "\n", standbys.Print(), "\n");
  if (status.versions.size() == 1) {
    absl::StrAppend(&text, "MDS version: ", status.versions.begin()->first);
  } else if (!status.versions.empty()) {
    Table versions({{"VERSION", Table::Align::kCenter}, {"DAEMONS", Table::Align::kCenter}});
    for (const auto& [version, names] : status.versions) {
      versions.AddRow({version, absl::StrJoin(names, ", ")});
    }
    absl::StrAppend(&text, versions.Print(), "\n");
  }
  return text;
}

Json FsJson(const FsStatus& status) {
  Json mdsmap = Json::array();
  Json pools = Json::array();
  Json clients = Json::array();
  const auto bytes = [](const std::optional<int64_t>& n) { return n ? Json(*n) : Json(); };
  for (const FileSystem& fs : status.file_systems) {
    for (const MdsRow& row : fs.servers) {
      Json server = {{"rank", row.rank.value_or(-1)}, {"state", row.state}};
      if (!row.name.empty()) {
        const bool replay = absl::StartsWith(row.state, "standby-replay");
        server.update({{"name", row.name},
                       {replay ? "events" : "rate", row.rate},
                       {"dns", row.dns},
                       {"inos", row.inos},
                       {"dirs", row.dirs},
                       {"caps", row.caps}});
      }
      mdsmap.push_back(std::move(server));
    }
    for (const PoolRow& pool : fs.pools) {
      pools.push_back({{"id", pool.id},
                       {"name", pool.name},
                       {"type", pool.metadata ? "metadata" : "data"},
                       {"used", bytes(pool.used_bytes)},
                       {"avail", bytes(pool.avail_bytes)}});
    }
    clients.push_back({{"fs", fs.name}, {"clients", fs.clients}});
  }
  for (const std::string& name : status.standbys) {
    mdsmap.push_back({{"name", name}, {"state", "standby"}});
  }
  Json versions = Json::array();
  for (const auto& [version, names] : status.versions) {
    versions.push_back({{"version", version}, {"daemons", names}});
  }
  return {{"mdsmap", std::move(mdsmap)},
          {"pools", std::move(pools)},
          {"clients", std::move(clients)},
          {"mds_version", status.versions.size() == 1 ? Json(status.versions.begin()->first)
                                                      : std::move(versions)}};
}

}  // namespace status
