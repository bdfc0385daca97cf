#include "modules/status/osd_status.h"

#include <fnmatch.h>

#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "modules/status/json_access.h"
#include "modules/status/units.h"
#include "outpost/table.h"

namespace status {

using outpost::Json;
using outpost::Table;

absl::StatusOr<std::set<int64_t>> OsdsUnder(const Json& osd_map_tree, const std::string& pattern) {
  std::map<int64_t, const Json*> nodes;
  std::vector<int64_t> waiting;
  std::vector<std::string> buckets;
  for (const Json& node : Field(osd_map_tree, "nodes")) {
    const int64_t id = Number(node, "id");
    const std::string name = Text(node, "name");
    nodes[id] = &node;
    if (fnmatch(pattern.c_str(), name.c_str(), 0) == 0) waiting.push_back(id);
    if (id < 0) buckets.push_back(name);
  }
  if (waiting.empty()) {
    return absl::NotFoundError(absl::StrCat(
        "Bucket '", pattern, "' not found (there are: ", absl::StrJoin(buckets, ", "), ")"));
  }
  std::set<int64_t> osds;
  std::set<int64_t> seen;
  while (!waiting.empty()) {
    const int64_t id = waiting.back();
    waiting.pop_back();
    if (!seen.insert(id).second) continue;
    if (id >= 0) osds.insert(id);
    const auto node = nodes.find(id);
    if (node == nodes.end()) continue;
    for (const Json& child : Field(*node->second, "children")) {
      if (child.is_number_integer()) waiting.push_back(child.get<int64_t>());
    }
  }
  return osds;
}

std::vector<OsdRow> OsdRows(const OsdInputs& inputs, const std::optional<std::set<int64_t>>& only) {
  std::map<int64_t, const Json*> stats;
  for (const Json& stat : Field(inputs.osd_stats, "osd_stats")) stats[Number(stat, "osd")] = &stat;
  std::vector<OsdRow> rows;
  for (const Json& osd : Field(inputs.osd_map, "osds")) {
    OsdRow row;
    row.id = Number(osd, "osd");
    if (only && !only->contains(row.id)) continue;
    const std::string id = absl::StrCat(row.id);
    row.host = Text(Field(inputs.osd_metadata, id), "hostname");
    if (const auto stat = stats.find(row.id); stat != stats.end()) {
      row.used_bytes = Number(*stat->second, "kb_used") * 1024;
      row.avail_bytes = Number(*stat->second, "kb_avail") * 1024;
    }
    const Counters& counters = inputs.counters;
    row.write_ops = counters.Rate(id, "osd.op_w") + counters.Rate(id, "osd.op_rw");
    row.write_bytes = counters.Rate(id, "osd.op_in_bytes");
    row.read_ops = counters.Rate(id, "osd.op_r");
    row.read_bytes = counters.Rate(id, "osd.op_out_bytes");
    for (const Json& state : Field(osd, "state")) {
      if (state.is_string()) row.state.push_back(state.get<std::string>());
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string PrintOsds(const std::vector<OsdRow>& rows) {
  constexpr auto kRight = Table::Align::kRight;
  Table table({{"ID", kRight},
               {"HOST"},
               {"USED", kRight},
               {"AVAIL", kRight},
               {"WR OPS", kRight},
               {"WR DATA", kRight},
               {"RD OPS", kRight},
               {"RD DATA", kRight},
               {"STATE"}});
  const auto bytes = [](const std::optional<int64_t>& n) { return n ? FormatBytes(*n) : "-"; };
  for (const OsdRow& row : rows) {
    table.AddRow({absl::StrCat(row.id), row.host, bytes(row.used_bytes), bytes(row.avail_bytes),
                  FormatCount(row.write_ops), FormatBytes(row.write_bytes),
                  FormatCount(row.read_ops), FormatBytes(row.read_bytes),
                  absl::StrJoin(row.state, ",")});
  }
  return table.Print();
}

Json OsdsJson(const std::vector<OsdRow>& rows) {
  const auto bytes = [](const std::optional<int64_t>& n) { return n ? Json(*n) : Json(); };
  Json osds = Json::array();
  for (const OsdRow& row : rows) {
    osds.push_back({{"id", row.id},
                    {"host", row.host},
                    {"used_bytes", bytes(row.used_bytes)},
                    {"avail_bytes", bytes(row.avail_bytes)},
                    {"write_ops_per_sec", row.write_ops},
                    {"write_bytes_per_sec", row.write_bytes},
                    {"read_ops_per_sec", row.read_ops},
                    {"read_bytes_per_sec", row.read_bytes},
                    {"state", row.state}});
  }
  return {{"osds", std::move(osds)}};
}

}  // namespace status
