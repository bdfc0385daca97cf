#include "server/cluster/ceph/whole_floats.h"

#include <algorithm>
#include <cstddef>

namespace outpost::cluster::ceph {
namespace {

using absl::string_view;

constexpr string_view kDf[] = {"percent_used", "total_used_raw_ratio"};
constexpr string_view kOsdMap[] = {
    "backfillfull_ratio", "deep_scrub_interval", "full_ratio",       "laggy_probability",
    "nearfull_ratio",     "pg_autoscale_bias",   "primary_affinity", "scrub_max_interval",
    "scrub_min_interval", "target_size_ratio",   "weight",
};
constexpr string_view kOsdMapCrush[] = {"weight_set"};
constexpr string_view kOsdMapTree[] = {"crush_weight", "primary_affinity", "reweight"};
constexpr string_view kOsdPingTimes[] = {"15min", "1min", "5min", "last"};
constexpr string_view kOsdStats[] = {"apply_latency_ms", "commit_latency_ms"};
constexpr string_view kRatios[] = {"degraded_ratio", "inactive_pgs_ratio", "misplaced_ratio",
                                   "unknown_pgs_ratio"};

struct Members {
  string_view structure;
  absl::Span<const string_view> names;  // sorted
};
constexpr Members kMembers[] = {
    {"df", kDf},
    {"osd_map", kOsdMap},
    {"osd_map_crush", kOsdMapCrush},
    {"osd_map_tree", kOsdMapTree},
    {"osd_ping_times", kOsdPingTimes},
    {"osd_pool_stats", kRatios},
    {"osd_stats", kOsdStats},
    {"pg_dump", kOsdStats},
    {"pg_status", kRatios},
};

// Behind the text that begins at `at`, a quotation mark.
size_t EndOfString(string_view json, size_t at) {
  for (++at; at < json.size() && json[at] != '"'; ++at) {
    if (json[at] == '\\') ++at;
  }
  return std::min(at + 1, json.size());
}

bool InNumber(char c) {
  return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

bool IsBetweenNumbers(char c) { return c == '[' || c == ']' || c == ',' || c == ' ' || c == '\n'; }

}  // namespace

absl::Span<const string_view> FloatMembers(string_view structure) {
  for (const Members& members : kMembers) {
    if (members.structure == structure) return members.names;
  }
  return {};
}

std::string WithPoints(string_view structure, string_view json) {
  const absl::Span<const string_view> floats = FloatMembers(structure);
  std::string text;
  if (floats.empty()) {
    text.assign(json.data(), json.size());
    return text;
  }
  text.reserve(json.size() + json.size() / 64);
  const auto append = [&](size_t begin, size_t end) {
    text.append(json.data() + begin, end - begin);
  };
  for (size_t at = 0; at < json.size();) {
    if (json[at] != '"') {
      text += json[at++];
      continue;
    }
    const size_t end = EndOfString(json, at);
    append(at, end);
    const string_view name = json.substr(at + 1, end - at - 2);
    at = end;
    size_t value = at;
    while (value < json.size() && (json[value] == ' ' || json[value] == ':')) ++value;
    // A text that no colon follows is a value.
    if (value == at || !std::binary_search(floats.begin(), floats.end(), name)) continue;
    // One number, or all of a list of lists.
    int depth = 0;
    do {
      while (value < json.size() && IsBetweenNumbers(json[value])) {
        depth += json[value] == '[' ? 1 : json[value] == ']' ? -1 : 0;
        ++value;
        if (depth <= 0) break;
      }
      size_t behind = value;
      while (behind < json.size() && InNumber(json[behind])) ++behind;
      append(at, behind);
      at = behind;
      if (behind == value) break;
      if (json.substr(value, behind - value).find_first_of(".eE") == string_view::npos) {
        text += ".0";
      }
      value = behind;
    } while (depth > 0);
  }
  return text;
}

}  // namespace outpost::cluster::ceph
