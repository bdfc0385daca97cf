// The commands that report on a simulated cluster.
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "server/cluster/sim/json_writer.h"
#include "server/cluster/sim/sim_command_handlers.h"
#include "server/cluster/sim/sim_health.h"
#include "server/cluster/sim/sim_structures.h"
#include "server/cluster/sim/sim_text.h"

namespace outpost::cluster::sim {
namespace {

using command::Result;

Result Print(absl::string_view text) { return {0, std::string(text), ""}; }

template <typename Write>
Result PrintJson(const Arguments& arguments, Write write) {
  JsonWriter out(JsonWriter::Whole::kWithoutPoint);
  write(out);
  std::string text = out.Take();
  if (arguments.wants_pretty_json()) text = nlohmann::ordered_json::parse(text).dump(4);
  return {0, text + "\n", ""};
}

// Whether the argument "detail" is there.
absl::StatusOr<bool> WantsDetail(const Arguments& arguments) {
  absl::StatusOr<std::string> detail = arguments.Text("detail");
  if (!detail.ok()) return detail.status();
  if (!detail->empty() && *detail != "detail") {
    return absl::InvalidArgumentError(absl::StrCat("'", *detail, "' is not 'detail'"));
  }
  return !detail->empty();
}

void WriteOsdMapSummary(const Cluster& cluster, JsonWriter& out) {
  out.Object([&] {
    out.Field("epoch", cluster.epoch);
    out.Field("num_osds", cluster.osds.size());
    out.Field("num_up_osds", CountUp(cluster));
    out.Field("osd_up_since", absl::ToUnixSeconds(cluster.last_up_change));
    out.Field("num_in_osds", CountIn(cluster));
    out.Field("osd_in_since", absl::ToUnixSeconds(cluster.last_in_change));
    out.Field("num_remapped_pgs", CountRemapped(cluster));
  });
}

void WriteStatus(const Cluster& cluster, JsonWriter& out) {
  out.Object([&] {
    out.Field("fsid", cluster.fsid);
    out.Key("health");
    WriteHealth(cluster, /*with_detail=*/false, out);
    out.Field("election_epoch", 3);
    out.Array("quorum", [&] {
      for (size_t rank = 0; rank < cluster.mons.size(); ++rank) out.Value(rank);
    });
    out.Array("quorum_names", [&] {
      for (const Mon& mon : cluster.mons) out.Value(mon.name);
    });
    out.Field("quorum_age", absl::ToInt64Seconds(cluster.now - cluster.created));
    out.Object("monmap", [&] {
      out.Field("epoch", 1);
      out.Field("min_mon_release_name", "pacific");
      out.Field("num_mons", cluster.mons.size());
    });
    out.Key("osdmap");
    WriteOsdMapSummary(cluster, out);
    out.Key("pgmap");
    out.Object([&] { WritePgMapSummary(cluster, out); });
    out.Object("fsmap", [&] {
      out.Field("epoch", 1);
      out.Array("by_rank", [] {});
      out.Field("up:standby", 0);
    });
    out.Object("mgrmap", [&] {
      out.Field("available", true);
      out.Field("num_standbys", 0);
      out.Array("modules", [] {});
      out.Object("services", [] {});
    });
    out.Object("servicemap", [&] {
      out.Field("epoch", 1);
      out.Field("modified", Stamp(cluster.created));
      out.Object("services", [] {});
    });
    out.Object("progress_events", [] {});
  });
}

}  // namespace

Result PoolList(Model& model, const Arguments& arguments) {
  const absl::StatusOr<bool> detail = WantsDetail(arguments);
  if (!detail.ok()) return Invalid(detail.status());
  const std::vector<Pool>& pools = model.cluster().pools;
  if (!arguments.wants_json()) {
    std::string text;
    for (const Pool& pool : pools) {
      absl::StrAppend(&text, *detail ? PoolText(pool) : pool.name, "\n");
    }
    return Print(text);
  }
  return PrintJson(arguments, [&](JsonWriter& out) {
    out.Array([&] {
      for (const Pool& pool : pools) {
        if (*detail) {
          WritePool(pool, out);
        } else {
          out.Value(pool.name);
        }
      }
    });
  });
}

Result OsdDump(Model& model, const Arguments& arguments) {
  const Cluster& cluster = model.cluster();
  const absl::StatusOr<int64_t> epoch = arguments.Int("epoch", cluster.epoch);
  if (!epoch.ok()) return Invalid(epoch.status());
  // Past maps are not kept.
  if (*epoch != 0 && *epoch != cluster.epoch) {
    return Fail(ENOENT, absl::StrCat("there is no map for epoch ", *epoch));
  }
  if (!arguments.wants_json()) return Print(OsdDumpText(cluster));
  return PrintJson(arguments, [&](JsonWriter& out) { WriteOsdMap(cluster, out); });
}

Result OsdTree(Model& model, const Arguments& arguments) {
  const absl::StatusOr<std::vector<std::string>> states = arguments.List("states");
  if (!states.ok()) return Invalid(states.status());
  if (!states->empty()) {
    return Fail(EINVAL, "a simulated cluster shows its whole tree: leave 'states' out");
  }
  if (!arguments.wants_json()) return Print(OsdTreeText(model.cluster()));
  return PrintJson(arguments, [&](JsonWriter& out) { WriteOsdMapTree(model.cluster(), out); });
}

Result OsdStat(Model& model, const Arguments& arguments) {
  const Cluster& cluster = model.cluster();
  if (!arguments.wants_json()) return Print(OsdStatText(cluster));
  return PrintJson(arguments, [&](JsonWriter& out) { WriteOsdMapSummary(cluster, out); });
}

Result OsdList(Model& model, const Arguments& arguments) {
  if (arguments.wants_json()) {
    return PrintJson(arguments, [&](JsonWriter& out) {
      out.Array([&] {
        for (const Osd& osd : model.cluster().osds) out.Value(osd.id);
      });
    });
  }
  std::string text;
  for (const Osd& osd : model.cluster().osds) absl::StrAppend(&text, osd.id, "\n");
  return Print(text);
}

Result Health(Model& model, const Arguments& arguments) {
  const absl::StatusOr<bool> detail = WantsDetail(arguments);
  if (!detail.ok()) return Invalid(detail.status());
  if (!arguments.wants_json()) return Print(HealthText(model.cluster(), *detail));
  return PrintJson(arguments, [&](JsonWriter& out) { WriteHealth(model.cluster(), *detail, out); });
}

Result Df(Model& model, const Arguments& arguments) {
  const absl::StatusOr<bool> detail = WantsDetail(arguments);
  if (!detail.ok()) return Invalid(detail.status());
  if (!arguments.wants_json()) return Print(DfText(model.cluster()));
  return PrintJson(arguments, [&](JsonWriter& out) {
    WriteDf(model.cluster(), *detail ? DfDetail::kAll : DfDetail::kLess, out);
  });
}

Result Status(Model& model, const Arguments& arguments) {
  if (!arguments.wants_json()) return Print(StatusText(model.cluster()));
  return PrintJson(arguments, [&](JsonWriter& out) { WriteStatus(model.cluster(), out); });
}

Result Fsid(Model& model, const Arguments& arguments) {
  const std::string& fsid = model.cluster().fsid;
  if (!arguments.wants_json()) return Print(absl::StrCat(fsid, "\n"));
  return PrintJson(arguments,
                   [&](JsonWriter& out) { out.Object([&] { out.Field("fsid", fsid); }); });
}

Result Version(Model&, const Arguments& arguments) {
  if (!arguments.wants_json()) return Print(absl::StrCat(kVersion, "\n"));
  return PrintJson(arguments,
                   [&](JsonWriter& out) { out.Object([&] { out.Field("version", kVersion); }); });
}

}  // namespace outpost::cluster::sim
