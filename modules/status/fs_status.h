// The answer to "fs status": the file systems of the cluster with their metadata
// servers and pools, then the standby servers and the versions that run.
//
// **Thread safety.** Pure functions.
#ifndef OUTPOST_MODULES_STATUS_FS_STATUS_H_
#define OUTPOST_MODULES_STATUS_FS_STATUS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "modules/status/counters.h"
#include "outpost/json.h"

namespace status {

struct MdsRow {
  std::optional<int64_t> rank;  // of a server that has one, or follows one
  std::string state;            // "active", "standby-replay", "failed", …
  std::string name;             // empty: none
  int64_t rate = 0;             // active: requests, standby-replay: events; per second
  int64_t dns = 0;
  int64_t inos = 0;
  int64_t dirs = 0;
  int64_t caps = 0;
};

struct PoolRow {
  int64_t id = 0;
  std::string name;
  bool metadata = false;
  std::optional<int64_t> used_bytes = {};
  std::optional<int64_t> avail_bytes = {};
};

struct FileSystem {
  std::string name;
  int64_t clients = 0;
  std::vector<MdsRow> servers;
  std::vector<PoolRow> pools;
};

struct FsStatus {
  std::vector<FileSystem> file_systems;
  std::vector<std::string> standbys;
  std::map<std::string, std::vector<std::string>> versions;  // to the servers that run it
};

// What the cluster tells. A structure that there is not is null.
struct FsInputs {
  const outpost::Json& fs_map;
  const outpost::Json& osd_map;
  const outpost::Json& df;
  const Counters& counters;                               // of the metadata servers
  const std::map<std::string, std::string>& mds_version;  // by the server's name
};

// The names of all metadata servers in `fs_map`.
std::vector<std::string> MdsNames(const outpost::Json& fs_map);

// INVALID_ARGUMENT: there is no file system `only`; names those that there are.
absl::StatusOr<FsStatus> MakeFsStatus(const FsInputs& inputs,
                                      const std::optional<std::string>& only);

std::string PrintFs(const FsStatus& status);
outpost::Json FsJson(const FsStatus& status);

}  // namespace status

#endif  // OUTPOST_MODULES_STATUS_FS_STATUS_H_
