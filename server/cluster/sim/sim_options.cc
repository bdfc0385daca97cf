#include "server/cluster/sim/sim_options.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace outpost::cluster::sim {
namespace {

absl::Status OutOfRange(absl::string_view option, absl::string_view value,
                        absl::string_view range) {
  return absl::InvalidArgumentError(
      absl::StrCat("simulated cluster: ", option, " is ", value, ", but must be ", range));
}

}  // namespace

absl::Status Validate(const SimOptions& o) {
  if (o.osds < 1 || o.osds > 20000) return OutOfRange("osds", absl::StrCat(o.osds), "1 to 20000");
  if (o.hosts < 0 || o.hosts > o.osds) {
    return OutOfRange("hosts", absl::StrCat(o.hosts),
                      absl::StrCat("0 (by itself) to ", o.osds, ", the number of OSDs"));
  }
  if (o.pools < 0 || o.pools > 1000) return OutOfRange("pools", absl::StrCat(o.pools), "0 to 1000");
  if (o.pg_num < 1 || o.pg_num > 65536) {
    return OutOfRange("pg_num", absl::StrCat(o.pg_num), "1 to 65536");
  }
  if (!(o.speed >= 0 && o.speed <= 1e6)) {
    return OutOfRange("speed", absl::StrCat(o.speed), "0 to 1000000 seconds per second");
  }
  if (o.tick < absl::Milliseconds(1) || o.tick > absl::Hours(1)) {
    return OutOfRange("tick", absl::FormatDuration(o.tick), "1ms to 1h");
  }
  if (!(o.failures_per_hour >= 0 && o.failures_per_hour <= 1e6)) {
    return OutOfRange("failures_per_hour", absl::StrCat(o.failures_per_hour), "0 to 1000000");
  }
  if (o.queue_limit < 1) return OutOfRange("queue_limit", "0", "at least 1");
  return absl::OkStatus();
}

}  // namespace outpost::cluster::sim
