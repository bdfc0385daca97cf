// The daemons as people see them, and the pace that they are asked for.
#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/cluster/report/reported_daemons.h"
#include "server/event/proto_time.h"

namespace outpost::cluster::report {
namespace {

constexpr absl::Duration kShortestInterval = absl::Milliseconds(10);
constexpr absl::Duration kLongestInterval = absl::Hours(1);
constexpr uint32_t kHighestPriority = 10;
constexpr size_t kToldAtOnce = 2000;  // of the pace, in one Tick

}  // namespace

absl::Status ReportedDaemons::Configure(std::optional<absl::Duration> interval,
                                        std::optional<uint32_t> min_priority) {
  if (interval.has_value() && (*interval < kShortestInterval || *interval > kLongestInterval)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "an interval of ", absl::FormatDuration(*interval), ": it is from ",
        absl::FormatDuration(kShortestInterval), " to ", absl::FormatDuration(kLongestInterval)));
  }
  if (min_priority.value_or(0) > kHighestPriority) {
    return absl::InvalidArgumentError(
        absl::StrCat("a priority of ", *min_priority, ": the highest is ", kHighestPriority));
  }
  pace_.Ask(interval, min_priority);
  return absl::OkStatus();
}

void ReportedDaemons::TellPace() {
  const ReportPace::Pace pace = pace_.now();
  if (pace_told_ == pace.version) return;
  std::vector<std::shared_ptr<ReportDaemon>> daemons;
  {
    absl::MutexLock lock(&mu_);
    daemons.reserve(daemons_.size());
    for (const auto& [key, daemon] : daemons_) daemons.push_back(daemon);
  }
  v1::ReportResponse response;
  v1::IngestConfigure& configure = *response.mutable_configure();
  *configure.mutable_report_interval() = event::ToProto(pace.interval);
  configure.set_min_priority(pace.min_priority);
  size_t told = 0;
  for (const auto& daemon : daemons) {
    absl::MutexLock lock(&daemon->mu);
    if (daemon->stream == nullptr || daemon->stream->pace == pace.version) continue;
    if (++told > kToldAtOnce) return;  // the others hear of it in the next Tick
    daemon->stream->pace = pace.version;
    daemon->stream->min_priority = pace.min_priority;
    daemon->stream->link->Send(response);
  }
  pace_told_ = pace.version;
}

std::vector<ReportedDaemons::Info> ReportedDaemons::List() const {
  std::vector<std::shared_ptr<ReportDaemon>> daemons;
  std::map<const ReportDaemon*, std::pair<size_t, uint64_t>> structures;  // how many, bytes
  {
    absl::MutexLock lock(&mu_);
    for (const auto& [key, daemon] : daemons_) daemons.push_back(daemon);
    absl::MutexLock structures_lock(&structures_mu_);
    for (const auto& [name, structure] : structures_) {
      auto& [count, bytes] = structures[structure.owner.get()];
      ++count;
      bytes += structure.bytes;
    }
  }
  std::vector<Info> all;
  for (const auto& daemon : daemons) {
    absl::MutexLock lock(&daemon->mu);
    const absl::Duration now = clock_.Now();
    Info& info = all.emplace_back();
    info.type = daemon->type;
    info.id = daemon->id;
    info.hostname = daemon->hostname;
    info.version = daemon->version;
    info.live = daemon->state == State::kLive;
    info.connected = daemon->stream != nullptr;
    info.age = std::max(now - absl::Nanoseconds(daemon->last_message.load()), absl::ZeroDuration());
    info.lease = absl::Nanoseconds(daemon->lease.load());
    info.drop_after = absl::Nanoseconds(daemon->drop_after.load());
    info.counters = daemon->schema == nullptr ? 0 : daemon->schema->slots.size();
    std::tie(info.structures, info.structure_bytes) = structures[daemon.get()];
    info.messages = daemon->messages;
    info.bytes = daemon->bytes;
    info.bytes_per_second = daemon->byte_rate.PerSecond(now);
    info.rejected = daemon->rejected;
    info.last_rejection = daemon->last_rejection;
    if (info.connected && daemon->stream->tells_time) {
      info.lag = daemon->stream->delay.delay();
      info.clock_ahead = daemon->clock_ahead;
    }
  }
  std::sort(all.begin(), all.end(), [](const Info& a, const Info& b) {
    return std::tie(a.type, a.id) < std::tie(b.type, b.id);
  });
  return all;
}

}  // namespace outpost::cluster::report
